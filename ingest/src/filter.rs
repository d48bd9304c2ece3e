//! Which events a project does not want at all: noise of browser extensions and crawlers, errors of a developer's own machine,
//! probes of health, and whatever matches its patterns.
//!
//! Decides on normalised events, so that every protocol is filtered alike, and before anything is written. Pure, and bounded:
//! each text is read once per pattern at most, and no further than a few thousand bytes.
//!
//! Known weakness: an event that says neither its page nor its program's user agent cannot be told by them.

mod agent;
mod extension;
mod facts;
mod glob;
mod place;

use serde::{Deserialize, Serialize};
use tephra_storage::Event;

use facts::Facts;
use glob::Globs;

/// Patterns of one list.
const PATTERNS_MAX: usize = 100;

/// What a project does not want. Nothing unless somebody says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterRules {
    /// Errors thrown by extensions of browsers.
    pub browser_extensions: bool,
    /// Errors that crawlers met.
    pub web_crawlers: bool,
    /// Events of pages and users on the local machine.
    pub localhost: bool,
    /// Events of requests that only ask whether a program is alive.
    pub health_checks: bool,
    /// Errors of browsers that nobody supports any more.
    pub legacy_browsers: bool,
    /// Messages and exceptions, `*` standing for any text, in any case.
    pub messages: Vec<String>,
    /// Releases, `*` standing for any text, in any case.
    pub releases: Vec<String>,
}

/// Why an event was not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FilterReason {
    /// It was thrown by an extension of a browser.
    BrowserExtensions,
    /// A crawler met it.
    WebCrawlers,
    /// It comes from the local machine.
    Localhost,
    /// It is of a request that only asks whether a program is alive.
    HealthChecks,
    /// Its browser is too old.
    LegacyBrowsers,
    /// Its text matches a pattern.
    Messages,
    /// Its release matches a pattern.
    Releases,
}

impl FilterReason {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; 7] = [
        Self::Releases,
        Self::Messages,
        Self::BrowserExtensions,
        Self::WebCrawlers,
        Self::LegacyBrowsers,
        Self::HealthChecks,
        Self::Localhost,
    ];

    /// The word in the ledger, which is that of the rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BrowserExtensions => "browser_extensions",
            Self::WebCrawlers => "web_crawlers",
            Self::Localhost => "localhost",
            Self::HealthChecks => "health_checks",
            Self::LegacyBrowsers => "legacy_browsers",
            Self::Messages => "messages",
            Self::Releases => "releases",
        }
    }
}

/// A rule that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Where it stands, such as `messages[2]`.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for FilterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.field, self.message)
    }
}

impl std::error::Error for FilterError {}

/// A project's rules, ready to be asked. Cheap to share.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    rules: FilterRules,
    messages: Globs,
    releases: Globs,
}

impl Filters {
    /// Reads rules.
    ///
    /// # Errors
    /// For a pattern that is empty, too long or matches everything, and for too many.
    pub fn new(rules: &FilterRules) -> Result<Self, FilterError> {
        let globs = |field: &str, patterns: &[String]| {
            if patterns.len() > PATTERNS_MAX {
                let message = format!("{} patterns, and {PATTERNS_MAX} are allowed", patterns.len());
                return Err(FilterError { field: field.to_owned(), message });
            }
            Globs::new(patterns).map_err(|(index, message)| FilterError { field: format!("{field}[{index}]"), message })
        };
        let (messages, releases) = (globs("messages", &rules.messages)?, globs("releases", &rules.releases)?);
        Ok(Self { rules: rules.clone(), messages, releases })
    }

    /// The rules as they were written.
    pub fn rules(&self) -> &FilterRules {
        &self.rules
    }

    /// Whether nothing is filtered, so that nobody need ask.
    pub fn is_empty(&self) -> bool {
        self.rules == FilterRules::default()
    }

    /// Why the event is not wanted, if it is not. `sender` is the user agent of the request that brought it: that of the page,
    /// where a browser sends by itself.
    pub fn reason(&self, event: &Event, sender: Option<&str>) -> Option<FilterReason> {
        let rules = &self.rules;
        if self.releases.match_any(event.release.as_deref()) {
            return Some(FilterReason::Releases);
        }
        if self.matches_text(event) {
            return Some(FilterReason::Messages);
        }
        if rules.browser_extensions && extension::threw(event) {
            return Some(FilterReason::BrowserExtensions);
        }
        if !(rules.web_crawlers || rules.legacy_browsers || rules.health_checks || rules.localhost) {
            return None;
        }
        let facts = Facts::of(event, sender);
        let agent = facts.agent.as_deref();
        if rules.web_crawlers && agent.is_some_and(agent::is_crawler) {
            return Some(FilterReason::WebCrawlers);
        }
        if rules.legacy_browsers && agent.is_some_and(agent::is_legacy_browser) {
            return Some(FilterReason::LegacyBrowsers);
        }
        let probed = || facts.paths().any(place::is_health_check);
        if rules.health_checks && (agent.is_some_and(agent::is_probe) || probed()) {
            return Some(FilterReason::HealthChecks);
        }
        let local = || facts.urls().any(place::is_local) || event.user_ip.as_deref().is_some_and(place::is_loopback);
        (rules.localhost && local()).then_some(FilterReason::Localhost)
    }

    /// Whether the message, the exception's text, or `type: text` matches a pattern.
    fn matches_text(&self, event: &Event) -> bool {
        if self.messages.is_empty() {
            return false;
        }
        let (kind, value) = (event.exception_type.as_deref(), event.exception_value.as_deref());
        let both = kind.zip(value).map(|(kind, value)| format!("{kind}: {value}"));
        let texts = [event.message.as_deref(), value, both.as_deref().or(kind)];
        texts.into_iter().any(|text| self.messages.match_any(text))
    }
}

#[cfg(test)]
mod tests;
