//! Patterns in which `*` stands for any text, also none. Letters of either case are alike.
//!
//! A pattern is cut at its stars; its first part must begin the text, its last must end it, and those between are looked for one
//! after the other. Each search goes on where the last one ended, so a text is read once per pattern, whatever the pattern.

use memchr::memmem;

/// What of a text is compared.
const TEXT_BYTES_MAX: usize = 8 << 10;
const PATTERN_BYTES_MAX: usize = 500;

/// A list of patterns.
#[derive(Clone, Debug, Default)]
pub(super) struct Globs(Vec<Glob>);

/// The parts between the stars, in small letters; a pattern without a star is one part.
#[derive(Clone, Debug)]
struct Glob(Vec<String>);

impl Globs {
    /// Reads patterns; the index of one that is not allowed comes with what is wrong with it.
    pub(super) fn new(patterns: &[String]) -> Result<Self, (usize, String)> {
        let read = |(index, pattern): (usize, &String)| Glob::new(pattern).map_err(|message| (index, message));
        patterns.iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a pattern matches the whole text; an absent text matches none.
    pub(super) fn match_any(&self, text: Option<&str>) -> bool {
        let Some(text) = text.filter(|_| !self.0.is_empty()) else { return false };
        let text = text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_lowercase();
        self.0.iter().any(|glob| glob.matches(text.as_bytes()))
    }
}

impl Glob {
    fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!("a pattern of {} bytes, and {PATTERN_BYTES_MAX} are allowed", pattern.len()));
        }
        if pattern.trim().is_empty() {
            return Err("an empty pattern".to_owned());
        }
        if pattern.bytes().all(|byte| byte == b'*') {
            return Err("a pattern that matches everything".to_owned());
        }
        Ok(Self(pattern.to_lowercase().split('*').map(str::to_owned).collect()))
    }

    fn matches(&self, text: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return false };
        let Some((last, between)) = rest.split_last() else { return text == first.as_bytes() };
        let Some(mut left) = text.strip_prefix(first.as_bytes()).and_then(|left| left.strip_suffix(last.as_bytes()))
        else {
            return false;
        };
        for part in between {
            let Some(at) = memmem::find(left, part.as_bytes()) else { return false };
            left = &left[at + part.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        let globs = Globs::new(&[pattern.to_owned()]).unwrap();
        assert_eq!(globs.match_any(Some(text)), expected, "{pattern} {text}");
    }

    #[test]
    fn stars_stand_for_any_text() {
        check("ResizeObserver loop*", "resizeobserver LOOP limit exceeded", true);
        check("ResizeObserver loop*", "a ResizeObserver loop", false);
        check("*timeout*", "a Timeout after 3 s", true);
        check("*timeout*", "timeout", true);
        check("exact", "Exact", true);
        check("exact", "exactly", false);
        check("a*b*c", "aXbYc", true);
        check("a*b*c", "acb", false);
        check("ab*ba", "aba", false);
        check("ab*ba", "abba", true);
        check("*é*", "CAFÉ", true);
        check("1.2.*", "1.2.3", true);
        check("1.2.*", "11.2.3", false);
        check("a?c", "abc", false);
        assert!(!Globs::default().match_any(Some("")));
        assert!(!Globs::new(&["a*".to_owned()]).unwrap().match_any(None));
    }

    #[test]
    fn what_would_match_everything_is_refused() {
        for pattern in ["", "  ", "*", "***", &"x".repeat(501)] {
            assert_eq!(Globs::new(&["a".to_owned(), pattern.to_owned()]).unwrap_err().0, 1, "{pattern}");
        }
    }

    #[test]
    fn a_long_text_is_compared_at_its_start() {
        let text = format!("needle {}", "é".repeat(100_000));
        check("*needle*", &text, true);
        check("*needle*", &format!("{}needle", "x".repeat(10_000)), false);
    }

    proptest! {
        /// The same as trying every split.
        #[test]
        fn matches_what_the_plain_definition_matches(pattern in "[ab*]{1,8}", text in "[ab]{0,10}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|at| plain(rest, &text[at..])),
                    Some((byte, rest)) => text.split_first().is_some_and(|(first, left)| first == byte && plain(rest, left)),
                }
            }
            prop_assume!(pattern.bytes().any(|byte| byte != b'*'));
            let globs = Globs::new(std::slice::from_ref(&pattern)).unwrap();
            prop_assert_eq!(globs.match_any(Some(&text)), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
