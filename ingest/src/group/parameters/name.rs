//! Names that a program or a person made up once: hashes, ids, identities, pods.

use super::{is_word, run_end, uuid_end};

/// The letters of which Kubernetes makes names: no vowels, so that no words come of it.
const POD: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// What a word without signs is: a hash, a hexadecimal number, or another id.
pub(super) fn id(word: &[u8]) -> Option<&'static str> {
    if let Some(digits) = word.strip_prefix(b"0x").or_else(|| word.strip_prefix(b"0X")) {
        return (!digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit)).then_some("<hex>");
    }
    if word.len() < 7 {
        return None;
    }
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hex = word.iter().all(u8::is_ascii_hexdigit);
    match word.len() {
        32 | 40 | 56 | 64 | 128 if hex => Some("<hash>"),
        7 => (hex && (2..7).contains(&digits)).then_some("<hex>"),
        _ if hex && digits > 0 && digits < word.len() => Some("<hex>"),
        20.. if digits >= 3 && digits < word.len() => Some("<id>"),
        _ => None,
    }
}

/// `1b6d3586` of Java's `Foo@1b6d3586`.
pub(super) fn identity(word: &[u8]) -> Option<&'static str> {
    let hex = word.iter().all(u8::is_ascii_hexdigit) && word.iter().any(u8::is_ascii_digit);
    (hex && (3..=16).contains(&word.len())).then_some("<hex>")
}

/// Whether letters and digits mix as in no word: `a1b2c3`, `NffrFeUfNV2Hib`, but not `utf8`, `OAuth2Token` and `1920x1080`.
pub(super) fn is_mixed(word: &[u8]) -> bool {
    let (mut parts, mut numbers, mut letters, mut lower, mut upper) = (0usize, 0usize, 0usize, false, false);
    let mut before = 0u8;
    for &byte in word {
        let class = class(byte);
        // A capital begins a part, and so does what is unlike the sign before it.
        let begins = before != class && (before, class) != (b'A', b'a');
        parts += usize::from(begins);
        numbers += usize::from(begins && class == b'0');
        letters += usize::from(class != b'0');
        (lower, upper) = (lower || class == b'a', upper || class == b'A');
        before = class;
    }
    let size = numbers == 2 && word.iter().filter(|byte| !byte.is_ascii_digit()).eq([&b'x']);
    // What people name so has longer words: `Log4j2Plugin`, `HTTP2Stream1`.
    let alternates = word.len() >= 6 && numbers >= 2 && parts >= 4 && letters <= 3 * (parts - numbers) && !size;
    let random = word.len() >= 10 && numbers >= 1 && lower && upper && parts * 25 >= word.len() * 10;
    alternates || random
}

fn class(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => b'0',
        b'A'..=b'Z' => b'A',
        _ => b'a',
    }
}

/// What follows an underscore: `user_67e55044-10b1-…`, `cus_NffrFeUfNV2Hib`, `cart_12345`.
pub(super) fn behind_underscore(bytes: &[u8], at: usize) -> Option<(&'static str, usize)> {
    if let Some(end) = uuid_end(bytes, at) {
        return Some(("<uuid>", end));
    }
    let end = run_end(bytes, at, |byte| byte.is_ascii_alphanumeric());
    let word = &bytes[at..end];
    if let Some(name) = id(word) {
        return Some((name, end));
    }
    if is_mixed(word) {
        return Some(("<id>", end));
    }
    bytes[at].is_ascii_digit().then(|| ("<n>", super::number::end(bytes, at)))
}

/// `7d9f8b6c5d-x2x4z` of a pod's name.
pub(super) fn pod(bytes: &[u8], at: usize) -> Option<usize> {
    let run = |at: usize| run_end(bytes, at, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let hash = run(at);
    let end = (bytes.get(hash) == Some(&b'-')).then(|| run(hash + 1))?;
    let whole = !bytes.get(end).is_some_and(|byte| is_word(*byte) || *byte == b'-');
    let digits = bytes[at..hash].iter().filter(|byte| byte.is_ascii_digit()).count();
    // The letters of Kubernetes, or a hash that is no word and no number.
    let of_pods = bytes[at..hash].iter().chain(&bytes[hash + 1..end]).all(|byte| POD.contains(byte)) && digits > 0;
    let made_up = hash - at >= 8 && (2..hash - at).contains(&digits);
    let fits = (6..=10).contains(&(hash - at)) && end - hash == 6 && (of_pods || made_up);
    (fits && whole).then_some(end)
}
