//! Values of JSON, walked name by name and changed in their place.

use super::{At, Job, Turn, Whole, head, rule_name};
use crate::json;
use crate::scrub::detect::{self, What};
use crate::scrub::names;
use crate::value::{Pairs, Value};

impl Job<'_> {
    /// A value under a name that may itself say what it is.
    pub(super) fn member(&mut self, parent: &At, name: &str, value: &mut Value<'_>) -> Turn {
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

    pub(super) fn value(&mut self, at: &At, value: &mut Value<'_>) -> Turn {
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
    pub(super) fn leaves(&mut self, whole: Whole, value: &mut Value<'_>) -> Turn {
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
                self.show(|| (shown(leaf), text.clone()));
                *leaf = Value::Text(text.into());
                Turn::Changed
            }
        }
    }
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => head(text),
        other => head(&json::to_string(other)),
    }
}

pub(super) fn length(value: &Value<'_>) -> usize {
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
