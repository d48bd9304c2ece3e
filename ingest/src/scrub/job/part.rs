//! Parts of an event that are about to be cut: what is found in them goes while they are whole.

use super::{Form, Job, Turn};
use crate::scrub::columns;
use crate::value::Value;

impl Job<'_> {
    /// A value by the names on the way to it, a column's first. What a rule removes becomes null.
    pub(in crate::scrub) fn part(&mut self, path: &[&str], value: &mut Value<'_>) {
        let Some((column, below)) = path.split_first() else { return };
        let mut at = self.root(column, columns::form(column).unwrap_or(Form::Plain));
        let mut names = below.iter().peekable();
        loop {
            if let Some(rule) = self.whole_rule(&at) {
                return gone(self.apply_to_value(rule, value), value);
            }
            match (names.next(), names.peek()) {
                (None, _) => return gone(self.value(&at, value), value),
                (Some(name), None) => return gone(self.member(&at, name, value), value),
                (Some(name), Some(_)) => at = self.below(&at, name),
            }
        }
    }
}

fn gone(turn: Turn, value: &mut Value<'_>) {
    if turn == Turn::Gone {
        *value = Value::Null;
    }
}
