//! Events as Sentry SDKs send them: one envelope with one event.
//!
//! Small ones have what a Python program without local variables reports. Huge ones have what `@sentry/node` adds: lines of
//! source around each frame, a hundred breadcrumbs and the list of modules.

use std::fmt::Write;
use std::sync::Arc;

use super::stacks::Frame;
use super::template::{Template, write_hex, write_message, write_number, write_user};
use super::words::{MODULES, NOUNS, SOURCES, VERBS};
use super::{DataSet, Draw, ENVIRONMENTS, Group, LEVELS, REGIONS, Service, Size, TIERS};

/// Frames of a small event; what is further out is left away.
const FRAMES_SMALL: usize = 8;
/// Lines of source on each side of a frame's own.
const CONTEXT_LINES: usize = 5;
const CRUMBS: usize = 100;
const MODULES_LISTED: usize = 670;

/// Writes envelopes of one data set.
#[derive(Debug)]
pub struct SentryEncoder {
    data: Arc<DataSet>,
    /// By group: the members that all its events share, and its breadcrumbs.
    groups: Vec<(String, Template)>,
}

impl SentryEncoder {
    /// Renders what groups share: some 10 MB, 250 MB of huge events.
    pub fn new(data: &Arc<DataSet>) -> Self {
        let huge = data.settings.size == Size::Huge;
        let groups = data.catalog.groups.iter().enumerate().map(|(rank, group)| {
            let service = &data.catalog.services[group.service as usize];
            (shared(group, service, huge), Template::new(&if huge { crumbs(rank) } else { String::new() }))
        });
        Self { groups: groups.collect(), data: data.clone() }
    }

    /// Appends one envelope.
    pub fn encode(&self, draw: &Draw, out: &mut Vec<u8>) {
        let (group, service) = (self.data.group(draw), self.data.service(draw));
        let (shared, crumbs) = &self.groups[draw.group as usize];
        put(out, "{\"event_id\":\"");
        write_hex(&draw.event_id, out);
        put(out, "\"}\n{\"type\":\"event\"}\n{\"event_id\":\"");
        write_hex(&draw.event_id, out);
        put(out, "\",\"timestamp\":");
        write_number(draw.timestamp_us as u64 / 1_000_000, out);
        put(out, ".");
        out.extend(format!("{:06}", draw.timestamp_us % 1_000_000).bytes());
        for (name, text) in [
            (",\"level\":\"", LEVELS[draw.level as usize]),
            ("\",\"environment\":\"", ENVIRONMENTS[draw.environment as usize]),
            ("\",\"release\":\"", &service.releases[draw.release as usize]),
            ("\",\"server_name\":\"", &service.hosts[draw.host as usize]),
            ("\",\"tags\":{\"region\":\"", REGIONS[draw.region as usize]),
            ("\",\"customer_tier\":\"", TIERS[draw.tier as usize]),
            ("\",\"canary\":\"", if draw.canary { "true" } else { "false" }),
            ("\",\"app_project\":\"", &service.project),
        ] {
            put(out, name);
            put(out, text);
        }
        put(out, "\"},\"user\":{\"id\":\"");
        write_user(draw.user, out);
        put(out, "\"},\"contexts\":{\"trace\":{\"trace_id\":\"");
        write_hex(&draw.trace_id, out);
        put(out, "\",\"span_id\":\"");
        write_hex(&draw.span_id, out);
        put(out, "\"},\"runtime\":{\"name\":\"");
        put(out, service.language.runtime());
        put(out, "\"}},\"logentry\":{\"message\":\"");
        put(out, &group.template);
        put(out, "\",\"formatted\":\"");
        write_message(&group.message, draw, out);
        put(out, "\"},");
        if self.data.settings.size == Size::Huge {
            put(out, "\"breadcrumbs\":[");
            crumbs.render(draw, 1_000, out);
            put(out, "],");
        }
        put(out, shared);
        put(out, "}\n");
    }
}

/// The members that all events of a group share, without braces.
fn shared(group: &Group, service: &Service, huge: bool) -> String {
    let (platform, sdk) = if huge { ("node", "sentry.javascript.node") } else { ("python", "sentry.python") };
    let mut out = format!(
        "\"platform\":\"{platform}\",\"logger\":\"{}\",\"sdk\":{{\"name\":\"{sdk}\",\"version\":\"2.75.0\",\
         \"integrations\":[\"argv\",\"atexit\",\"excepthook\",\"logging\",\"stdlib\",\"threading\"]}},\
         \"exception\":{{\"values\":[{{\"type\":\"{}\",\"value\":\"{}\",\"mechanism\":{{\"type\":\"logging\",\
         \"handled\":false}},\"stacktrace\":{{\"frames\":[",
        service.logger, group.exception_type, group.exception_value
    );
    let kept = if huge { group.frames.len() } else { FRAMES_SMALL.min(group.frames.len()) };
    for (index, frame) in group.frames[..kept].iter().rev().enumerate() {
        out.push_str(if index > 0 { ",{" } else { "{" });
        write_frame(frame, index, huge, &mut out);
        out.push('}');
    }
    out.push_str("]}}]}");
    if huge {
        out.push_str(",\"modules\":{");
        for index in 0..MODULES_LISTED {
            let (module, noun) = (MODULES[index % MODULES.len()], NOUNS[index / MODULES.len() % NOUNS.len()]);
            let separator = if index > 0 { "," } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(out, "{separator}\"@acme/{module}-{noun}-{index}\":\"{}.{}.0\"", index % 9, index % 13);
        }
        out.push('}');
    }
    out
}

fn write_frame(frame: &Frame, index: usize, huge: bool, out: &mut String) {
    let Frame { module, function, file, line, in_app, .. } = frame;
    let _ = write!(
        out,
        "\"function\":\"{function}\",\"module\":\"{module}\",\"filename\":\"{file}\",\"lineno\":{line},\"in_app\":{in_app}"
    );
    if huge {
        let source = |n: usize| SOURCES[(index * 7 + n * 3 + *line as usize) % SOURCES.len()].replace('"', "\\\"");
        let lines = |from: usize| (from..from + CONTEXT_LINES).map(|n| format!("\"    {}\"", source(n)));
        let (before, after) = (lines(0).collect::<Vec<_>>(), lines(CONTEXT_LINES + 1).collect::<Vec<_>>());
        let _ = write!(
            out,
            ",\"colno\":17,\"pre_context\":[{}],\"context_line\":\"    {}\",\"post_context\":[{}]",
            before.join(","),
            source(CONTEXT_LINES),
            after.join(",")
        );
    }
}

/// A template of breadcrumbs, oldest first; `{…}` are an event's own numbers.
fn crumbs(rank: usize) -> String {
    let crumb = |n: usize| {
        let (verb, noun) = (VERBS[(rank + n) % VERBS.len()], NOUNS[(rank * 3 + n) % NOUNS.len()]);
        let before = (CRUMBS - n) * 2;
        match n % 3 {
            0 => format!(
                "{{\"timestamp\":{{time-{before}}},\"type\":\"http\",\"category\":\"http\",\"level\":\"info\",\"data\":\
                 {{\"url\":\"https://{noun}.internal.acme.example/api/v2/{noun}s/{verb}\",\"status_code\":200,\
                 \"http.method\":\"GET\"}}}}"
            ),
            1 => format!(
                "{{\"timestamp\":{{time-{before}}},\"category\":\"query\",\"level\":\"info\",\"message\":\
                 \"SELECT id, state, updated_at FROM {noun}s WHERE id = $1 AND state <> 'closed' FOR UPDATE\"}}"
            ),
            _ => format!(
                "{{\"timestamp\":{{time-{before}}},\"category\":\"console\",\"level\":\"warning\",\"message\":\
                 \"{verb} {noun} took longer than expected: {{n}} ms\",\"data\":{{\"logger\":\"console\"}}}}"
            ),
        }
    };
    (0..CRUMBS).map(crumb).collect::<Vec<_>>().join(",")
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
