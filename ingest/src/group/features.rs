//! What grouping looks at in an event, also by the names that rules and fingerprints use.

use std::borrow::Cow;

use super::Hashes;

/// What grouping looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Features<'a> {
    pub(crate) exception_type: Option<&'a str>,
    pub(crate) exception_value: Option<&'a str>,
    pub(crate) template: Option<&'a str>,
    pub(crate) message: Option<&'a str>,
    pub(crate) logger: Option<&'a str>,
    /// Of the stack, where there is one.
    pub(crate) stack: Option<Hashes>,
    /// Its text, for when no frame of it can be read.
    pub(crate) trace: Option<&'a str>,
    /// The function or transaction to blame.
    pub(crate) culprit: Option<&'a str>,
    pub(crate) level: Option<&'a str>,
    pub(crate) platform: Option<&'a str>,
    pub(crate) environment: Option<&'a str>,
    pub(crate) release: Option<&'a str>,
    pub(crate) service: Option<&'a str>,
    pub(crate) tags: &'a [(&'a str, &'a str)],
}

/// The names by which rules and fingerprints ask, beside `tags.NAME`.
pub(super) const NAMES: [&str; 12] = [
    "type",
    "value",
    "message",
    "logger",
    "level",
    "platform",
    "environment",
    "release",
    "service",
    "transaction",
    "function",
    "module",
];

impl<'a> Features<'a> {
    /// The text under one of [`NAMES`] or `tags.NAME`.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let text = match name {
            "type" => self.exception_type,
            "value" => self.exception_value,
            "message" => self.message.or(self.template),
            "logger" => self.logger,
            "level" => self.level,
            "platform" => self.platform,
            "environment" => self.environment,
            "release" => self.release,
            "service" => self.service,
            "transaction" => self.culprit,
            "function" => self.culprit.map(|culprit| divided(culprit).1),
            "module" => self.culprit.map(|culprit| divided(culprit).0),
            _ => {
                let tag = name.strip_prefix("tags.")?;
                self.tags.iter().find(|(name, _)| *name == tag).map(|(_, value)| *value)
            }
        };
        text.map(Cow::Borrowed)
    }
}

/// Module and function of a name that holds both.
fn divided(culprit: &str) -> (&str, &str) {
    match culprit.rfind(['.', ':', '>', '#', '/']) {
        Some(at) => (culprit[..at].trim_end_matches([':', '-']), &culprit[at + 1..]),
        None => ("", culprit),
    }
}

/// The name in `{{ name }}`.
pub(super) fn variable(part: &str) -> Option<&str> {
    part.trim().strip_prefix("{{").and_then(|part| part.strip_suffix("}}")).map(str::trim)
}
