//! What a request names, as far as its caller may know of it: projects by number or slug, issues by number.
//!
//! What a caller may not know of is told in the words for what does not exist.

use serde::Deserialize;
use tephra_storage::ProjectId;
use tephra_storage::meta::issues::Issue;
use tephra_storage::meta::projects::Project;

use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

/// Projects parted by commas, each by its number or slug.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "String")]
pub(crate) struct ProjectNames(Vec<String>);

impl From<String> for ProjectNames {
    fn from(text: String) -> Self {
        Self(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}

/// The project of that number or slug, where the caller may do `verb` in it.
pub(crate) async fn project(state: &State, caller: &Caller, name: &str, verb: Verb) -> Result<Project> {
    let unknown = || Answer::new(Kind::NotFound, format!("no project `{name}`"));
    let found = match number(name) {
        Some(id) => {
            caller.may(verb, id).map_err(|answer| if answer.kind == Kind::NotFound { unknown() } else { answer })?;
            state.meta.project(id).await?
        }
        None => {
            let mut all = state.meta.projects().await?;
            let place = all.iter().position(|project| project.slug == name && caller.role_in(project.id).is_some());
            let project = place.map(|place| all.swap_remove(place)).ok_or_else(unknown)?;
            caller.may(verb, project.id)?;
            Some(project)
        }
    };
    found.ok_or_else(unknown)
}

/// The number of that project, where the caller may do `verb` in it.
pub(crate) async fn project_id(state: &State, caller: &Caller, name: &str, verb: Verb) -> Result<ProjectId> {
    match number(name) {
        Some(id) => match caller.may(verb, id) {
            Err(answer) if answer.kind == Kind::NotFound => {
                Err(Answer::new(Kind::NotFound, format!("no project `{name}`")))
            }
            other => other.map(|()| id),
        },
        None => Ok(project(state, caller, name, verb).await?.id),
    }
}

/// The projects that are named, or all in which the caller may do `verb`.
pub(crate) async fn projects(
    state: &State,
    caller: &Caller,
    names: Option<&ProjectNames>,
    verb: Verb,
) -> Result<Vec<ProjectId>> {
    let Some(ProjectNames(names)) = names.filter(|names| !names.0.is_empty()) else {
        let reached = caller.projects(verb);
        if reached.is_empty() && !caller.known_projects().is_empty() {
            return Err(Answer::new(Kind::Denied, format!("this needs `{verb}`, which the caller has in no project")));
        }
        return Ok(reached);
    };
    let mut named = Vec::with_capacity(names.len());
    for name in names {
        named.push(project_id(state, caller, name, verb).await.map_err(|answer| answer.field("project"))?);
    }
    named.sort_unstable();
    named.dedup();
    Ok(named)
}

/// The issue of that number or short id (`SHOP-12`), where the caller may do `verb` in its project.
pub(crate) async fn issue(state: &State, caller: &Caller, name: &str, verb: Verb) -> Result<Issue> {
    let unknown = || Answer::new(Kind::NotFound, format!("no issue `{name}`"));
    let issue = match name.parse() {
        Ok(id) => state.meta.issue(id).await?,
        Err(_) => {
            let (slug, number) = short_id(name).ok_or_else(unknown)?;
            let fits =
                |project: &Project| project.slug.eq_ignore_ascii_case(slug) && caller.role_in(project.id).is_some();
            let project = state.meta.projects().await?.into_iter().find(fits).ok_or_else(unknown)?;
            state.meta.issue_of(project.id, number).await?
        }
    };
    let issue = issue.ok_or_else(unknown)?;
    match caller.may(verb, issue.project) {
        Ok(()) => Ok(issue),
        Err(answer) if answer.kind == Kind::NotFound => Err(unknown()),
        Err(answer) => Err(answer),
    }
}

/// `SHOP-12`: a project's slug and an issue's number in it.
fn short_id(name: &str) -> Option<(&str, i64)> {
    let (slug, number) = name.rsplit_once('-')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((slug, number.parse().ok().filter(|_| digits)?))
}

fn number(name: &str) -> Option<ProjectId> {
    name.parse().ok().filter(|id| *id > 0).map(ProjectId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_projects_are_read() {
        assert_eq!(ProjectNames::from("shop, 7,,".to_owned()).0, ["shop", "7"]);
        assert!(ProjectNames::from(" , ".to_owned()).0.is_empty());
        assert_eq!(short_id("MY-SHOP-12"), Some(("MY-SHOP", 12)));
        assert_eq!((short_id("SHOP"), short_id("SHOP-"), short_id("SHOP-+1")), (None, None, None));
        assert_eq!((number("7"), number("0"), number("-1"), number("shop")), (Some(ProjectId(7)), None, None, None));
    }
}
