//! What a project wants scrubbed, as it is written down, and compiled.

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::path::Path;

const RULES_MAX: usize = 100;
const PATTERN_BYTES_MAX: usize = 1 << 10;
const COMPILED_BYTES_MAX: usize = 1 << 20;
const NESTING_MAX: u32 = 50;

/// What is scrubbed from a project's events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrubRules {
    /// Values named like secrets, keys of known services, credentials, private keys and card numbers. On unless said.
    pub defaults: bool,
    /// IP addresses too, in texts and in `user_ip`.
    pub ips: bool,
    /// Email addresses too, in texts and in `user_email`.
    pub emails: bool,
    /// The key of `hash`: any text that nobody else knows. One key gives one text the same hash always.
    pub hash_key: String,
    /// The project's own rules; the first that fits a value decides.
    pub rules: Vec<ScrubRule>,
}

impl Default for ScrubRules {
    fn default() -> Self {
        Self { defaults: true, ips: false, emails: false, hash_key: String::new(), rules: Vec::new() }
    }
}

/// One rule of a project: where, what, and what to do with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrubRule {
    /// Where: a column and the names below it; everywhere if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which part of a text, as a regular expression; of one with a group, the group. The whole value if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// What is done.
    pub action: ScrubAction,
}

/// What is done with what a rule finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScrubAction {
    /// It goes, with its name.
    Remove,
    /// It becomes `********`.
    Mask,
    /// It becomes `[hash:…]`, by which equal values can be counted without being known.
    Hash,
    /// It stays, although the defaults would scrub it.
    Keep,
}

/// Why rules cannot be used. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The rule, counted from 1; 0 is what holds for all.
    pub which: usize,
    /// The character of the rule's pattern or path at which it is, from 1, where it is at one.
    pub column: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.which {
            0 => write!(f, "scrubbing rules: {}", self.what),
            which => write!(f, "scrubbing rule {which}: {}", self.what),
        }
    }
}

impl std::error::Error for RuleError {}

/// A rule, ready to be used.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) path: Option<Path>,
    pub(super) pattern: Option<Regex>,
    pub(super) action: ScrubAction,
}

pub(super) fn compile(rules: &ScrubRules) -> Result<Vec<Rule>, RuleError> {
    if rules.rules.len() > RULES_MAX {
        let what = format!("{} rules, where {RULES_MAX} are allowed", rules.rules.len());
        return Err(RuleError {
            which: 0,
            column: None,
            what,
            hint: "join patterns with `|`, and paths with `*`".to_owned(),
        });
    }
    let hashes = rules.rules.iter().position(|rule| rule.action == ScrubAction::Hash);
    if let Some(index) = hashes.filter(|_| rules.hash_key.is_empty()) {
        let what = "`hash` needs `hash_key`, which is empty".to_owned();
        let hint = "set it to a long random text, and keep it: another key gives other hashes".to_owned();
        return Err(RuleError { which: index + 1, column: None, what, hint });
    }
    rules.rules.iter().enumerate().map(|(index, rule)| one(index + 1, rule)).collect()
}

fn one(which: usize, rule: &ScrubRule) -> Result<Rule, RuleError> {
    let fail = |what: String, hint: &str| RuleError { which, column: None, what, hint: hint.to_owned() };
    if rule.path.is_none() && rule.pattern.is_none() {
        return Err(fail("neither `path` nor `pattern`".to_owned(), "say where, what, or both"));
    }
    let path = match rule.path.as_deref().map(Path::parse) {
        None => None,
        Some(Ok(path)) => Some(path),
        Some(Err((what, hint))) => {
            let text = rule.path.as_deref().unwrap_or_default();
            // Behind the first dot too many, else at the first name.
            let at = text.strip_suffix('.').map(str::len).or_else(|| text.find(".."));
            let column = at.map_or(1, |at| text[..at].chars().count() + 2);
            return Err(RuleError { which, column: Some(column), what, hint });
        }
    };
    let pattern = match rule.pattern.as_deref() {
        None => None,
        Some(text) if text.len() > PATTERN_BYTES_MAX => {
            let what = format!("`pattern` has {} bytes, where {PATTERN_BYTES_MAX} are allowed", text.len());
            return Err(fail(what, "make several rules of it"));
        }
        Some(text) => {
            let mut builder = RegexBuilder::new(text);
            builder.size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).nest_limit(NESTING_MAX);
            let pattern = builder.build().map_err(|error| {
                let message = error.to_string();
                let last = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let what = format!("`pattern` is no regular expression: {last}");
                let column = caret(text, &message);
                RuleError { column, ..fail(what, "look-around and back-references do not exist here") }
            })?;
            if pattern.is_match("") {
                return Err(fail("`pattern` matches the empty text".to_owned(), "use `+` in the place of `*`"));
            }
            Some(pattern)
        }
    };
    Ok(Rule { path, pattern, action: rule.action })
}

/// Where the parser of regular expressions points at, in a pattern of one line.
fn caret(pattern: &str, message: &str) -> Option<usize> {
    let mut lines = message.lines().skip_while(|line| line.trim_start() != pattern.trim_start());
    let (shown, carets) = (lines.next()?, lines.next()?);
    let before = shown.strip_suffix(pattern)?.len();
    carets.find('^')?.checked_sub(before).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Result<usize, RuleError> {
        compile(&serde_json::from_str(json).unwrap()).map(|rules| rules.len())
    }

    #[test]
    fn reads_rules() {
        assert_eq!(rules("{}"), Ok(0));
        assert!(serde_json::from_str::<ScrubRules>("{}").unwrap().defaults);
        let json = r#"{"hash_key":"k","rules":[{"path":"tags.*","action":"hash"},{"pattern":"a+","action":"keep"}]}"#;
        assert_eq!(rules(json), Ok(2));
        assert!(serde_json::from_str::<ScrubRules>(r#"{"default":true}"#).is_err());
    }

    #[test]
    fn says_what_is_wrong() {
        for (rule, what, column) in [
            (r#"{"action":"mask"}"#, "neither", None),
            (r#"{"path":"nowhere.x","action":"mask"}"#, "no column", Some(1)),
            (r#"{"path":"extra..x","action":"mask"}"#, "empty name", Some(7)),
            (r#"{"pattern":"(","action":"mask"}"#, "no regular expression", Some(1)),
            (r#"{"pattern":"abc[z-a]","action":"mask"}"#, "no regular expression", Some(5)),
            (r#"{"pattern":"(?=a)","action":"mask"}"#, "no regular expression", Some(1)),
            (r#"{"pattern":"a*","action":"mask"}"#, "empty text", None),
            (r#"{"pattern":"(\\w{100}){100}{100}","action":"mask"}"#, "no regular expression", None),
            (r#"{"path":"tags.x","action":"hash"}"#, "hash_key", None),
        ] {
            let error = rules(&format!(r#"{{"rules":[{rule}]}}"#)).unwrap_err();
            assert!(error.which == 1 && error.what.contains(what) && !error.hint.is_empty(), "{error}");
            assert_eq!(error.column, column, "{error}");
        }
        let many = ScrubRules {
            rules: vec![ScrubRule { path: Some("tags.x".into()), pattern: None, action: ScrubAction::Mask }; 101],
            ..ScrubRules::default()
        };
        assert_eq!(compile(&many).unwrap_err().which, 0);
    }
}
