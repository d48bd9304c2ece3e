//! The language of a project's grouping rules: one rule a line, `#` begins a comment.
//!
//! ```text
//! type:DatabaseUnavailable            -> database-down
//! message:"*out of memory*" tags.tier:gold -> oom, {{ type }}
//! path:**/generated/** -group
//! module:com.acme.* function:!audit*  +app
//! ```

use std::fmt;

use super::features::{NAMES, variable};
use super::rules::{FingerprintRule, GroupRules, Key, Matcher, StackAction, StackRule};

const TEXT_BYTES_MAX: usize = 64 << 10;
const RULES_MAX: usize = 500;
const MATCHERS_MAX: usize = 16;
const PATTERN_BYTES_MAX: usize = 256;

/// Why grouping rules cannot be used. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRuleError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for GroupRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grouping rules, line {}, column {}: {}", self.line, self.column, self.what)
    }
}

impl std::error::Error for GroupRuleError {}

type Read<T> = Result<T, GroupRuleError>;

pub(super) fn parse(text: &str) -> Read<GroupRules> {
    let mut rules = GroupRules::default();
    if text.len() > TEXT_BYTES_MAX {
        let what = format!("{} bytes of rules, where {TEXT_BYTES_MAX} are allowed", text.len());
        return Err(GroupRuleError { line: 1, column: 1, what, hint: "join rules with `*`".to_owned() });
    }
    for (index, line) in text.lines().enumerate() {
        let mut line = Line { number: index + 1, text: line, at: 0 };
        line.rule(&mut rules)?;
        if rules.fingerprints.len() + rules.stacks.len() > RULES_MAX {
            return Err(line.fail(0, format!("more than {RULES_MAX} rules"), "join rules with `*`"));
        }
    }
    Ok(rules)
}

/// The names that rules of other trackers have for what is meant.
fn own_name(name: &str) -> &str {
    match name {
        "error.type" => "type",
        "error.value" => "value",
        "stack.module" | "stack.package" => "module",
        "stack.function" => "function",
        "stack.abs_path" | "stack.filename" | "abs_path" | "filename" => "path",
        "in_app" | "inapp" => "app",
        "family" => "platform",
        other => other,
    }
}

struct Line<'t> {
    number: usize,
    text: &'t str,
    at: usize,
}

impl<'t> Line<'t> {
    fn fail(&self, at: usize, what: impl Into<String>, hint: impl Into<String>) -> GroupRuleError {
        let column = self.text[..at.min(self.text.len())].chars().count() + 1;
        GroupRuleError { line: self.number, column, what: what.into(), hint: hint.into() }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
        if self.rest().starts_with('#') {
            self.at = self.text.len();
        }
    }

    fn rule(&mut self, rules: &mut GroupRules) -> Read<()> {
        self.skip_spaces();
        if self.rest().is_empty() {
            return Ok(());
        }
        let mut matchers = Vec::new();
        loop {
            let start = self.at;
            if let Some(rest) = self.rest().strip_prefix("->") {
                self.at = self.text.len() - rest.len();
                self.some(&matchers, start)?;
                let parts = self.parts()?;
                rules.fingerprints.push(FingerprintRule { matchers, parts });
                return Ok(());
            }
            if self.rest().starts_with(['+', '-', '^'])
                || self.rest().starts_with("v+")
                || self.rest().starts_with("v-")
            {
                self.some(&matchers, start)?;
                if let Some(event) = matchers.iter().find(|matcher| matches!(matcher.key, Key::Event(_))) {
                    let Key::Event(name) = &event.key else { return Ok(()) };
                    let what = format!("`{name}` says nothing of a frame");
                    return Err(self.fail(start, what, "rules for frames know `module`, `path`, `function` and `app`"));
                }
                let actions = self.actions()?;
                rules.stacks.push(StackRule { matchers, actions });
                return Ok(());
            }
            if self.rest().is_empty() {
                return Err(self.fail(
                    start,
                    "the rule does nothing",
                    "end it with `-> name`, `+app`, `-app` or `-group`",
                ));
            }
            if matchers.len() == MATCHERS_MAX {
                return Err(self.fail(
                    start,
                    format!("more than {MATCHERS_MAX} conditions"),
                    "make several rules of it",
                ));
            }
            matchers.push(self.matcher()?);
            self.skip_spaces();
        }
    }

    fn some(&self, matchers: &[Matcher], at: usize) -> Read<()> {
        if matchers.is_empty() {
            return Err(self.fail(at, "the rule has no condition", "begin it with one, such as `type:*`"));
        }
        Ok(())
    }

    /// `key:pattern`, `!key:pattern`, `key:!pattern`
    fn matcher(&mut self) -> Read<Matcher> {
        let start = self.at;
        let mut negated = self.rest().starts_with('!');
        self.at += usize::from(negated);
        let key_at = self.at;
        let length = self.rest().find(|c: char| c == ':' || c.is_whitespace()).unwrap_or(self.rest().len());
        let key = &self.rest()[..length];
        if !self.rest()[length..].starts_with(':') {
            return Err(self.fail(
                start,
                format!("`{key}` is no condition"),
                "write `key:pattern`, such as `type:ValueError`",
            ));
        }
        let key = match own_name(key) {
            "module" => Key::Module,
            "path" => Key::Path,
            "function" => Key::Function,
            "app" => Key::App,
            name if NAMES.contains(&name) || name.strip_prefix("tags.").is_some_and(|tag| !tag.is_empty()) => {
                Key::Event(name.to_owned())
            }
            other => {
                let known = format!("keys are path, app, tags.NAME, {}", NAMES.join(", "));
                return Err(self.fail(key_at, format!("unknown key `{other}`"), known));
            }
        };
        self.at += length + 1;
        if self.rest().starts_with('!') {
            negated = !negated;
            self.at += 1;
        }
        let pattern_at = self.at;
        let pattern = self.word(&[])?;
        if pattern.is_empty() {
            return Err(self.fail(pattern_at, "the pattern is empty", "write `*` for anything"));
        }
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(self.fail(
                pattern_at,
                format!("the pattern has more than {PATTERN_BYTES_MAX} bytes"),
                "use `*`",
            ));
        }
        let pattern = match (&key, pattern.as_str()) {
            (Key::App, "true" | "1") => "yes".to_owned(),
            (Key::App, "false" | "0") => "no".to_owned(),
            _ => pattern,
        };
        if key == Key::App && !matches!(pattern.as_str(), "yes" | "no") {
            return Err(self.fail(
                pattern_at,
                format!("`{pattern}` is neither `yes` nor `no`"),
                "write `app:yes` or `app:no`",
            ));
        }
        Ok(Matcher { key, pattern: pattern.to_lowercase(), negated })
    }

    /// A word up to a space or one of `ends`, or a text in quotes.
    fn word(&mut self, ends: &[char]) -> Read<String> {
        let start = self.at;
        if !self.rest().starts_with('"') {
            let ends = |c: char| c.is_whitespace() || ends.contains(&c);
            let length = self.rest().find(ends).unwrap_or(self.rest().len());
            let word = self.rest()[..length].to_owned();
            self.at += length;
            return Ok(word);
        }
        let mut word = String::new();
        let mut chars = self.rest()[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 2;
                    return Ok(word);
                }
                '\\' => word.push(chars.next().map_or('\\', |(_, c)| c)),
                c => word.push(c),
            }
        }
        Err(self.fail(start, "the text in quotes does not end", "close it with `\"`"))
    }

    /// `name, {{ type }}`
    fn parts(&mut self) -> Read<Vec<String>> {
        let mut parts = Vec::new();
        loop {
            self.skip_spaces();
            let start = self.at;
            let part = if self.rest().starts_with("{{") {
                let Some(end) = self.rest().find("}}") else {
                    return Err(self.fail(start, "the variable does not end", "close it with `}}`"));
                };
                let part = &self.rest()[..end + 2];
                self.at += end + 2;
                let name = own_name(variable(part).unwrap_or_default());
                let known = name == "default"
                    || NAMES.contains(&name)
                    || name.strip_prefix("tags.").is_some_and(|tag| !tag.is_empty());
                if !known {
                    let known = format!("variables are default, tags.NAME, {}", NAMES.join(", "));
                    return Err(self.fail(start, format!("unknown variable `{name}`"), known));
                }
                format!("{{{{ {name} }}}}")
            } else {
                self.word(&[',', '#'])?
            };
            if part.is_empty() {
                return Err(self.fail(start, "a part of the fingerprint is missing", "write a name or a variable"));
            }
            parts.push(part);
            self.skip_spaces();
            match self.rest().strip_prefix(',') {
                Some(rest) => self.at = self.text.len() - rest.len(),
                None if self.rest().is_empty() => return Ok(parts),
                None => {
                    return Err(self.fail(self.at, "parts of a fingerprint are parted by commas", "write `,` here"));
                }
            }
        }
    }

    /// `+app -group`
    fn actions(&mut self) -> Read<Vec<StackAction>> {
        let mut actions = Vec::new();
        while !self.rest().is_empty() {
            let start = self.at;
            actions.push(match self.word(&[])?.as_str() {
                other if other.starts_with(['^', 'v']) => {
                    return Err(self.fail(
                        start,
                        format!("`{other}` is about other frames than the one that fits"),
                        "name those frames in a rule of their own, with `+app`, `-app` or `-group`",
                    ));
                }
                "+app" => StackAction::InApp(true),
                "-app" => StackAction::InApp(false),
                "-group" => StackAction::LeaveOut,
                other => {
                    return Err(self.fail(
                        start,
                        format!("unknown action `{other}`"),
                        "actions are `+app`, `-app` and `-group`",
                    ));
                }
            });
            self.skip_spaces();
        }
        Ok(actions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rules() {
        let rules = parse(
            "# ours\n\ntype:DatabaseUnavailable -> database-down\nmessage:\"*out of \\\"memory\\\"*\" !tags.tier:gold -> oom, {{ type }} # why\n\
             path:**/generated/** -group\nmodule:com.acme.* function:!audit* app:no  +app",
        )
        .unwrap();
        assert_eq!(rules.fingerprints.len(), 2);
        assert_eq!(rules.fingerprints[1].matchers[0].pattern, "*out of \"memory\"*");
        assert!(rules.fingerprints[1].matchers[1].negated);
        assert_eq!(rules.fingerprints[1].parts, ["oom", "{{ type }}"]);
        assert_eq!(rules.stacks.len(), 2);
        assert_eq!(rules.stacks[1].actions, [StackAction::InApp(true)]);
        assert!(rules.stacks[1].matchers[1].negated);
    }

    #[test]
    fn says_where_and_what() {
        for (text, line, column, what) in [
            ("type:A", 1, 7, "does nothing"),
            ("\n  typ:A -> x", 2, 3, "unknown key `typ`"),
            ("type -> x", 1, 1, "no condition"),
            ("-> x", 1, 1, "no condition"),
            ("type:A ->", 1, 10, "missing"),
            ("type:A -> x y", 1, 13, "commas"),
            ("type:A -> {{ typo }}", 1, 11, "unknown variable"),
            ("type:A -> {{ type", 1, 11, "does not end"),
            ("type:\"A -> x", 1, 6, "does not end"),
            ("type: -> x", 1, 6, "empty"),
            ("path:x -grup", 1, 8, "unknown action"),
            ("type:A -group", 1, 8, "says nothing of a frame"),
            ("app:maybe -group", 1, 5, "neither"),
            ("ä:x -> y", 1, 1, "unknown key"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.what.contains(what) && !error.hint.is_empty(), "{text}: {error}");
        }
        assert!(parse(&"type:a -> b\n".repeat(501)).is_err());
    }

    #[test]
    fn rules_of_sentry_read_the_same() {
        let same = |theirs: &str, ours: &str| assert_eq!(parse(theirs).unwrap(), parse(ours).unwrap(), "{theirs}");
        same("error.type:Timeout -> timeout, {{ error.type }}", "type:Timeout -> timeout, {{ type }}");
        same(
            "error.value:\"connection *\" level:error -> {{default}}",
            "value:\"connection *\" level:error -> {{ default }}",
        );
        same("stack.abs_path:**/vendor/** -app", "path:**/vendor/** -app");
        same("stack.function:panic_* app:false -group", "function:panic_* app:no -group");
        let error = parse("stack.function:panic_handler ^-group").unwrap_err();
        assert!(error.column == 30 && error.what.contains("other frames"), "{error:?}");
    }
}
