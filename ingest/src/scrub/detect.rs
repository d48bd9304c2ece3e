//! Secrets in running text, by their shape and by the name in front of them.
//!
//! One automaton finds every word at which a secret could begin; what stands around it decides. A text without such a
//! word costs one pass. What is found is a range and a kind; nothing is replaced here.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::assigned;
use super::card;
use super::names::{self, NAME_BYTES_MAX};
use super::personal;
use super::tokens;

/// What a range of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The value of a name that promises a secret.
    Named,
    Card,
    PrivateKey,
    /// What follows `Bearer` or `Basic`, and `user:password` of a URL.
    Credentials,
    Jwt,
    /// A key of a known service.
    Token,
    Email,
    Ip,
    /// What the pattern of a project's rule matched, by the rule's index.
    Rule(usize),
}

impl What {
    /// The rule's name in a dry run.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Named => "name",
            Self::Card => "card",
            Self::PrivateKey => "private_key",
            Self::Credentials => "credentials",
            Self::Jwt => "jwt",
            Self::Token => "token",
            Self::Email => "email",
            Self::Ip => "ip",
            Self::Rule(_) => "rule",
        }
    }

    /// What is stored in the place of it.
    pub(super) fn replacement(self) -> &'static str {
        match self {
            Self::Named => "[scrubbed]",
            Self::Card => "[scrubbed:card]",
            Self::PrivateKey => "[scrubbed:private_key]",
            Self::Credentials => "[scrubbed:credentials]",
            Self::Jwt => "[scrubbed:jwt]",
            Self::Token => "[scrubbed:token]",
            Self::Email => "[scrubbed:email]",
            Self::Ip => "[scrubbed:ip]",
            Self::Rule(_) => "[scrubbed]",
        }
    }
}

/// A range of text that must not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) what: What,
}

/// Which detectors run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Detectors {
    pub(super) secrets: bool,
    pub(super) cards: bool,
    pub(super) emails: bool,
    pub(super) ips: bool,
}

impl Detectors {
    pub(super) fn any(self) -> bool {
        self.secrets || self.cards || self.emails || self.ips
    }
}

/// Parts of names; whether one is a secret's, [`names::is_secret`] says.
const NAMES: &[&str] = &[
    "pass",
    "pwd",
    "secret",
    "token",
    "auth",
    "cookie",
    "csrf",
    "xsrf",
    "sess",
    "sid",
    "cred",
    "ssn",
    "card",
    "cvv",
    "cvc",
    "jwt",
    "otp",
    "key",
    "cc_n",
    "cc-n",
    "ccn",
    "pw",
    "signature",
    "security",
];

/// Beginnings of secrets that have a shape.
const SHAPES: &[(&str, tokens::Reader)] = &[
    ("bearer", tokens::bearer),
    ("basic", tokens::basic),
    ("://", tokens::url_credentials),
    ("eyj", tokens::jwt),
    ("-----begin", tokens::pem),
    ("-----end", tokens::pem_end),
    ("akia", tokens::aws),
    ("asia", tokens::aws),
    ("ghp_", tokens::github),
    ("gho_", tokens::github),
    ("ghu_", tokens::github),
    ("ghs_", tokens::github),
    ("ghr_", tokens::github),
    ("github_pat_", tokens::long),
    ("glpat-", tokens::long),
    ("npm_", tokens::long),
    ("xoxb-", tokens::short),
    ("xoxp-", tokens::short),
    ("xoxa-", tokens::short),
    ("xoxr-", tokens::short),
    ("xoxs-", tokens::short),
    ("xapp-", tokens::short),
    ("hooks.slack.com/services/", tokens::slack_hook),
    ("sk_live_", tokens::short),
    ("sk_test_", tokens::short),
    ("rk_live_", tokens::short),
    ("rk_test_", tokens::short),
    ("whsec_", tokens::short),
    ("teph_", tokens::long),
    ("aiza", tokens::google),
    ("sk-", tokens::long),
    ("sg.", tokens::sendgrid),
];

/// The automata over all words, and over parts of names alone.
struct Words {
    automaton: AhoCorasick,
    names: AhoCorasick,
}

static WORDS: LazyLock<Option<Words>> = LazyLock::new(|| {
    let words: Vec<_> = SHAPES.iter().map(|(word, _)| *word).chain(NAMES.iter().copied()).collect();
    let build = |words: &[&str]| {
        AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(words).ok()
    };
    Some(Words { automaton: build(&words)?, names: build(&[NAMES, &["bearer"]].concat())? })
});

/// Whether a name holds a part that names of secrets have.
pub(super) fn may_name_a_secret(name: &str) -> bool {
    WORDS.as_ref().is_some_and(|words| words.names.is_match(name))
}

/// Builds the automaton; fails only where memory does.
pub(super) fn prepare() -> bool {
    WORDS.is_some()
}

/// Appends the ranges of `text` that the detectors object to, in order and apart from each other.
pub(super) fn scan(text: &str, detectors: Detectors, spans: &mut Vec<Span>) {
    let from = spans.len();
    if detectors.secrets
        && let Some(words) = &*WORDS
    {
        let mut done = 0;
        // All parts of one name lead to the same value.
        let mut named = 0;
        for hit in words.automaton.find_iter(text) {
            if hit.start() < done {
                continue;
            }
            let span = match SHAPES.get(hit.pattern().as_usize()) {
                Some((_, read)) => read(text, hit.start(), hit.end()),
                None if hit.start() < named => continue,
                None => {
                    let (span, end) = assigned::value(text, hit.start(), hit.end());
                    named = end;
                    span
                }
            };
            if let Some(span) = span.filter(|span| span.end > span.start) {
                // Only the end of a private key looks back.
                let span = Span { start: span.start.max(done), ..span };
                done = span.end;
                spans.push(span);
            }
        }
    }
    if detectors.cards {
        card::scan(text, |start, end| spans.push(Span { start, end, what: What::Card }));
    }
    if detectors.emails {
        personal::emails(text, |start, end| spans.push(Span { start, end, what: What::Email }));
    }
    if detectors.ips {
        personal::ips(text, |start, end| spans.push(Span { start, end, what: What::Ip }));
    }
    apart(spans, from);
}

/// Sorts the spans behind `from` and takes out what an earlier or wider one covers.
pub(super) fn apart(spans: &mut Vec<Span>, from: usize) {
    if spans.len() < from + 2 {
        return;
    }
    spans[from..].sort_by_key(|span| (span.start, usize::MAX - span.end));
    let mut kept = from;
    for index in from + 1..spans.len() {
        let span = spans[index];
        if span.start < spans[kept].end {
            // They overlap: one range, under the name of the first.
            spans[kept].end = spans[kept].end.max(span.end);
        } else {
            kept += 1;
            spans[kept] = span;
        }
    }
    spans.truncate(kept + 1);
}

/// Whether JSON text could hold a secret, so that it has to be read. Errs on the side of reading.
pub(super) fn is_suspicious(json: &str, detectors: Detectors) -> bool {
    if detectors.emails && memchr::memchr(b'@', json.as_bytes()).is_some() {
        return true;
    }
    if detectors.ips || has_odd_escapes(json) {
        return true;
    }
    if detectors.secrets
        && let Some(words) = &*WORDS
    {
        let mut named = 0;
        for hit in words.automaton.find_iter(json) {
            let suspicious = match SHAPES.get(hit.pattern().as_usize()) {
                Some((_, read)) => read(json, hit.start(), hit.end()).is_some(),
                None if hit.start() < named => continue,
                None => {
                    let (mut start, end) = assigned::name_around(json, hit.start(), hit.end());
                    named = end;
                    // The letter of an escape such as `\n` is none of the name's.
                    start += usize::from(start > 0 && json.as_bytes()[start - 1] == b'\\' && start < hit.start());
                    end - start > NAME_BYTES_MAX || names::is_secret(&json[start..end])
                }
            };
            if suspicious {
                return true;
            }
        }
    }
    let mut cards = false;
    if detectors.cards {
        card::scan(json, |_, _| cards = true);
    }
    cards
}

/// Escapes that could hide a word: `\u0070assword`, `https:\/\/`.
fn has_odd_escapes(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        at += found + 1;
        if matches!(bytes.get(at), Some(b'u' | b'/')) {
            return true;
        }
        at = (at + 1).min(bytes.len());
    }
    false
}
