//! What is scrubbed from a project's events: reading and changing it, and trying rules on events that are stored.

mod dry_run;

use axum::extract::State as Extract;
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tephra_ingest::{RuleError, ScrubAction, ScrubRule, ScrubRules, Scrubber};
use tephra_storage::meta::rules::{NewRules, ProjectRules, RuleKind, put as put_rules};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IfMatch, JsonBody, PathOf, Reads, Time, Versioned, Writes, reach};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(get, put)).routes(routes!(dry_run::try_on))
}

/// What is scrubbed from a project's events before anything is stored.
#[derive(Serialize, ToSchema)]
#[schema(as = ScrubRules)]
struct Shown {
    project_id: i64,
    /// Grows with every change; 0 where the project never changed anything.
    version: i64,
    /// Values named like secrets, keys of known services, credentials, private keys and card numbers.
    defaults: bool,
    /// IP addresses too.
    ips: bool,
    /// Email addresses too.
    emails: bool,
    /// Whether there is a key for `hash`. The key itself is never shown.
    hash_key_set: bool,
    /// The project's own; the first that fits a value decides.
    rules: Vec<Rule>,
    #[schema(required)]
    changed_at: Option<Time>,
    #[schema(required)]
    changed_by: Option<String>,
    /// What of them cannot be read by this version of the program: the others hold, and the defaults are on.
    #[schema(required)]
    fault: Option<String>,
}

/// What is to be scrubbed; what is absent is as in a project that never changed anything.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScrubRulesPut)]
struct Wanted {
    /// True where it is absent.
    #[serde(default = "on")]
    defaults: bool,
    /// False where it is absent.
    #[serde(default)]
    ips: bool,
    /// False where it is absent.
    #[serde(default)]
    emails: bool,
    /// The key of `hash`. Where it is absent the key stays, or one is made if a rule needs it.
    #[schema(min_length = 1, max_length = 1024)]
    hash_key: Option<String>,
    /// At most 100.
    #[serde(default)]
    rules: Vec<Rule>,
}

/// One rule: where, what, and what to do with it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScrubRule)]
struct Rule {
    /// A column and the names below it: `request.headers.*`, `extra.**.name`, `$message`. Everywhere where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    path: Option<String>,
    /// A regular expression; of one with a group, the group is meant. The whole value where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pattern: Option<String>,
    action: Action,
}

/// What is done with what a rule finds.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ScrubAction)]
enum Action {
    /// It goes, with its name.
    Remove,
    /// It becomes `********`.
    Mask,
    /// It becomes `[hash:…]`, by which equal values can be counted without being known.
    Hash,
    /// It stays, although the defaults would scrub it.
    Keep,
}

fn on() -> bool {
    true
}

impl Shown {
    fn versioned(state: &State, project: tephra_storage::ProjectId, stored: Option<&ProjectRules>) -> Versioned<Self> {
        let read = stored.map(|stored| serde_json::from_str::<ScrubRules>(&stored.body));
        let (rules, unreadable) = match read {
            None => (ScrubRules::default(), None),
            Some(Ok(rules)) => (rules, None),
            Some(Err(error)) => (ScrubRules::default(), Some(error.to_string())),
        };
        let ScrubRules { defaults, ips, emails, hash_key, rules } = rules;
        let version = stored.map_or(0, |stored| stored.version);
        let shown = Self {
            project_id: project.0,
            version,
            defaults,
            ips,
            emails,
            hash_key_set: !hash_key.is_empty(),
            rules: rules.into_iter().map(Rule::of).collect(),
            changed_at: stored.map(|stored| Time(stored.changed_at_us)),
            changed_by: stored.map(|stored| stored.changed_by.clone()),
            fault: unreadable.or_else(|| state.rules.fault(project, RuleKind::Scrub)),
        };
        Versioned::new(version, shown)
    }
}

impl Rule {
    fn of(rule: ScrubRule) -> Self {
        let action = match rule.action {
            ScrubAction::Remove => Action::Remove,
            ScrubAction::Mask => Action::Mask,
            ScrubAction::Hash => Action::Hash,
            ScrubAction::Keep => Action::Keep,
        };
        Self { path: rule.path, pattern: rule.pattern, action }
    }

    fn read(self) -> ScrubRule {
        let action = match self.action {
            Action::Remove => ScrubAction::Remove,
            Action::Mask => ScrubAction::Mask,
            Action::Hash => ScrubAction::Hash,
            Action::Keep => ScrubAction::Keep,
        };
        ScrubRule { path: self.path, pattern: self.pattern, action }
    }
}

impl Wanted {
    /// The rules, and the scrubber that they make; the key of hashes is the one given, that of `before`, or a new one.
    fn compile(self, before: Option<&ProjectRules>) -> Result<(ScrubRules, Scrubber)> {
        if self.hash_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 1024) {
            let message = "`hash_key` is to have 1 to 1,024 bytes; leave it out to keep the one there is";
            return Err(Answer::new(Kind::Invalid, message).field("hash_key"));
        }
        let before = before.and_then(|before| serde_json::from_str::<ScrubRules>(&before.body).ok());
        let kept = before.map(|before| before.hash_key).filter(|key| !key.is_empty());
        let hashes = self.rules.iter().any(|rule| matches!(rule.action, Action::Hash));
        let hash_key = self.hash_key.or(kept).or_else(|| hashes.then(new_key)).unwrap_or_default();
        let rules = self.rules.into_iter().map(Rule::read).collect();
        let rules = ScrubRules { defaults: self.defaults, ips: self.ips, emails: self.emails, hash_key, rules };
        let scrubber = Scrubber::new(&rules).map_err(wrong)?;
        Ok((rules, scrubber))
    }
}

fn new_key() -> String {
    hex::encode(rand::rng().random::<[u8; 32]>())
}

/// What is wrong with a rule, in which field, and at which character of it.
fn wrong(error: RuleError) -> Answer {
    let part = ["path", "pattern"].into_iter().find(|part| error.what.starts_with(&format!("`{part}`")));
    let field = match (error.which.checked_sub(1), part) {
        (Some(index), Some(part)) => format!("rules[{index}].{part}"),
        (Some(index), None) => format!("rules[{index}]"),
        (None, _) => "rules".to_owned(),
    };
    let answer = Answer::new(Kind::Invalid, error.to_string()).hint(error.hint).field(field);
    Answer { position: error.column.map(|column| (1, column as u64)), ..answer }
}

/// What the audit log may hold of them: all but the key.
fn told(rules: &ScrubRules) -> serde_json::Value {
    let ScrubRules { defaults, ips, emails, hash_key, rules } = rules;
    let hash_key_set = !hash_key.is_empty();
    json!({ "defaults": defaults, "ips": ips, "emails": emails, "hash_key_set": hash_key_set, "rules": rules })
}

/// Tells what is scrubbed from a project's events.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/scrub-rules", operation_id = "getScrubRules", tag = "projects",
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "What is scrubbed.", body = Shown), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller, PathOf(name): PathOf<String>) -> Result<Versioned<Shown>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectRead).await?.id;
    let stored = state.meta.rules(project, RuleKind::Scrub).await?;
    Ok(Shown::versioned(&state, project, stored.as_ref()))
}

/// Changes what is scrubbed from a project's events, from the next one on.
#[utoipa::path(
    put, path = "/api/v1/projects/{project}/scrub-rules", operation_id = "putScrubRules", tag = "projects",
    request_body = Wanted,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "What is scrubbed now.", body = Shown), Writes),
)]
async fn put(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<Wanted>,
) -> Result<Versioned<Shown>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectWrite).await?.id;
    let before = state.meta.rules(project, RuleKind::Scrub).await?;
    let version = before.as_ref().map_or(0, |before| before.version);
    if_match.check(version)?;
    let (rules, _) = body.compile(before.as_ref())?;
    let written = serde_json::to_string(&rules)
        .map_err(|error| Answer::new(Kind::Internal, format!("could not write the rules: {error}")))?;
    if before.as_ref().is_some_and(|before| before.body == written) {
        return Ok(Shown::versioned(&state, project, before.as_ref()));
    }
    let was = before.as_ref().and_then(|before| serde_json::from_str(&before.body).ok());
    let new = NewRules {
        project,
        kind: RuleKind::Scrub,
        before: version,
        body: &written,
        shown: (was.as_ref().map(told), told(&rules)),
    };
    let mut tx = state.meta.begin().await?;
    put_rules(&mut tx, &caller.actor(), new).await?;
    tx.commit().await?;
    state.rules.reload(&state.meta).await?;
    let stored = state.meta.rules(project, RuleKind::Scrub).await?;
    Ok(Shown::versioned(&state, project, stored.as_ref()))
}
