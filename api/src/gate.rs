//! The gate: decides of every event whether it may come in. Rates of keys and projects, quotas, protection from spikes, and what
//! a project does not want.
//!
//! Everything it asks is in memory: the rules of all projects, read again every few seconds and after each change that this
//! server makes, and a fixed number of counters for each project and key. Nobody waits for a database.
//!
//! A restart begins rates and the minutes of spikes anew; quotas and what is usual in a project go on from what was written
//! down (`ledger.rs`), less what a crash's last second counted.
//!
//! Known weakness: of several servers, each holds rates and spikes against what it sees itself, and quotas against what the
//! others counted up to a few seconds ago.

mod project;
mod quota;
mod rate;
mod room;
mod rules;
mod spike;
mod verdict;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tephra_ingest::sentry::Category;
use tephra_storage::ProjectId;
use tephra_storage::meta::{Meta, intake};
use tokio_util::sync::CancellationToken;

use crate::answer::Result;
use crate::settings::{LimitSettings, Settings};

pub(crate) use project::{KeyGate, ProjectGate, Standing};
pub(crate) use quota::{COUNTED, Counts, QuotaRules, TOTAL, category, events, place};
pub(crate) use rate::Rate;
pub(crate) use rules::{LimitRules, ProjectRules};
pub(crate) use spike::{SpikeRules, WINDOW};
pub(crate) use verdict::{Limit, Limits, Reason, Verdict, answer};

use quota::DAY_US;

/// How long a change made elsewhere may go unseen.
const RELOAD: Duration = Duration::from_secs(5);
const HOUR_US: i64 = 3_600_000_000;
/// Counts of quotas are kept for so long: a month, and a little more.
const KEPT_DAYS: i64 = 40;

/// What may come by a protocol that brings errors and logs.
pub(crate) const ANY_EVENT: [Category; 4] = [Category::Error, Category::Default, Category::LogItem, Category::Feedback];

type Projects = HashMap<ProjectId, Arc<ProjectGate>>;

/// All projects at the gate.
#[derive(Debug)]
pub(crate) struct Gate {
    node_id: String,
    defaults: LimitSettings,
    projects: ArcSwap<Projects>,
    /// One reload at a time, so that an older list never replaces a newer one; and the hour that was last learnt from.
    reloading: tokio::sync::Mutex<i64>,
}

impl Gate {
    /// A gate that knows no project yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            node_id: settings.storage.node_id.clone(),
            defaults: settings.limit,
            projects: ArcSwap::default(),
            reloading: tokio::sync::Mutex::new(0),
        }
    }

    /// The gate of a project. One that was made elsewhere a moment ago gets the server's defaults until it is read.
    pub(crate) fn project(&self, id: ProjectId) -> Arc<ProjectGate> {
        if let Some(project) = self.projects.load().get(&id) {
            return project.clone();
        }
        self.projects.rcu(|projects| {
            let mut projects = Projects::clone(projects);
            projects.entry(id).or_insert_with(|| Arc::new(self.new_project()));
            projects
        });
        self.projects.load().get(&id).cloned().unwrap_or_else(|| Arc::new(self.new_project()))
    }

    /// The gate of a key.
    pub(crate) fn key(rate: Option<Rate>, settings: &LimitSettings, before: Option<&KeyGate>) -> KeyGate {
        let default = Rate::of_settings(settings.key_events_per_second, settings.key_events_burst);
        let pace = rate.or(default).and_then(rate::Pace::new);
        KeyGate { pace, state: before.map(|before| before.state.clone()).unwrap_or_default() }
    }

    /// How many projects a spike is on in.
    pub(crate) fn spikes(&self, now_us: i64) -> usize {
        self.projects.load().values().filter(|project| project.standing(now_us).spike_since.is_some()).count()
    }

    /// The rate of a project where it decides nothing itself.
    pub(crate) fn default_rate(&self) -> Option<Rate> {
        Rate::of_settings(self.defaults.project_events_per_second, self.defaults.project_events_burst)
    }

    fn new_project(&self) -> ProjectGate {
        ProjectGate::new(ProjectRules::default().in_force(&self.defaults))
    }

    /// Reads the rules and the counts of all projects: once before the first event, and after the commit of each change of
    /// limits, quotas or filters.
    pub(crate) async fn reload(&self, meta: &Meta) -> Result<()> {
        let mut learnt = self.reloading.lock().await;
        let mut rules = HashMap::<ProjectId, ProjectRules>::new();
        for part in meta.intake(None).await? {
            rules.entry(part.project).or_default().read(&part);
        }
        let live = meta.projects().await?;
        let now_us = meta.now_us();
        let (this_month, _) = quota::month(now_us.div_euclid(DAY_US));
        let days = meta.quota_days(this_month, &self.node_id).await?;
        let this_hour = now_us.div_euclid(HOUR_US);
        let hours = match *learnt == this_hour {
            true => None,
            false => Some(meta.project_hours(this_hour - spike::LEARNT_HOURS).await?),
        };

        let mut counts = HashMap::<ProjectId, Vec<(i64, bool, Counts)>>::new();
        for row in &days {
            let Some(place) = COUNTED.iter().position(|category| category.as_str() == row.category) else { continue };
            let mut one = Counts::default();
            one[place] = row.events.max(0).unsigned_abs();
            counts.entry(row.project).or_default().push((row.day, row.own, one));
        }
        let mut by_hour = HashMap::<ProjectId, Vec<(i64, u64)>>::new();
        for row in hours.iter().flatten() {
            by_hour.entry(row.project).or_default().push((row.hour, row.events.max(0).unsigned_abs()));
        }

        let before = self.projects.load_full();
        let mut projects = Projects::new();
        for project in live {
            let id = project.id;
            let in_force = rules.remove(&id).unwrap_or_default().in_force(&self.defaults);
            let known = before.get(&id).cloned();
            let gate = match &known {
                Some(gate) => {
                    gate.put_in_force(in_force);
                    gate.clone()
                }
                None => Arc::new(ProjectGate::new(in_force)),
            };
            let counted = counts.get(&id).map_or(&[][..], Vec::as_slice);
            gate.put_counts(counted, known.is_none(), now_us);
            if hours.is_some() || known.is_none() {
                gate.learn(spike::usual(by_hour.get(&id).map_or(&[][..], Vec::as_slice), this_hour));
            }
            projects.insert(id, gate);
        }
        self.projects.store(Arc::new(projects));
        *learnt = this_hour;
        Ok(())
    }

    /// Follows changes made elsewhere, and forgets old counts, until the server stops.
    pub(crate) async fn keep(&self, meta: &Meta, stopping: CancellationToken) {
        let mut reload = tokio::time::interval(RELOAD);
        reload.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut pruned = 0;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = reload.tick() => {}
            }
            if let Err(error) = self.reload(meta).await {
                tracing::warn!(%error, "could not read the limits of projects; trying again");
            }
            let day = meta.now_us().div_euclid(DAY_US);
            if day != pruned {
                match prune(meta, day).await {
                    Ok(()) => pruned = day,
                    Err(error) => tracing::warn!(%error, "could not prune what counts to quotas; trying again"),
                }
            }
        }
    }
}

async fn prune(meta: &Meta, day: i64) -> Result<()> {
    let mut tx = meta.begin().await?;
    intake::prune(&mut tx, day - KEPT_DAYS, (day - KEPT_DAYS) * 24).await?;
    Ok(tx.commit().await?)
}
