//! An event's frames read back from its columns, for rules that look at frames and for other versions of the rules.

use tephra_storage::Event;

use super::chain::{self, KnownFrames, Thrown};
use super::frame::{Frame, Style};
use super::rules::GroupRules;
use super::{Features, Hashes, trace, v1};
use crate::json;
use crate::value::{Pairs, Value};

/// The columns that hold a stack.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Columns<'a> {
    pub(crate) text: Option<&'a str>,
    pub(crate) frames: Option<&'a str>,
    /// By which a frame without a telling file is read.
    pub(crate) platform: Option<&'a str>,
    /// By which Rust is told from other native programs.
    pub(crate) sdk: Option<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(event: &'a Event) -> Self {
        Self {
            text: event.stack.as_deref(),
            frames: event.frames.as_deref(),
            platform: event.platform.as_deref(),
            sdk: event.sdk_name.as_deref(),
        }
    }

    /// Calls `visit` with the exceptions as grouping sees them: structured frames where they came, else the text.
    pub(crate) fn visit<T>(&self, visit: impl FnOnce(&mut Vec<Thrown<'_>>) -> T) -> T {
        let value = self.frames.and_then(|frames| json::parse(frames).ok());
        let style = match (self.platform.unwrap_or_default(), self.sdk.unwrap_or_default()) {
            ("" | "native" | "other", sdk) if sdk.starts_with("sentry.rust") => Style::Rust,
            (platform, _) => Style::of_platform(platform),
        };
        let mut thrown = value.as_ref().map(|value| structured(value, style)).unwrap_or_default();
        if thrown.iter().all(|thrown| thrown.frames.is_empty())
            && let Some(text) = self.text
        {
            thrown = trace::read(text);
        }
        visit(&mut thrown)
    }
}

/// `[{"type":…, "frames":[…]}]`, the exception thrown last at the end, and of each the newest call.
fn structured<'v>(value: &'v Value<'_>, style: Style) -> Vec<Thrown<'v>> {
    let Value::List(list) = value else { return Vec::new() };
    let exceptions = list.iter().rev().filter_map(|exception| {
        let Value::Map(pairs) = exception else { return None };
        // Of a stack whose middle was cut out, what is behind the cut.
        let newest = match get(pairs, "frames_omitted") {
            Some(Value::List(range)) => {
                range.first().and_then(Value::as_int).and_then(|from| usize::try_from(from).ok())
            }
            _ => None,
        };
        let frames = match get(pairs, "frames") {
            Some(Value::List(frames)) => {
                let kept = &frames[newest.unwrap_or(0).min(frames.len())..];
                kept.iter().rev().filter_map(|value| frame(value, style)).collect()
            }
            _ => Vec::new(),
        };
        Some(Thrown { kind: text(pairs, "type"), frames })
    });
    exceptions.collect()
}

fn frame<'v>(value: &'v Value<'_>, style: Style) -> Option<Frame<'v>> {
    let Value::Map(pairs) = value else { return None };
    let (file, path) = (text(pairs, "filename"), text(pairs, "abs_path"));
    let module = text(pairs, "module");
    let package = text(pairs, "package").rsplit(['/', '\\']).next().unwrap_or_default();
    Some(Frame {
        style,
        function: text(pairs, "function"),
        // Programs without modules are told apart by their libraries.
        module: if module.is_empty() && matches!(style, Style::Native | Style::Other) { package } else { module },
        file: if file.is_empty() { path } else { file },
        path,
        in_app: get(pairs, "in_app").and_then(Value::as_bool),
    })
}

fn get<'v>(pairs: &'v Pairs<'_>, name: &str) -> Option<&'v Value<'v>> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn text<'v>(pairs: &'v Pairs<'_>, name: &str) -> &'v str {
    match get(pairs, name) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// What the columns of an event say, but its stack.
fn features<'a>(event: &'a Event, tags: &'a [(&'a str, &'a str)]) -> Features<'a> {
    Features {
        exception_type: event.exception_type.as_deref(),
        exception_value: event.exception_value.as_deref(),
        template: event.template.as_deref(),
        message: event.message.as_deref(),
        logger: event.logger.as_deref(),
        stack: None,
        trace: event.stack.as_deref(),
        culprit: event.culprit.as_deref(),
        level: Some(event.level.as_str()),
        platform: event.platform.as_deref(),
        environment: event.environment.as_deref(),
        release: event.release.as_deref(),
        service: event.service.as_deref(),
        tags,
    }
}

/// The sender's fingerprint, which is kept in the attributes.
fn fingerprint(event: &Event) -> Vec<String> {
    let attributes = event.attributes.as_deref().filter(|attributes| attributes.contains("\"fingerprint\""));
    let value = attributes.and_then(|attributes| json::parse(attributes).ok());
    let Some(Value::Map(pairs)) = &value else { return Vec::new() };
    let Some(Value::List(parts)) = get(pairs, "fingerprint") else { return Vec::new() };
    parts.iter().filter_map(|part| part.clone().into_scalar().ok()).map(|part| part.into_owned()).collect()
}

pub(super) fn version_2(event: &Event, rules: &GroupRules) -> Hashes {
    let tags: Vec<(&str, &str)> = event.tags.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    let mut features = features(event, &tags);
    Columns::of(event).visit(|thrown| {
        rules.apply_to(thrown);
        let (hashes, _) = chain::fold(thrown, &mut KnownFrames::default());
        features.stack = Some(hashes);
        let mut scratch = String::new();
        match rules.fingerprint(&features, thrown) {
            Some(parts) => super::hashes(&features, parts, &mut scratch),
            None => super::hashes(&features, &fingerprint(event), &mut scratch),
        }
    })
}

pub(super) fn version_1(event: &Event) -> Hashes {
    let value = event.frames.as_deref().and_then(|frames| json::parse(frames).ok());
    let structured = value.as_ref().map(|value| structured(value, Style::Other)).unwrap_or_default();
    let frames: Vec<_> = structured.iter().flat_map(|thrown| &thrown.frames).collect();
    let stack = if frames.is_empty() {
        event.stack.as_deref().map(v1::of_trace)
    } else {
        Some(v1::of_frames(frames.into_iter().map(|frame| v1::Frame {
            style: v1::Style::Other,
            function: frame.function,
            module: frame.module,
            file: frame.file,
            in_app: frame.in_app,
        })))
    };
    v1::hashes(&features(event, &[]), stack, &fingerprint(event))
}
