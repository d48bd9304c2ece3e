//! What a key names: a column under one of its names, a tag, or something about issues.

use tephra_storage::schema::{COLUMNS, ColumnKind};

/// What a condition on events is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The column of this index in `schema::COLUMNS`.
    Column(usize),
    /// The tag of this name.
    Tag(String),
}

/// What a condition on issues is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IssueKey {
    /// `is:` one of [`IssueKey::STATES`].
    Is,
    /// `assigned:` to `me`, `none`, an email address or `#team`.
    Assigned,
    /// `bookmarks:` of `me` or an email address.
    Bookmarks,
    /// `issue:` by its number.
    Issue,
    /// `first_seen:` a time.
    FirstSeen,
    /// `last_seen:` a time.
    LastSeen,
    /// `times_seen:` a number of events.
    TimesSeen,
    /// `users_seen:` a number of users.
    UsersSeen,
    /// `first_release:` a release.
    FirstRelease,
    /// `last_release:` a release.
    LastRelease,
}

/// Other names of columns.
const ALIASES: &[(&str, &str)] = &[
    ("id", "event_id"),
    ("event", "event_id"),
    ("event.id", "event_id"),
    ("project", "project_id"),
    ("project.id", "project_id"),
    ("time", "timestamp"),
    ("received", "received_at"),
    ("event.kind", "kind"),
    ("event.type", "kind"),
    ("error.type", "exception_type"),
    ("error.value", "exception_value"),
    ("error.handled", "handled"),
    ("exception.type", "exception_type"),
    ("exception.value", "exception_value"),
    ("exception.message", "exception_value"),
    ("transaction", "culprit"),
    ("env", "environment"),
    ("service.name", "service"),
    ("host", "server_name"),
    ("host.name", "server_name"),
    ("server", "server_name"),
    ("user", "user_id"),
    ("user.id", "user_id"),
    ("user.email", "user_email"),
    ("user.ip", "user_ip"),
    ("session", "session_id"),
    ("session.id", "session_id"),
    ("trace", "trace_id"),
    ("trace.id", "trace_id"),
    ("span", "span_id"),
    ("span.id", "span_id"),
    ("sdk", "sdk_name"),
    ("sdk.name", "sdk_name"),
    ("sdk.version", "sdk_version"),
    ("group", "group_hash"),
];

const ISSUE_KEYS: &[(&str, IssueKey)] = &[
    ("is", IssueKey::Is),
    ("assigned", IssueKey::Assigned),
    ("assigned_to", IssueKey::Assigned),
    ("bookmarks", IssueKey::Bookmarks),
    ("issue", IssueKey::Issue),
    ("first_seen", IssueKey::FirstSeen),
    ("last_seen", IssueKey::LastSeen),
    ("times_seen", IssueKey::TimesSeen),
    ("users_seen", IssueKey::UsersSeen),
    ("first_release", IssueKey::FirstRelease),
    ("last_release", IssueKey::LastRelease),
];

/// Columns whose text is long: a value is looked for inside, in any case.
const LONG: &[&str] = &[
    "message",
    "exception_value",
    "stack",
    "frames",
    "frame_vars",
    "breadcrumbs",
    "contexts",
    "request",
    "extra",
    "attributes",
];

/// The columns in which free text is looked for.
pub(super) const FREE_TEXT: &[&str] = &["message", "exception_type", "exception_value", "culprit", "logger", "stack"];

/// Keys that are words of the language.
pub(super) const AGE: &str = "age";
pub(super) const HAS: &str = "has";

impl Field {
    /// Reads a key: a column's name or alias, `tags[name]`, `tags.name`, and else the tag of that name.
    pub fn named(key: &str) -> Self {
        if let Some(index) = column(key) {
            return Self::Column(index);
        }
        let name = key.strip_prefix("tags.").filter(|name| !name.is_empty());
        let within = key.strip_prefix("tags[").and_then(|rest| rest.strip_suffix(']')).filter(|name| !name.is_empty());
        Self::Tag(name.or(within).unwrap_or(key).to_owned())
    }

    /// The column's name, or `tags[name]`.
    pub fn name(&self) -> String {
        match self {
            Self::Column(index) => COLUMNS[*index].name.to_owned(),
            Self::Tag(name) => format!("tags[{name}]"),
        }
    }

    pub(crate) fn kind(&self) -> ColumnKind {
        match self {
            Self::Column(index) => COLUMNS[*index].kind,
            Self::Tag(_) => ColumnKind::Text,
        }
    }

    pub(super) fn is_long(&self) -> bool {
        matches!(self, Self::Column(index) if LONG.contains(&COLUMNS[*index].name))
    }
}

impl IssueKey {
    /// The words that `is:` knows.
    pub const STATES: &[&str] = &[
        "unresolved",
        "resolved",
        "archived",
        "assigned",
        "unassigned",
        "for_review",
        "new",
        "ongoing",
        "regressed",
        "escalating",
    ];

    /// The key's name.
    pub fn name(self) -> &'static str {
        // The first of its names.
        ISSUE_KEYS.iter().find(|(_, key)| *key == self).map_or("issue", |(name, _)| name)
    }

    pub(super) fn named(key: &str) -> Option<Self> {
        ISSUE_KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, key)| *key)
    }

    /// How its values are read.
    pub(super) fn kind(self) -> ColumnKind {
        match self {
            Self::FirstSeen | Self::LastSeen => ColumnKind::Time,
            Self::TimesSeen | Self::UsersSeen | Self::Issue => ColumnKind::Int64,
            _ => ColumnKind::Word,
        }
    }
}

/// Whether `key` without more would name something else than the tag.
pub(super) fn is_taken(key: &str) -> bool {
    column(key).is_some()
        || IssueKey::named(key).is_some()
        || key.starts_with("tags.")
        || key.starts_with("tags[")
        || key.eq_ignore_ascii_case(AGE)
        || key.eq_ignore_ascii_case(HAS)
}

fn column(key: &str) -> Option<usize> {
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(key));
    let name = alias.map_or(key, |(_, name)| name);
    // `tags` alone is no condition, but a tag may be called so.
    COLUMNS.iter().position(|column| column.kind != ColumnKind::Tags && column.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tephra_storage::schema::column_index;

    #[test]
    fn aliases_name_columns() {
        for (alias, name) in ALIASES {
            assert_eq!(Field::named(alias), Field::Column(column_index(name)), "{alias}");
        }
        for name in LONG.iter().chain(FREE_TEXT) {
            assert!(column(name).is_some(), "{name}");
        }
    }

    #[test]
    fn other_keys_are_tags() {
        for (key, tag) in [("customer", "customer"), ("tags[level]", "level"), ("tags.env", "env"), ("tags", "tags")] {
            assert_eq!(Field::named(key), Field::Tag(tag.into()), "{key}");
        }
        assert_eq!(Field::named("Level"), Field::Column(column_index("level")));
    }
}
