//! Goes through a search text character by character: words, quotes, escapes, and where each stands.

use super::error::SearchError;
use super::fields::is_taken;
use super::show::{continues_key, starts_key};
use super::tree::Pattern;

/// A place in the text.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// A word as it was written, with what its escapes, quotes and wildcards mean.
pub(super) struct Word {
    pub(super) pattern: Pattern,
    /// Whether a part of it stood in quotes.
    pub(super) is_quoted: bool,
    pub(super) position: usize,
}

/// A key with the `:` behind it.
pub(super) struct Key {
    pub(super) name: String,
    /// Whether it can only be a tag: `tags["…"]` or `"…"`.
    pub(super) is_tag: bool,
    pub(super) position: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The character here, counted from 1.
    pub(super) fn position(&self) -> usize {
        self.text[..self.at].chars().count() + 1
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip_spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Passes `expected` where it stands here.
    pub(super) fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Passes the word of the language where it stands here, alone.
    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_alone = |rest: &str| rest.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')'));
        let found = self.rest().strip_prefix(keyword).is_some_and(is_alone);
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// Whether the word of the language stands here, alone.
    pub(super) fn sees_keyword(&self, keyword: &str) -> bool {
        let mut ahead = *self;
        ahead.take_keyword(keyword)
    }

    /// Passes a key and its `:`; `None` leaves everything as it is.
    pub(super) fn take_key(&mut self) -> Result<Option<Key>, SearchError> {
        let mut ahead = *self;
        let position = ahead.position();
        let (name, is_tag) = match ahead.peek() {
            Some('"') => (ahead.quoted()?, true),
            Some(c) if starts_key(c) => {
                let length = ahead.rest().find(|c| !continues_key(c)).unwrap_or(ahead.rest().len());
                let name = ahead.rest()[..length].to_owned();
                ahead.at += length;
                if name.eq_ignore_ascii_case("tags") && ahead.take("[") {
                    (ahead.tag_name()?, true)
                } else {
                    (name, false)
                }
            }
            _ => return Ok(None),
        };
        if !ahead.take(":") {
            return Ok(None);
        }
        // `core::panic` and `https://…` are texts, `user.ip:::1` is none.
        let is_text = ahead.rest().starts_with(':') || ahead.rest().starts_with("//");
        if is_text && !is_tag && !is_taken(&name) {
            return Ok(None);
        }
        *self = ahead;
        Ok(Some(Key { name, is_tag, position }))
    }

    /// The name within `tags[…]`, behind the bracket.
    fn tag_name(&mut self) -> Result<String, SearchError> {
        let opened = self.position() - 1;
        let unclosed = || SearchError::new(opened, "a `[` that is not closed").with_hint("write `tags[name]:value`");
        if self.peek() == Some('"') {
            let name = self.quoted()?;
            return if self.take("]") { Ok(name) } else { Err(unclosed()) };
        }
        let length = self.rest().find(']').ok_or_else(unclosed)?;
        let name = self.rest()[..length].trim().to_owned();
        self.at += length + 1;
        if name.is_empty() {
            return Err(SearchError::new(opened + 1, "expected a tag's name").with_hint("write `tags[name]:value`"));
        }
        Ok(name)
    }

    /// A word up to a space or a parenthesis that is not its own; in a list, up to `,` or `]` too.
    pub(super) fn word(&mut self, in_list: bool) -> Result<Word, SearchError> {
        let position = self.position();
        let (mut parts, mut is_quoted, mut open) = (vec![String::new()], false, 0_usize);
        while let Some(c) = self.peek() {
            let mut text = |text: &str| parts.last_mut().into_iter().for_each(|part| part.push_str(text));
            match c {
                '"' => {
                    text(&self.quoted()?);
                    is_quoted = true;
                    continue;
                }
                _ if c.is_whitespace() => break,
                ')' if open == 0 => break,
                ',' | ']' if in_list && open == 0 => break,
                '*' => parts.push(String::new()),
                '\\' => {
                    let next = self.rest()[1..].chars().next();
                    match next.filter(|next| next.is_whitespace() || r#"*"\()[],:!-<>="#.contains(*next)) {
                        Some(escaped) => {
                            text(escaped.encode_utf8(&mut [0; 4]));
                            self.at += escaped.len_utf8();
                        }
                        None => text("\\"),
                    }
                }
                '(' => {
                    open += 1;
                    text("(");
                }
                ')' => {
                    open -= 1;
                    text(")");
                }
                c => text(c.encode_utf8(&mut [0; 4])),
            }
            self.at += c.len_utf8();
        }
        Ok(Word { pattern: Pattern { parts }, is_quoted, position })
    }

    /// What stands between quotes here; `\"` and `\\` mean the character.
    fn quoted(&mut self) -> Result<String, SearchError> {
        let opened = self.position();
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, c)) = letters.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match letters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => {}
                },
                c => text.push(c),
            }
        }
        Err(SearchError::new(opened, "a quote that is not closed").with_hint("write `\\\"` for a quote itself"))
    }
}
