//! Running text, with what patterns and detectors find in it replaced.

use super::{At, Job, MASK, REPLACEMENTS_MAX, REST, UNREAD, around, head, rule_name};
use crate::scrub::detect::{self, Span, What};
use crate::scrub::rules::ScrubAction;

impl Job<'_> {
    /// A text with its secrets replaced; `None` where there are none.
    pub(super) fn text(&mut self, at: &At, text: &str) -> Option<String> {
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
            self.show(|| (head(text), UNREAD.to_owned()));
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
                self.show(|| (head(&text[span.start..]), REST.to_owned()));
                out.push_str(REST);
                return out;
            }
            self.replacements_left -= 1;
            let part = &text[span.start..span.end];
            let kept = out.len();
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
            let (before, behind) = around(text, span.start, span.end);
            self.show(|| (format!("{before}{}{behind}", head(part)), format!("{before}{}{behind}", &out[kept..])));
        }
        out.push_str(&text[copied..]);
        out
    }
}
