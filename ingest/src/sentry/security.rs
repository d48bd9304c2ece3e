//! Browsers' own reports: content security policy, certificate transparency, stapling, key pinning.
//!
//! Each becomes a message: what was blocked, by which rule, on which page. Reports of one rule and one origin are one group,
//! whatever page they come from.

use std::borrow::Cow;

use tephra_storage::{Kind, Level};

use crate::conventions::Slot;
use crate::draft::Draft;
use crate::json;
use crate::normalize::Cutter;
use crate::value::{Pairs, Value};

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    Csp,
    ExpectCt,
    ExpectStaple,
    Hpkp,
}

/// Turns a body into drafts, and counts the reports of other kinds.
pub(super) fn drafts<'a>(
    body: Value<'a>,
    user_agent: Option<&'a str>,
    room: (usize, Cutter<'_>),
) -> Result<(Vec<Draft<'a>>, u64), String> {
    let mut drafts = Vec::new();
    let mut others = 0;
    match body {
        // The Reporting API sends several at once.
        Value::List(reports) => {
            for report in reports {
                let Value::Map(pairs) = report else { continue };
                let (mut kind, mut inner, mut url, mut agent) = (None, None, None, None);
                for (name, value) in pairs {
                    match (name.as_ref(), value) {
                        ("type", Value::Text(word)) => kind = Some(word),
                        ("body", Value::Map(pairs)) => inner = Some(pairs),
                        ("url", Value::Text(text)) => url = Some(text),
                        ("user_agent", Value::Text(text)) => agent = Some(text),
                        _ => {}
                    }
                }
                match (kind.as_deref(), inner) {
                    (Some("csp-violation"), Some(mut pairs)) => {
                        if let Some(url) = url.filter(|_| find(&pairs, &["documentURL", "document-uri"]).is_none()) {
                            pairs.push(("documentURL".into(), Value::Text(url)));
                        }
                        drafts.push(draft(Report::Csp, pairs, agent.or(user_agent.map(Into::into)), room));
                    }
                    _ => others += 1,
                }
            }
        }
        Value::Map(mut pairs) => {
            let agent = user_agent.map(Into::into);
            let named = [
                ("csp-report", Report::Csp),
                ("expect-ct-report", Report::ExpectCt),
                ("expect-staple-report", Report::ExpectStaple),
            ];
            let found = named.iter().find_map(|(name, report)| {
                Some((pairs.iter().position(|(key, value)| key == name && matches!(value, Value::Map(_)))?, *report))
            });
            match found.map(|(at, report)| (pairs.swap_remove(at).1, report)) {
                Some((Value::Map(inner), report)) => drafts.push(draft(report, inner, agent, room)),
                _ if find(&pairs, &["known-pins"]).is_some() => {
                    drafts.push(draft(Report::Hpkp, pairs, agent, room));
                }
                _ => return Err("no report that Tephra knows (`csp-report`, `expect-ct-report`, `expect-staple-report`, `known-pins`)".into()),
            }
        }
        other => return Err(format!("{}, where an object or a list is needed", other.type_name())),
    }
    Ok((drafts, others))
}

fn draft<'a>(
    report: Report,
    pairs: Pairs<'a>,
    user_agent: Option<Cow<'a, str>>,
    (bytes_max, cutter): (usize, Cutter<'_>),
) -> Draft<'a> {
    let mut draft = Draft::default();
    draft.kind = Some(Kind::Message);
    draft.level = Some(Level::Error);
    draft.severity = Some(Level::Error.severity());
    let text = |names: &[&str]| match find(&pairs, names) {
        Some(Value::Text(text)) => text.trim().to_owned(),
        _ => String::new(),
    };
    let mut request = Pairs::new();
    let name = match report {
        Report::Csp => {
            let full = text(&["effective-directive", "effectiveDirective", "violated-directive", "violatedDirective"]);
            let directive = full.split(' ').next().unwrap_or_default();
            let blocked = text(&["blocked-uri", "blockedURL", "blockedURI"]);
            let page = text(&["document-uri", "documentURL", "documentURI"]);
            let origin = if blocked == "self" { origin(&page).to_owned() } else { origin(&blocked).to_owned() };
            let what = directive.trim_end_matches("-elem").trim_end_matches("-attr").trim_end_matches("-src");
            let message = match origin.as_str() {
                "inline" | "" => format!("Blocked inline '{what}'"),
                "eval" => format!("Blocked unsafe eval() '{what}'"),
                origin => format!("Blocked '{what}' from '{origin}'"),
            };
            draft.set(Slot::Message, message.into());
            draft.set(Slot::Culprit, directive.to_owned().into());
            for (tag, value) in [("effective-directive", directive), ("blocked-uri", &blocked)] {
                if !value.is_empty() {
                    draft.tags.push((tag.into(), value.to_owned().into()));
                }
            }
            draft.fingerprint = vec!["csp".into(), directive.to_owned().into(), origin.into()];
            request.push(("url".into(), Value::Text(page.into())));
            "csp"
        }
        other => {
            let host = text(&["hostname"]);
            let (name, message) = match other {
                Report::ExpectCt => ("expectct", "Expect-CT failed for"),
                Report::ExpectStaple => ("expectstaple", "Expect-Staple failed for"),
                _ => ("hpkp", "Public key pinning validation failed for"),
            };
            draft.set(Slot::Message, format!("{message} '{host}'").into());
            draft.set(Slot::Culprit, host.clone().into());
            draft.tags.push(("hostname".into(), host.clone().into()));
            draft.fingerprint = vec![name.into(), host.into()];
            name
        }
    };
    let referrer = text(&["referrer"]);
    draft.set(Slot::Logger, name.into());
    draft.set(Slot::Platform, "other".into());
    let agent = user_agent.map(|agent| ("User-Agent".into(), Value::Text(agent)));
    let referrer = Some(("Referer".into(), Value::Text(referrer.into()))).filter(|(_, value)| !value.is_empty());
    let headers: Pairs<'_> = agent.into_iter().chain(referrer).collect();
    if !headers.is_empty() {
        request.push(("headers".into(), Value::Map(headers)));
    }
    if !request.is_empty() {
        let request = cutter.fit(&["request"], Value::Map(request), bytes_max);
        draft.set(Slot::Request, json::to_string(&request).into());
    }
    let context = Value::Map(vec![(name.into(), Value::Map(pairs))]);
    let context = cutter.fit(&["contexts"], context, bytes_max);
    draft.set(Slot::Contexts, json::to_string(&context).into());
    draft
}

fn find<'p, 'a>(pairs: &'p Pairs<'a>, names: &[&str]) -> Option<&'p Value<'a>> {
    names
        .iter()
        .find_map(|wanted| pairs.iter().find(|(name, value)| name == wanted && !value.is_empty()))
        .map(|(_, value)| value)
}

/// The host of a URL, its scheme where it has no host, or the word that stands for it.
fn origin(url: &str) -> &str {
    match url.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or(rest),
        None => url.split(':').next().unwrap_or(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(bytes_max: usize) -> (usize, Cutter<'static>) {
        (bytes_max, Cutter::new(&crate::rules::Rules::standard().scrubber))
    }

    fn check(body: &str, expected: &[(&str, &str, &str)]) {
        let (drafts, _) = drafts(json::parse(body).unwrap(), Some("UA"), room(10_000)).unwrap();
        let found: Vec<_> = drafts
            .iter()
            .map(|draft| [Slot::Message, Slot::Culprit, Slot::Logger].map(|slot| draft.get(slot).unwrap_or_default()))
            .map(|[message, culprit, logger]| (message, culprit, logger))
            .collect();
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn reads_each_form() {
        check(
            r#"{"csp-report":{"document-uri":"https://a.example/x","violated-directive":"img-src https://b.example","blocked-uri":"https://evil.example/p.png","referrer":""}}"#,
            &[("Blocked 'img' from 'evil.example'", "img-src", "csp")],
        );
        check(
            r#"{"csp-report":{"effective-directive":"script-src-elem","blocked-uri":"inline"}}"#,
            &[("Blocked inline 'script'", "script-src-elem", "csp")],
        );
        check(
            r#"[{"type":"csp-violation","url":"https://a.example/","body":{"effectiveDirective":"style-src","blockedURL":"data"}},{"type":"deprecation","body":{}}]"#,
            &[("Blocked 'style' from 'data'", "style-src", "csp")],
        );
        check(
            r#"{"expect-ct-report":{"hostname":"a.example","port":443}}"#,
            &[("Expect-CT failed for 'a.example'", "a.example", "expectct")],
        );
        check(
            r#"{"hostname":"a.example","known-pins":["pin"]}"#,
            &[("Public key pinning validation failed for 'a.example'", "a.example", "hpkp")],
        );
    }

    #[test]
    fn refuses_the_rest() {
        for body in ["{}", "7", "{\"csp-report\":3}"] {
            assert!(drafts(json::parse(body).unwrap(), None, room(10_000)).is_err(), "{body}");
        }
        assert_eq!(drafts(json::parse("[{\"type\":\"crash\",\"body\":{}}]").unwrap(), None, room(100)).unwrap().1, 1);
    }
}
