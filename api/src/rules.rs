//! The rules of all projects, read and in memory, so that ingest never waits for a database.
//!
//! They are read before the first event is taken, again after each change that this server makes, and every few seconds for
//! those that others make. A version that cannot be read stops nothing: of scrubbing rules those that can be read hold, and the
//! defaults are on; of grouping rules those before hold, or none. The log and the REST API say so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tephra_ingest::{GroupRules, Rules, ScrubRules, Scrubber};
use tephra_storage::ProjectId;
use tephra_storage::meta::Meta;
use tephra_storage::meta::rules::{ProjectRules, RuleKind};
use tokio_util::sync::CancellationToken;

use crate::answer::Result;

/// How long a change made elsewhere may go unseen.
const RELOAD: Duration = Duration::from_secs(5);

/// The rules of one moment.
#[derive(Default)]
pub(crate) struct RuleBook {
    projects: ArcSwap<HashMap<ProjectId, Arc<Held>>>,
    /// One reload at a time, so that older rules never take the place of newer ones.
    reloading: tokio::sync::Mutex<()>,
}

/// A project's rules.
struct Held {
    rules: Arc<Rules>,
    /// Of scrubbing and of grouping; 0 where there are none.
    versions: [i64; 2],
    scrubber: Scrubber,
    grouping: GroupRules,
    /// What could not be read.
    faults: [Option<String>; 2],
}

impl RuleBook {
    /// The rules of a project; `None` where it made none. Asks nobody.
    pub(crate) fn of(&self, project: ProjectId) -> Option<Arc<Rules>> {
        self.projects.load().get(&project).map(|held| held.rules.clone())
    }

    /// What of a project's rules in force could not be read.
    pub(crate) fn fault(&self, project: ProjectId, kind: RuleKind) -> Option<String> {
        self.projects.load().get(&project)?.faults[index(kind)].clone()
    }

    /// Makes changes hold: call it after the commit.
    pub(crate) async fn reload(&self, meta: &Meta) -> Result<()> {
        let _turn = self.reloading.lock().await;
        let mut stored: HashMap<ProjectId, [Option<ProjectRules>; 2]> = HashMap::new();
        for rules in meta.all_rules().await? {
            let (project, place) = (rules.project, index(rules.kind));
            stored.entry(project).or_default()[place] = Some(rules);
        }
        let before = self.projects.load_full();
        let held = stored.into_iter().map(|(project, rules)| {
            let known = before.get(&project);
            let versions = rules.each_ref().map(|rules| rules.as_ref().map_or(0, |rules| rules.version));
            let held = match known {
                Some(known) if known.versions == versions => known.clone(),
                _ => Arc::new(Held::read(project, versions, &rules, known.map(AsRef::as_ref))),
            };
            (project, held)
        });
        self.projects.store(Arc::new(held.collect()));
        Ok(())
    }

    /// Follows changes made elsewhere, until the server stops.
    pub(crate) async fn keep(&self, meta: &Meta, stopping: CancellationToken) {
        let mut ticks = tokio::time::interval(RELOAD);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = ticks.tick() => {
                    if let Err(error) = self.reload(meta).await {
                        tracing::warn!(%error, "could not read the rules of projects; trying again");
                    }
                }
            }
        }
    }
}

impl Held {
    fn read(project: ProjectId, versions: [i64; 2], stored: &[Option<ProjectRules>; 2], before: Option<&Self>) -> Self {
        let [scrub, grouping] = stored;
        let (scrubber, scrub_fault) = scrub.as_ref().map_or_else(Default::default, |rules| scrubber(&rules.body));
        let read = grouping.as_ref().map_or_else(|| Ok(GroupRules::default()), |rules| GroupRules::parse(&rules.body));
        let (grouping, group_fault) = match read {
            Ok(rules) => (rules, None),
            Err(error) => {
                let former = before.map(|before| before.grouping.clone()).unwrap_or_default();
                (former, Some(error.to_string()))
            }
        };
        for fault in [&scrub_fault, &group_fault].into_iter().flatten() {
            tracing::error!(%project, fault, "a project has rules that cannot be read: the rest of them holds");
        }
        let rules = Arc::new(Rules::new(scrubber.clone(), grouping.clone()));
        Self { rules, versions, scrubber, grouping, faults: [scrub_fault, group_fault] }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { versions, scrubber, faults, .. } = self;
        f.debug_struct("Held").field("versions", versions).field("scrubber", scrubber).field("faults", faults).finish()
    }
}

fn index(kind: RuleKind) -> usize {
    match kind {
        RuleKind::Scrub => 0,
        RuleKind::Grouping => 1,
    }
}

/// A scrubber of as many of the rules as can be read: leaving all of them out would store what they are to take out.
fn scrubber(body: &str) -> (Scrubber, Option<String>) {
    let mut rules: ScrubRules = match serde_json::from_str(body) {
        Ok(rules) => rules,
        Err(error) => return (Scrubber::default(), Some(format!("scrubbing rules: {error}"))),
    };
    let first = match Scrubber::new(&rules) {
        Ok(scrubber) => return (scrubber, None),
        Err(error) => error,
    };
    let all = std::mem::take(&mut rules.rules);
    for rule in all {
        rules.rules.push(rule);
        if Scrubber::new(&rules).is_err() {
            rules.rules.pop();
        }
    }
    (Scrubber::new(&rules).unwrap_or_default(), Some(first.to_string()))
}

#[cfg(test)]
mod tests {
    use tephra_storage::Event;

    use super::*;

    fn message(scrubber: &Scrubber, text: &str) -> String {
        let mut event = Event { message: Some(text.into()), ..Event::default() };
        scrubber.scrub(&mut event);
        event.message.unwrap().to_string()
    }

    #[test]
    fn a_broken_rule_costs_itself_only() {
        let body = r#"{"rules":[{"pattern":"(","action":"mask"},{"pattern":"PAT-[0-9]+","action":"mask"}]}"#;
        let (read, fault) = scrubber(body);
        assert!(fault.unwrap().contains("rule 1"));
        assert_eq!(message(&read, "password=hunter2 PAT-77"), "password=[scrubbed] ********");
        let (read, fault) = scrubber("nonsense");
        assert!(fault.is_some());
        assert_eq!(message(&read, "password=hunter2"), "password=[scrubbed]");
    }

    #[test]
    fn broken_grouping_rules_leave_those_before_in_force() {
        let stored = |version, body: &str| {
            let project = ProjectId(1);
            let (body, changed_by) = (body.to_owned(), String::new());
            Some(ProjectRules { project, kind: RuleKind::Grouping, version, body, changed_at_us: 0, changed_by })
        };
        let good = Held::read(ProjectId(1), [0, 1], &[None, stored(1, "type:A -> a")], None);
        assert_eq!((good.grouping.is_empty(), &good.faults[1]), (false, &None));
        let bad = Held::read(ProjectId(1), [0, 2], &[None, stored(2, "type:A")], Some(&good));
        assert_eq!(bad.grouping, good.grouping);
        assert!(bad.faults[1].as_ref().unwrap().contains("line 1"));
    }
}
