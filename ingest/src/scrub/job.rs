//! One event on its way through the rules: what may still be spent on it, and what was found.

mod part;
mod text;
mod walk;

use super::columns::Form;
use super::detect::{self, Detectors, Span, What};
use super::harmless::{Harmless, Mark};
use super::path::Place;
use super::rules::ScrubAction;
use super::{Finding, Plan, Scrubbed, hash};
use crate::json;
use crate::value::{Pairs, Value};
use walk::length;

/// What one event may cost: bytes looked at (once per pattern) and replacements.
const BYTES_MAX: usize = 8 << 20;
const REPLACEMENTS_MAX: u32 = 1_000;

/// What stands in the place of what was not looked at.
const UNREAD: &str = "[scrubbed:unread]";
const REST: &str = "[scrubbed:rest]";
const NAMED: &str = "[scrubbed]";
const MASK: &str = "********";

/// What a finding shows of a value, and of the text around it.
const SHOWN_BYTES_MAX: usize = 120;
const AROUND_BYTES_MAX: usize = 40;

/// What becomes of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Same,
    Changed(String),
    Gone,
}

/// What becomes of a value in JSON, changed in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Same,
    Changed,
    Gone,
}

/// Where the walk is: a place per rule, and what was decided on the way.
#[derive(Clone)]
struct At {
    places: Vec<Place>,
    /// Which detectors run here.
    detectors: Detectors,
}

/// What is done to a whole value.
#[derive(Clone, Copy)]
enum Whole {
    Named,
    Mask(usize),
    Hash(usize),
}

pub(super) struct Job<'p> {
    plan: &'p Plan,
    bytes_left: usize,
    replacements_left: u32,
    count: u32,
    /// The names on the way here, for a dry run only.
    way: Vec<String>,
    findings: Option<Vec<Finding>>,
    /// Whether findings show what stands there.
    shows: bool,
    spans: Vec<Span>,
}

impl<'p> Job<'p> {
    pub(super) fn new(plan: &'p Plan, explain: bool) -> Self {
        Self {
            plan,
            bytes_left: BYTES_MAX,
            replacements_left: REPLACEMENTS_MAX,
            count: 0,
            way: Vec::new(),
            findings: explain.then(Vec::new),
            shows: false,
            spans: Vec::new(),
        }
    }

    /// The same, whose findings show what stands there, and what comes in its place.
    pub(super) fn showing(mut self) -> Self {
        self.shows = self.findings.is_some();
        self
    }

    pub(super) fn scrubbed(&self) -> Scrubbed {
        Scrubbed { count: self.count }
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        self.findings.unwrap_or_default()
    }

    /// A column's text.
    pub(super) fn column(&mut self, name: &'static str, form: Form, text: &str) -> Fate {
        let mark = match form {
            _ if self.findings.is_some() => None,
            Form::Plain if is_bare(text, self.plan.defaults) && self.plan.rules.is_empty() => return Fate::Same,
            // Messages are what differs from event to event.
            Form::Plain if name != "message" => match self.known(name, text) {
                Ok(()) => return Fate::Same,
                Err(mark) => mark,
            },
            Form::Id if self.plan.rules.is_empty() => return Fate::Same,
            _ => None,
        };
        let fate = self.read_column(name, form, text);
        self.keep(mark, &fate);
        fate
    }

    fn read_column(&mut self, name: &'static str, form: Form, text: &str) -> Fate {
        let at = self.root(name, form);
        self.enter(name);
        let fate = match self.whole_rule(&at) {
            Some(rule) => self.apply_to_text(rule, form, text),
            None if form == Form::Json => self.json(&at, text),
            None if form == Form::Email && self.plan.defaults.emails => self.gone(What::Email.name(), text),
            None if form == Form::Ip && self.plan.defaults.ips => self.gone(What::Ip.name(), text),
            None => self.text(&at, text).map_or(Fate::Same, Fate::Changed),
        };
        self.leave();
        fate
    }

    /// Whether the text under this name was found harmless before; else what to keep it by, once it was.
    fn known(&self, name: &str, text: &str) -> Result<(), Option<Mark>> {
        match self.plan.rules.is_empty() {
            true => Harmless::shared().find(self.plan.defaults, name, text),
            false => Err(None),
        }
    }

    fn keep(&self, mark: Option<Mark>, fate: &Fate) {
        if let (Some(mark), Fate::Same) = (mark, fate) {
            Harmless::shared().keep(mark);
        }
    }

    /// A tag's value.
    pub(super) fn tag(&mut self, name: &str, value: &str) -> Fate {
        if self.findings.is_some() {
            return self.read_tag(name, value);
        }
        match self.known(name, value) {
            Ok(()) => Fate::Same,
            Err(mark) => {
                let fate = self.read_tag(name, value);
                self.keep(mark, &fate);
                fate
            }
        }
    }

    fn read_tag(&mut self, name: &str, value: &str) -> Fate {
        let mut text = Value::Text(value.into());
        let at = self.root("tags", Form::Plain);
        self.enter("tags");
        let fate = match self.member(&at, name, &mut text) {
            Turn::Same => Fate::Same,
            Turn::Changed => Fate::Changed(text.into_scalar().unwrap_or_default().into_owned()),
            Turn::Gone => Fate::Gone,
        };
        self.leave();
        fate
    }

    /// The pairs that become the column `attributes`.
    pub(super) fn attributes(&mut self, pairs: &mut Pairs<'_>) {
        let at = self.root("attributes", Form::Plain);
        self.enter("attributes");
        pairs.retain_mut(|(name, value)| self.member(&at, name, value) != Turn::Gone);
        self.leave();
    }

    fn root(&self, name: &str, form: Form) -> At {
        let places = self.plan.rules.iter().map(|rule| match &rule.path {
            Some(path) => path.step(path.start(), name),
            None => Place::default(),
        });
        let detectors =
            if matches!(form, Form::Id | Form::Email | Form::Ip) { Detectors::default() } else { self.plan.defaults };
        At { places: places.collect(), detectors }
    }

    fn below(&self, at: &At, name: &str) -> At {
        let rules = self.plan.rules.iter().zip(&at.places);
        let places = rules.map(|(rule, place)| rule.path.as_ref().map_or(*place, |path| path.step(*place, name)));
        At { places: places.collect(), detectors: at.detectors }
    }

    /// The first rule for whole values that holds here.
    fn whole_rule(&self, at: &At) -> Option<usize> {
        let rules = self.plan.rules.iter().zip(&at.places);
        rules
            .enumerate()
            .find(|(_, (rule, place))| rule.pattern.is_none() && place.is_covered())
            .map(|(index, _)| index)
    }

    fn apply_to_text(&mut self, rule: usize, form: Form, text: &str) -> Fate {
        match self.plan.rules[rule].action {
            ScrubAction::Keep => Fate::Same,
            ScrubAction::Remove => self.gone(&rule_name(rule), text),
            ScrubAction::Mask | ScrubAction::Hash if form == Form::Json => {
                let Ok(mut value) = json::parse(text) else { return self.unread_json(text) };
                self.apply_to_value(rule, &mut value);
                Fate::Changed(json::to_string(&value))
            }
            ScrubAction::Mask | ScrubAction::Hash => {
                let changed = self.whole_text(self.whole_of(rule), text);
                self.note(&rule_name(rule), text.len());
                self.show(|| (head(text), changed.clone()));
                Fate::Changed(changed)
            }
        }
    }

    fn apply_to_value(&mut self, rule: usize, value: &mut Value<'_>) -> Turn {
        match self.plan.rules[rule].action {
            ScrubAction::Keep => Turn::Same,
            ScrubAction::Remove => {
                self.note(&rule_name(rule), length(value));
                self.show(|| (head(&json::to_string(value)), String::new()));
                Turn::Gone
            }
            ScrubAction::Mask | ScrubAction::Hash => {
                let whole = self.whole_of(rule);
                self.leaves(whole, value)
            }
        }
    }

    fn whole_of(&self, rule: usize) -> Whole {
        if self.plan.rules[rule].action == ScrubAction::Hash { Whole::Hash(rule) } else { Whole::Mask(rule) }
    }

    fn whole_text(&self, whole: Whole, text: &str) -> String {
        match whole {
            Whole::Named => NAMED.to_owned(),
            Whole::Mask(_) => MASK.to_owned(),
            Whole::Hash(_) if hash::is_replacement(text) => text.to_owned(),
            Whole::Hash(_) => self.plan.keyed.replacement(text),
        }
    }

    /// A JSON column: read only where something in it could match.
    fn json(&mut self, at: &At, text: &str) -> Fate {
        let needed = self.plan.reads_all || at.places.iter().any(|place| place.is_alive());
        if !needed && !at.detectors.any() {
            return Fate::Same;
        }
        if !self.spend(text.len()) {
            return self.unread_json(text);
        }
        if !needed && !detect::is_suspicious(text, at.detectors) {
            return Fate::Same;
        }
        let Ok(mut value) = json::parse(text) else { return self.unread_json(text) };
        match self.value(at, &mut value) {
            Turn::Same => Fate::Same,
            Turn::Changed => Fate::Changed(json::to_string(&value)),
            Turn::Gone => Fate::Gone,
        }
    }

    fn unread_json(&mut self, text: &str) -> Fate {
        self.note("unread", text.len());
        self.show(|| (head(text), UNREAD.to_owned()));
        Fate::Changed(format!("\"{UNREAD}\""))
    }

    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(0);
        left.is_some()
    }

    fn gone(&mut self, rule: &str, text: &str) -> Fate {
        self.note(rule, text.len());
        self.show(|| (head(text), String::new()));
        Fate::Gone
    }

    fn note(&mut self, rule: &str, bytes: usize) {
        self.count = self.count.saturating_add(1);
        if let Some(findings) = &mut self.findings {
            let (path, rule) = (self.way.join("."), rule.to_owned());
            findings.push(Finding { path, rule, bytes, before: String::new(), after: String::new() });
        }
    }

    /// Adds to the last finding what stands there, and what comes in its place.
    fn show(&mut self, texts: impl FnOnce() -> (String, String)) {
        if self.shows
            && let Some(last) = self.findings.as_mut().and_then(|findings| findings.last_mut())
        {
            (last.before, last.after) = texts();
        }
    }

    fn enter(&mut self, name: &str) {
        if self.findings.is_some() {
            self.way.push(name.to_owned());
        }
    }

    fn leave(&mut self) {
        self.way.pop();
    }
}

/// Too short for any secret without a name in front of it, and without what parts a name from its value.
fn is_bare(text: &str, detectors: Detectors) -> bool {
    const SECRET_BYTES_MIN: usize = 10;
    let parts = |byte: u8| matches!(byte, b'=' | b':' | b'%' | b'@');
    text.len() < SECRET_BYTES_MIN && !detectors.ips && !text.bytes().any(parts)
}

/// The beginning of a text, for people.
fn head(text: &str) -> String {
    let end = text.floor_char_boundary(SHOWN_BYTES_MAX);
    let mut shown = text[..end].to_owned();
    if end < text.len() {
        shown.push('…');
    }
    shown
}

/// What stands before and behind a part of a text, as far as it is shown.
fn around(text: &str, start: usize, end: usize) -> (&str, &str) {
    let from = text.ceil_char_boundary(start.saturating_sub(AROUND_BYTES_MAX));
    let to = text.floor_char_boundary((end + AROUND_BYTES_MAX).min(text.len()));
    (&text[from..start], &text[end..to.max(end)])
}

fn rule_name(index: usize) -> String {
    format!("rule {}", index + 1)
}
