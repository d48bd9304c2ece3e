//! Who may do what: one table of verbs with the least role that each needs.
//!
//! Roles grow (viewer, member, admin, owner), so a cell is the least role that may. A verb that stands in both columns is
//! asked for in a project or over all of them. `docs/ROLES.md` is made of this table, and a test compares it.

pub(crate) use tephra_storage::meta::roles::Role;

/// Something that a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Verb {
    EventRead,
    IssueRead,
    IssueWrite,
    ReleaseRead,
    SearchSave,
    SearchShare,
    LedgerRead,
    StorageRead,
    AuditRead,
    ProjectRead,
    ProjectWrite,
    ProjectDelete,
    KeyRead,
    KeyWrite,
    AccessRead,
    AccessWrite,
    OrganisationRead,
    OrganisationWrite,
    ProjectCreate,
    MemberRead,
    MemberWrite,
    TeamRead,
    TeamWrite,
    TokenOwn,
    TokenAdmin,
    ServerRead,
    ServerAdmin,
}

/// A verb, and the least roles that may.
pub(crate) struct Row {
    pub(crate) verb: Verb,
    pub(crate) word: &'static str,
    /// The least role in a project; none where the verb is not about one.
    pub(crate) project: Option<Role>,
    /// The least role in the organisation; none where the verb is about one project only.
    pub(crate) organisation: Option<Role>,
    #[cfg_attr(not(test), expect(dead_code, reason = "for docs/ROLES.md"))]
    meaning: &'static str,
}

const fn project(verb: Verb, word: &'static str, least: Role, meaning: &'static str) -> Row {
    Row { verb, word, project: Some(least), organisation: None, meaning }
}

const fn organisation(verb: Verb, word: &'static str, least: Role, meaning: &'static str) -> Row {
    Row { verb, word, project: None, organisation: Some(least), meaning }
}

const fn both(verb: Verb, word: &'static str, (project, organisation): (Role, Role), meaning: &'static str) -> Row {
    Row { verb, word, project: Some(project), organisation: Some(organisation), meaning }
}

use Role::{Admin, Member, Owner, Viewer};

/// In the order of [`Verb`].
pub(crate) const TABLE: [Row; 27] = [
    project(Verb::EventRead, "event:read", Viewer, "Read events: lists, facets, histograms, SQL, live."),
    project(Verb::IssueRead, "issue:read", Viewer, "Read issues, their history and comments."),
    project(Verb::IssueWrite, "issue:write", Member, "Resolve, archive, assign, merge and comment on issues."),
    project(Verb::ReleaseRead, "release:read", Viewer, "Read releases."),
    project(Verb::SearchSave, "search:save", Viewer, "Save searches for oneself."),
    project(Verb::SearchShare, "search:share", Member, "Share saved searches, and change shared ones."),
    both(Verb::LedgerRead, "ledger:read", (Viewer, Admin), "Read what became of what was received."),
    both(Verb::StorageRead, "storage:read", (Member, Admin), "Read figures of storage and retention."),
    both(Verb::AuditRead, "audit:read", (Admin, Admin), "Read the audit log."),
    project(Verb::ProjectRead, "project:read", Viewer, "Read a project's settings."),
    project(Verb::ProjectWrite, "project:write", Admin, "Change a project's settings."),
    project(Verb::ProjectDelete, "project:delete", Owner, "Delete a project with its events."),
    project(Verb::KeyRead, "key:read", Member, "Read ingest keys and DSNs."),
    project(Verb::KeyWrite, "key:write", Admin, "Make, switch off and revoke ingest keys."),
    project(Verb::AccessRead, "access:read", Viewer, "Read who has a role in a project."),
    project(Verb::AccessWrite, "access:write", Admin, "Give and take roles in a project, up to one's own."),
    organisation(Verb::OrganisationRead, "organisation:read", Viewer, "Read the organisation's name and settings."),
    organisation(Verb::OrganisationWrite, "organisation:write", Owner, "Change the organisation's settings."),
    organisation(Verb::ProjectCreate, "project:create", Admin, "Make projects."),
    organisation(Verb::MemberRead, "member:read", Viewer, "Read who is in the organisation."),
    organisation(Verb::MemberWrite, "member:write", Admin, "Invite, change and disable people, up to one's own role."),
    organisation(Verb::TeamRead, "team:read", Viewer, "Read teams and who is in them."),
    organisation(Verb::TeamWrite, "team:write", Admin, "Make, change and remove teams, and change who is in them."),
    organisation(Verb::TokenOwn, "token:own", Viewer, "Make, read and revoke one's own API tokens."),
    organisation(Verb::TokenAdmin, "token:admin", Admin, "Read and revoke everybody's API tokens."),
    organisation(Verb::ServerRead, "server:read", Viewer, "Read the server's state."),
    organisation(Verb::ServerAdmin, "server:admin", Admin, "Have hot events written to Parquet now."),
];

impl Verb {
    /// Its row of the table.
    pub(crate) fn row(self) -> &'static Row {
        let row = &TABLE[self as usize];
        debug_assert!(row.verb == self, "the table is not in the order of the verbs");
        row
    }

    /// The word, in token scopes and documents.
    pub(crate) fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The verb with that word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.word == word).map(|row| row.verb)
    }

    /// Whether a role in a project suffices.
    pub(crate) fn in_project(self, role: Role) -> bool {
        self.row().project.is_some_and(|least| role >= least)
    }

    /// Whether a role in the organisation suffices.
    pub(crate) fn in_organisation(self, role: Role) -> bool {
        self.row().organisation.is_some_and(|least| role >= least)
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verbs(u32);

impl Verbs {
    /// Every verb.
    pub(crate) const ALL: Self = Self(u32::MAX >> (32 - TABLE.len()));

    /// The verbs with those words; words that are no verbs (any more) are left out.
    pub(crate) fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self(words.into_iter().filter_map(Verb::parse).fold(0, |bits, verb| bits | 1 << verb as u32))
    }

    /// Whether a verb is in it.
    pub(crate) fn has(self, verb: Verb) -> bool {
        self.0 & 1 << verb as u32 != 0
    }

    /// Its verbs in the order of the table.
    pub(crate) fn iter(self) -> impl Iterator<Item = Verb> {
        TABLE.iter().map(|row| row.verb).filter(move |verb| self.has(*verb))
    }
}

/// The text of `docs/ROLES.md`.
#[cfg(test)]
fn markdown() -> String {
    use std::fmt::Write;

    let mut out = String::from(
        "# Who may do what\n\n\
         A person has one role in the organisation, and roles in projects: their own and those of their teams, of which the \
         highest counts. Owners and admins of the organisation have that role in every project; members and viewers reach \
         only the projects in which they have a role. What somebody may not know of is answered 404, what they may know of \
         and not do 403. Nobody gives a role above their own.\n\n\
         An API token has the rights of its owner, less what its own projects and verbs leave out, at any time. One that is \
         confined to some projects has no rights in the organisation but `organisation:read` and `server:read`. Passwords, sessions and second factors are \
         changed by their person alone, never by a token. An ingest key writes events to its project and does nothing else.\n\n\
         This page is made of `api/src/roles.rs`.\n",
    );
    type Least = fn(&Row) -> Option<Role>;
    let parts: [(&str, Least); 2] =
        [("In a project", |row| row.project), ("In the organisation", |row| row.organisation)];
    for (title, least) in parts {
        let _ = write!(
            out,
            "\n## {title}\n\n| verb | viewer | member | admin | owner | what |\n|---|---|---|---|---|---|\n"
        );
        for row in &TABLE {
            let Some(least) = least(row) else { continue };
            let cells: String = Role::ALL.iter().map(|role| if *role >= least { " yes |" } else { " |" }).collect();
            let _ = writeln!(out, "| `{}` |{cells} {} |", row.word, row.meaning);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_verbs() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.verb as usize, index, "{}", row.word);
            assert!(row.project.is_some() || row.organisation.is_some());
            assert_eq!(Verb::parse(row.word), Some(row.verb));
        }
        assert_eq!(Verb::ServerAdmin as usize + 1, TABLE.len());
        assert_eq!(Verbs::ALL.iter().count(), TABLE.len());
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = Verbs::of(["event:read", "gone:verb", "server:admin"]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Verb::EventRead, Verb::ServerAdmin]);
        assert!(!set.has(Verb::IssueRead));
    }

    #[test]
    fn the_document_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ROLES.md");
        if std::env::var_os("TEPHRA_UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == markdown(), "run this test with TEPHRA_UPDATE_DOCS=1");
    }
}
