//! Cuts what is too long, after its secrets went: half a secret is not known for one, and neither is one whose name was cut.
//!
//! What fits costs nothing here; it is looked through once, with the rest of its event.

use std::borrow::Cow;

use super::shrink::{fit, size};
use crate::scrub::Scrubber;
use crate::text::trim_middle;
use crate::value::Value;

/// Cuts by the rules of one project. Paths are names from the column on, as rules write them; a place in a list may be any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cutter<'r>(&'r Scrubber);

impl<'r> Cutter<'r> {
    pub(crate) fn new(scrubber: &'r Scrubber) -> Self {
        Self(scrubber)
    }

    /// Cuts the middle out of a text.
    pub(crate) fn text<'t>(self, path: &[&str], text: Cow<'t, str>, bytes_max: usize) -> Cow<'t, str> {
        if text.len() <= bytes_max {
            return text;
        }
        trim_middle(&self.clean(path, text), bytes_max).into_owned().into()
    }

    /// The text without what the rules take out of it.
    pub(crate) fn clean<'t>(self, path: &[&str], text: Cow<'t, str>) -> Cow<'t, str> {
        let mut value = Value::Text(text);
        self.0.scrub_part(path, &mut value);
        match value {
            Value::Text(text) => text,
            _ => Cow::Borrowed(""),
        }
    }

    /// Cuts a value so that it has at most about `bytes_max` bytes as JSON.
    pub(crate) fn fit<'v>(self, path: &[&str], mut value: Value<'v>, bytes_max: usize) -> Value<'v> {
        if size(&value) <= bytes_max {
            return value;
        }
        self.0.scrub_part(path, &mut value);
        fit(value, bytes_max)
    }

    /// Keeps the last of `list` that fit into `bytes_max` together, none larger than `each_max`.
    pub(crate) fn newest<'v>(
        self,
        path: &[&str],
        list: Vec<Value<'v>>,
        bytes_max: usize,
        each_max: usize,
    ) -> Vec<Value<'v>> {
        let mut left = bytes_max;
        let mut kept = Vec::with_capacity(list.len().min(256));
        for value in list.into_iter().rev() {
            let value = self.fit(path, value, each_max);
            match left.checked_sub(size(&value) + 1) {
                Some(rest) => left = rest,
                None => break,
            }
            kept.push(value);
        }
        kept.reverse();
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let scrubber = Scrubber::default();
        let cutter = Cutter::new(&scrubber);
        let list: Vec<_> = (0..100).map(Value::Int).collect();
        let kept = cutter.newest(&["breadcrumbs", "0"], list, 210, 100);
        assert_eq!(kept, (90..100).map(Value::Int).collect::<Vec<_>>());
        assert_eq!(cutter.newest(&["breadcrumbs", "0"], vec![], 10, 10), []);
    }

    #[test]
    fn what_is_cut_is_looked_through_first() {
        let scrubber = Scrubber::default();
        let cutter = Cutter::new(&scrubber);
        let name = format!("{}password{}", "x".repeat(300), "-y".repeat(150));
        let long = Value::Map(vec![
            (name.into(), Value::Text("hunter2".into())),
            ("a".into(), Value::Text("z".repeat(900).into())),
        ]);
        let cut = crate::json::to_string(&cutter.fit(&["extra"], long, 700));
        assert!(!cut.contains("hunter2") && cut.contains("[scrubbed]"), "{cut}");
        let text = format!("{} password=hunter2hunter2 {}", "x ".repeat(28), "y ".repeat(60));
        for bytes_max in 60..text.len() {
            let cut = cutter.text(&["message"], text.as_str().into(), bytes_max);
            assert!(!cut.contains("hunt") && !cut.contains("ter2"), "{bytes_max}: {cut}");
        }
    }
}
