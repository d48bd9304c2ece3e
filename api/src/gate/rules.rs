//! What is decided for a project: the JSON that is stored and that the API speaks, and what follows from it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tephra_ingest::{FilterRules, Filters};
use tephra_storage::meta::intake::{Intake, IntakePart};

use super::project::InForce;
use super::quota::{Quota, QuotaRules};
use super::rate::{Pace, Rate};
use super::spike::{SpikeRules, Spikes};
use crate::answer::{Answer, Kind, Result};
use crate::settings::LimitSettings;

/// How fast events may come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitRules {
    /// Of all keys together; the server's default where it is null.
    pub(crate) rate: Option<Rate>,
    /// When more than usual is a spike.
    pub(crate) spike_protection: SpikeRules,
}

impl LimitRules {
    /// Refuses what is not allowed, by the name of its field.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(rate) = &self.rate {
            rate.check("rate")?;
        }
        match self.spike_protection.multiple {
            Some(multiple) if !(2..=1000).contains(&multiple) => {
                Err(Answer::new(Kind::Invalid, "`spike_protection.multiple` is to be from 2 to 1000")
                    .field("spike_protection.multiple"))
            }
            _ => Ok(()),
        }
    }
}

/// All that is decided for a project.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProjectRules {
    pub(crate) limits: LimitRules,
    pub(crate) quotas: QuotaRules,
    pub(crate) filters: FilterRules,
}

impl ProjectRules {
    /// Takes in one part as it is stored. One that does not read is as if it were not there: it was written by another program.
    pub(super) fn read(&mut self, part: &Intake) {
        let read = match part.part {
            IntakePart::Limits => serde_json::from_str(&part.body).map(|limits| self.limits = limits),
            IntakePart::Quotas => serde_json::from_str(&part.body).map(|quotas| self.quotas = quotas),
            IntakePart::Filters => serde_json::from_str(&part.body).map(|filters| self.filters = filters),
        };
        if let Err(error) = read {
            let (project, part) = (part.project, part.part.as_str());
            tracing::warn!(%error, %project, part, "could not read what was decided for a project: it does not hold");
        }
    }

    pub(super) fn in_force(&self, defaults: &LimitSettings) -> InForce {
        let rate = self
            .limits
            .rate
            .or_else(|| Rate::of_settings(defaults.project_events_per_second, defaults.project_events_burst));
        let filters = Filters::new(&self.filters).unwrap_or_else(|error| {
            tracing::warn!(%error, "the filters of a project do not hold");
            Filters::default()
        });
        InForce {
            pace: rate.and_then(Pace::new),
            quotas: [
                Quota::new(self.quotas.day.as_ref(), defaults.project_events_per_day),
                Quota::new(self.quotas.month.as_ref(), defaults.project_events_per_month),
            ],
            spikes: Spikes::new(self.limits.spike_protection, Spikes::by_default(defaults)),
            filters: Arc::new(filters),
        }
    }
}

impl Spikes {
    /// What the server decides.
    fn by_default(settings: &LimitSettings) -> Self {
        Self {
            enabled: settings.spike_protection,
            multiple: settings.spike_multiple.clamp(2, 1000),
            events_per_minute_min: settings.spike_events_per_minute_min,
        }
    }
}
