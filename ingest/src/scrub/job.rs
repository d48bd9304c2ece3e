//! One event on its way through the rules: what may still be spent on it, and what was found.

use super::columns::Form;
use super::detect::{self, Detectors, Span, What};
use super::path::Place;
use super::rules::ScrubAction;
use super::{Finding, Plan, Scrubbed, names};
use crate::json;
use crate::value::{Pairs, Value};

/// What one event may cost: bytes looked at (once per pattern) and replacements.
const BYTES_MAX: usize = 8 << 20;
const REPLACEMENTS_MAX: u32 = 1_000;

/// What stands in the place of what was not looked at.
const UNREAD: &str = "[scrubbed:unread]";
const REST: &str = "[scrubbed:rest]";
const NAMED: &str = "[scrubbed]";
const MASK: &str = "********";

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
            spans: Vec::new(),
        }
    }

    pub(super) fn scrubbed(&self) -> Scrubbed {
        Scrubbed { count: self.count }
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        self.findings.unwrap_or_default()
    }

    /// A column's text.
    pub(super) fn column(&mut self, name: &str, form: Form, text: &str) -> Fate {
        let at = self.root(name, form);
        self.enter(name);
        let fate = match self.whole_rule(&at) {
            Some(rule) => self.apply_to_text(rule, form, text),
            None if form == Form::Json => self.json(&at, text),
            None if form == Form::Email && self.plan.defaults.emails => self.gone(What::Email.name(), text.len()),
            None if form == Form::Ip && self.plan.defaults.ips => self.gone(What::Ip.name(), text.len()),
            None => self.text(&at, text).map_or(Fate::Same, Fate::Changed),
        };
        self.leave();
        fate
    }

    /// A tag's value.
    pub(super) fn tag(&mut self, name: &str, value: &str) -> Fate {
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
            ScrubAction::Remove => self.gone(&rule_name(rule), text.len()),
            ScrubAction::Mask | ScrubAction::Hash if form == Form::Json => {
                let Ok(mut value) = json::parse(text) else { return self.unread_json(text) };
                self.apply_to_value(rule, &mut value);
                Fate::Changed(json::to_string(&value))
            }
            ScrubAction::Mask | ScrubAction::Hash => {
                self.note(&rule_name(rule), text.len());
                Fate::Changed(self.whole_text(self.whole_of(rule), text))
            }
        }
    }

    fn apply_to_value(&mut self, rule: usize, value: &mut Value<'_>) -> Turn {
        match self.plan.rules[rule].action {
            ScrubAction::Keep => Turn::Same,
            ScrubAction::Remove => {
                self.note(&rule_name(rule), length(value));
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
        Fate::Changed(format!("\"{UNREAD}\""))
    }

    /// A value under a name that may itself say what it is.
    fn member(&mut self, parent: &At, name: &str, value: &mut Value<'_>) -> Turn {
        let mut at = self.below(parent, name);
        self.enter(name);
        let turn = if let Some(rule) = self.whole_rule(&at) {
            self.apply_to_value(rule, value)
        } else if at.detectors.secrets && detect::may_name_a_secret(name) && names::is_secret(name) {
            self.leaves(Whole::Named, value)
        } else {
            at.detectors.cards &= !names::is_number_of_its_own(name);
            self.value(&at, value)
        };
        self.leave();
        turn
    }

    fn value(&mut self, at: &At, value: &mut Value<'_>) -> Turn {
        match value {
            Value::Text(text) => match self.text(at, text) {
                Some(changed) => {
                    *text = changed.into();
                    Turn::Changed
                }
                None => Turn::Same,
            },
            Value::Int(number) if *number >= 1_000_000_000_000 && at.detectors.cards => {
                let digits = itoa::Buffer::new().format(*number).to_owned();
                self.digits(at, &digits, value)
            }
            Value::Uint(number) if at.detectors.cards => {
                let digits = itoa::Buffer::new().format(*number).to_owned();
                self.digits(at, &digits, value)
            }
            Value::Bytes(bytes) => {
                let changed = std::str::from_utf8(bytes).ok().and_then(|text| self.text(at, text));
                match changed {
                    Some(changed) => {
                        *value = Value::Text(changed.into());
                        Turn::Changed
                    }
                    None => Turn::Same,
                }
            }
            Value::List(list) => self.list(at, list),
            Value::Map(pairs) => {
                let named = is_named_pair(pairs);
                let mut turn = Turn::Same;
                let secret = named.as_deref().is_some_and(|name| at.detectors.secrets && names::is_secret(name));
                pairs.retain_mut(|(name, value)| {
                    let member = if secret && name.eq_ignore_ascii_case("value") {
                        self.leaves(Whole::Named, value)
                    } else {
                        self.member(at, name, value)
                    };
                    turn = if member == Turn::Same { turn } else { Turn::Changed };
                    member != Turn::Gone
                });
                turn
            }
            _ => Turn::Same,
        }
    }

    fn digits(&mut self, at: &At, digits: &str, value: &mut Value<'_>) -> Turn {
        match self.text(at, digits) {
            Some(changed) => {
                *value = Value::Text(changed.into());
                Turn::Changed
            }
            None => Turn::Same,
        }
    }

    /// A list, which may be a pair `["Cookie", "a=b"]`, or arguments `["--password", "x"]`.
    fn list(&mut self, at: &At, list: &mut Vec<Value<'_>>) -> Turn {
        let mut turn = Turn::Same;
        let pair = list.len() == 2;
        let mut secret = false;
        for (index, value) in list.iter_mut().enumerate() {
            let mut number = itoa::Buffer::new();
            let below = self.below(at, number.format(index));
            self.enter(number.format(index));
            let member = match self.whole_rule(&below) {
                Some(rule) => self.apply_to_value(rule, value),
                None if secret => self.leaves(Whole::Named, value),
                None => {
                    secret = at.detectors.secrets && announces(value, pair && index == 0);
                    self.value(&below, value)
                }
            };
            self.leave();
            if member == Turn::Gone {
                // The others keep their places.
                *value = Value::Null;
            }
            secret &= member == Turn::Same;
            turn = if member == Turn::Same { turn } else { Turn::Changed };
        }
        turn
    }

    /// Replaces all texts and numbers of a value, so that its shape stays.
    fn leaves(&mut self, whole: Whole, value: &mut Value<'_>) -> Turn {
        let by = |whole| match whole {
            Whole::Named => What::Named.name().to_owned(),
            Whole::Mask(rule) | Whole::Hash(rule) => rule_name(rule),
        };
        match value {
            Value::Null | Value::Bool(_) => Turn::Same,
            Value::Text(text) if text.is_empty() || text.starts_with("[scrubbed") => Turn::Same,
            Value::List(list) => {
                let turns = list.iter_mut().map(|value| self.leaves(whole, value));
                turns.fold(Turn::Same, |turn, next| if next == Turn::Same { turn } else { next })
            }
            Value::Map(pairs) => {
                let mut turn = Turn::Same;
                for (name, value) in pairs.iter_mut() {
                    self.enter(name);
                    turn = if self.leaves(whole, value) == Turn::Same { turn } else { Turn::Changed };
                    self.leave();
                }
                turn
            }
            leaf => {
                self.note(&by(whole), length(leaf));
                let text = match &*leaf {
                    Value::Text(text) => self.whole_text(whole, text),
                    other => self.whole_text(whole, &json::to_string(other)),
                };
                *leaf = Value::Text(text.into());
                Turn::Changed
            }
        }
    }

    /// A text with its secrets replaced; `None` where there are none.
    fn text(&mut self, at: &At, text: &str) -> Option<String> {
        if text.len() < 3 {
            return None;
        }
        let plan = self.plan;
        let patterns = plan.rules.iter().zip(&at.places).enumerate().filter_map(|(index, (rule, place))| {
            let pattern = rule.pattern.as_ref()?;
            (rule.path.is_none() || place.is_covered()).then_some((index, pattern, rule.action))
        });
        let mut spans = std::mem::take(&mut self.spans);
        spans.clear();
        let mut kept: Vec<(usize, usize)> = Vec::new();
        let mut affordable = self.spend(if at.detectors.any() { text.len() } else { 0 });
        for (index, pattern, action) in patterns {
            affordable = affordable && self.spend(text.len());
            if !affordable {
                break;
            }
            for found in pattern.captures_iter(text).take(REPLACEMENTS_MAX as usize + 1) {
                let Some(part) = found.get(1).or(found.get(0)).filter(|part| !part.is_empty()) else { continue };
                match action {
                    ScrubAction::Keep => kept.push((part.start(), part.end())),
                    _ => spans.push(Span { start: part.start(), end: part.end(), what: What::Rule(index) }),
                }
            }
        }
        let changed = if affordable {
            detect::scan(text, at.detectors, &mut spans);
            let is_kept = |span: &Span| kept.iter().any(|(start, end)| span.start < *end && *start < span.end);
            spans.retain(|span| matches!(span.what, What::Rule(_)) || !is_kept(span));
            detect::apart(&mut spans, 0);
            (!spans.is_empty()).then(|| self.replaced(text, &spans))
        } else {
            self.note("unread", text.len());
            Some(UNREAD.to_owned())
        };
        self.spans = spans;
        changed
    }

    fn replaced(&mut self, text: &str, spans: &[Span]) -> String {
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for span in spans {
            out.push_str(&text[copied..span.start]);
            copied = span.end;
            if self.replacements_left == 0 {
                self.note("unread", text.len() - span.start);
                out.push_str(REST);
                return out;
            }
            self.replacements_left -= 1;
            let part = &text[span.start..span.end];
            match span.what {
                What::Rule(rule) => {
                    self.note(&rule_name(rule), part.len());
                    match self.plan.rules[rule].action {
                        ScrubAction::Hash => out.push_str(&self.plan.keyed.replacement(part)),
                        ScrubAction::Mask => out.push_str(MASK),
                        ScrubAction::Remove | ScrubAction::Keep => {}
                    }
                }
                what => {
                    self.note(what.name(), part.len());
                    out.push_str(what.replacement());
                }
            }
        }
        out.push_str(&text[copied..]);
        out
    }

    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(0);
        left.is_some()
    }

    fn gone(&mut self, rule: &str, bytes: usize) -> Fate {
        self.note(rule, bytes);
        Fate::Gone
    }

    fn note(&mut self, rule: &str, bytes: usize) {
        self.count = self.count.saturating_add(1);
        if let Some(findings) = &mut self.findings {
            findings.push(Finding { path: self.way.join("."), rule: rule.to_owned(), bytes });
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

fn rule_name(index: usize) -> String {
    format!("rule {}", index + 1)
}

fn length(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        other => json::to_string(other).len(),
    }
}

/// The name in `{"name": "Cookie", "value": "a=b"}`.
fn is_named_pair(pairs: &Pairs<'_>) -> Option<String> {
    let value = |name: &str| pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    value("value")?;
    match value("name").or(value("key"))? {
        Value::Text(name) => Some(name.to_string()),
        _ => None,
    }
}

/// Whether the next of a list is a secret: the first of a pair names it, or an option does.
fn announces(value: &Value<'_>, first_of_pair: bool) -> bool {
    let Value::Text(text) = value else { return false };
    let option = text.strip_prefix('-').map(|name| name.trim_start_matches('-'));
    match option {
        Some(name) => !name.contains('=') && names::is_secret(name),
        None => first_of_pair && names::is_secret(text),
    }
}
