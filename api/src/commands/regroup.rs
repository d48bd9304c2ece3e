//! `tephra regroup`: what rules would split and merge among the issues of projects, and doing so.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::cli::RegroupArgs;
use crate::client::Client;

/// Asks for a regrouping of each project and waits for it.
pub(crate) fn run(args: &RegroupArgs) -> anyhow::Result<ExitCode> {
    let now = Utc::now();
    let mut body = json!({ "apply": !args.dry_run });
    for (name, text) in [("from", &args.since), ("to", &args.until)] {
        if let Some(text) = text {
            body[name] = json!(moment(text, now)?);
        }
    }
    if let Some(query) = &args.query {
        body["query"] = json!(query);
    }
    if let Some(path) = &args.rules {
        let text = std::fs::read_to_string(path);
        body["text"] = json!(text.with_context(|| format!("could not read `{}`", path.display()))?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::find(&args.server)?;
        let projects = match &args.project {
            Some(project) => vec![project.clone()],
            None => projects(&client).await?,
        };
        if args.rules.is_some() && projects.len() > 1 {
            bail!("`--rules` are for one project, and there are {}: name it by `--project`", projects.len());
        }
        let mut answers = Vec::new();
        for project in projects {
            let path = format!("/api/v1/projects/{}/regroup", segment(&project));
            let response = client.post(&path).json(&body).send().await.map_err(|error| client.unreachable(&error))?;
            if !response.status().is_success() {
                return Err(anyhow::Error::from(Client::problem(response).await))
                    .context(format!("project `{project}`"));
            }
            let answer: Value = response.json().await?;
            if args.json {
                answers.push(json!({ "project": project, "regrouping": answer }));
            } else {
                super::print(&told(&project, &answer))?;
            }
        }
        if args.json {
            super::print(&format!("{}\n", serde_json::to_string_pretty(&answers)?))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn projects(client: &Client) -> anyhow::Result<Vec<String>> {
    let response = client.get("/api/v1/projects").send().await.map_err(|error| client.unreachable(&error))?;
    if !response.status().is_success() {
        return Err(Client::problem(response).await.into());
    }
    let page: Value = response.json().await?;
    let slugs = page["items"].as_array().into_iter().flatten().filter_map(|item| item["slug"].as_str());
    Ok(slugs.map(str::to_owned).collect())
}

/// The name of a project as a part of an address.
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// `2026-01-31T12:00:00Z`, `2026-01-31`, or so long ago: `30m`, `24h`, `7d`, `2w`.
fn moment(text: &str, now: DateTime<Utc>) -> anyhow::Result<String> {
    let wrong =
        || anyhow!("`{text}` is neither a time such as `2026-01-31T12:00:00Z` nor an age such as `7d` or `24h`");
    let written = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(written(time.to_utc()));
    }
    if let Ok(day) = text.parse::<chrono::NaiveDate>() {
        return Ok(written(day.and_time(chrono::NaiveTime::MIN).and_utc()));
    }
    let unit = text.chars().last().ok_or_else(wrong)?;
    let count: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let age = match unit {
        'm' => TimeDelta::try_minutes(count),
        'h' => TimeDelta::try_hours(count),
        'd' => TimeDelta::try_days(count),
        'w' => TimeDelta::try_weeks(count),
        _ => None,
    };
    let time = age.filter(|_| count > 0).and_then(|age| now.checked_sub_signed(age));
    time.map(written).ok_or_else(wrong)
}

/// An answer for people.
fn told(project: &str, answer: &Value) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = tell(&mut out, project, answer);
    out
}

fn tell(out: &mut String, project: &str, answer: &Value) -> std::fmt::Result {
    let done = answer["applied"] == true;
    let verb = |past: &'static str, would: &'static str| if done { past } else { would };
    let rules = match (&answer["rules_changed"], done) {
        (Value::Bool(true), false) => "the rules given".to_owned(),
        _ => format!("version {} of its rules", answer["rules_version"]),
    };
    writeln!(out, "project {project}: {} events in {} groups, by {rules}", answer["events"], answer["groups"])?;
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    for merge in list("merges") {
        let into = issue(&merge["into"]);
        writeln!(out, "{} into {into} ({} events)", verb("merged", "would merge"), merge["events"])?;
        for source in merge["issues"].as_array().into_iter().flatten() {
            writeln!(out, "    {}", issue(source))?;
        }
    }
    for split in list("splits") {
        let groups = split["groups"].as_array().map_or(0, Vec::len);
        let (from, to) = (issue(&split["issue"]), issue(&split["to"]));
        let what = verb("took out of", "would take out of");
        writeln!(out, "{what} {from}: {groups} groups with {} events, into {to}", split["events"])?;
        writeln!(
            out,
            "    such as event {}: {}",
            word(&split["example"]["event_id"]),
            word(&split["example"]["title"])
        )?;
    }
    for finer in list("new_events_only") {
        let (at, group) = (issue(&finer["stays_in"]), word(&finer["group"]));
        writeln!(
            out,
            "{at}: the stored events of group {group} share one hash and stay together; new events {}:",
            verb("go apart", "would go apart")
        )?;
        for part in finer["parts"].as_array().into_iter().flatten() {
            let to = if part["new_events_to"].is_null() {
                "a new issue, made with the first".to_owned()
            } else {
                issue(&part["new_events_to"])
            };
            let (id, title) = (word(&part["example"]["event_id"]), word(&part["example"]["title"]));
            writeln!(out, "    those like {} stored ones (such as {id}: {title}) go to {to}", part["events"])?;
        }
    }
    for kept in list("kept") {
        let (at, group) = (issue(&kept["issue"]), word(&kept["group"]));
        writeln!(out, "{at}: group {group} with {} events stays, because people merged it there", kept["events"])?;
    }
    let totals = &answer["totals"];
    for (name, what) in [
        ("merges", "merges"),
        ("splits", "splits"),
        ("new_events_only", "groups that only new events split"),
        ("kept", "groups that stay merged"),
    ] {
        let shown = list(name).len() as u64;
        if let Some(more) = totals[name].as_u64().and_then(|all| all.checked_sub(shown)).filter(|more| *more > 0) {
            writeln!(out, "… and {more} more {what}; `--json` or the REST API lists up to 1,000")?;
        }
    }
    if ["merges", "splits", "new_events_only"].iter().all(|name| totals[*name] == 0) {
        writeln!(out, "nothing {}", verb("changed", "would change"))?;
    }
    Ok(())
}

fn issue(value: &Value) -> String {
    let title = word(&value["title"]);
    match value["id"].as_i64() {
        Some(id) if value["new"] == true => format!("the new issue {id} \"{title}\""),
        Some(id) => format!("issue {id} \"{title}\""),
        None => format!("a new issue \"{title}\""),
    }
}

/// A text without what a terminal would obey.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let now = "2026-02-10T12:00:00Z".parse().unwrap();
        let check = |text: &str, expected: &str| assert_eq!(moment(text, now).unwrap(), expected, "{text}");
        check("2026-01-31T12:00:00+01:00", "2026-01-31T11:00:00.000000Z");
        check("2026-01-31", "2026-01-31T00:00:00.000000Z");
        check("7d", "2026-02-03T12:00:00.000000Z");
        check("90m", "2026-02-10T10:30:00.000000Z");
        for wrong in ["", "7", "d", "-1d", "0h", "7y", "ä", "99999999999999999d"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_told_without_what_a_terminal_obeys() {
        let named = |id: Option<i64>, title: &str| json!({ "id": id, "new": id.is_none(), "title": title });
        let answer = json!({
            "applied": false, "rules_version": 3, "rules_changed": true, "events": 7, "groups": 2,
            "totals": { "merges": 1, "splits": 0, "new_events_only": 1, "kept": 0, "new_issues": 0 },
            "merges": [{ "into": named(Some(1), "A\u{1b}[31m"), "issues": [named(Some(2), "B")], "events": 5 }],
            "splits": [], "kept": [],
            "new_events_only": [{
                "issue": named(Some(1), "A"), "stays_in": named(Some(1), "A"), "group": "00ff",
                "parts": [{ "events": 2, "example": { "event_id": "ab", "title": "A" }, "new_events_to": null }],
            }],
        });
        let text = told("shop", &answer);
        assert!(text.starts_with("project shop: 7 events in 2 groups, by the rules given\n"), "{text}");
        assert!(text.contains("would merge into issue 1 \"A[31m\" (5 events)\n    issue 2 \"B\"\n"), "{text}");
        assert!(text.contains("a new issue, made with the first") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(segment("a/b ü"), "a%2Fb%20%C3%BC");
    }
}
