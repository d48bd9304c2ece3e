//! Numbers of payment cards: 13 to 19 digits of a known network that pass Luhn's check.
//!
//! Every card number covers a byte at each multiple of twelve, so that only every twelfth byte of a text is looked at
//! until a digit, a space or a dash turns up there.

/// The fewest digits of a card.
const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
const STRIDE: usize = DIGITS_MIN - 1;

/// Calls `found` with the range of each card number, in order.
pub(super) fn scan(text: &str, mut found: impl FnMut(usize, usize)) {
    let bytes = text.as_bytes();
    let mut at = STRIDE;
    let mut done = 0;
    while at < bytes.len() {
        if !may_belong(bytes, at) {
            at += STRIDE;
            continue;
        }
        let mut start = at;
        while start > done && may_belong(bytes, start - 1) {
            start -= 1;
        }
        let mut end = at + 1;
        while end < bytes.len() && may_belong(bytes, end) {
            end += 1;
        }
        cards(bytes, start, end, &mut found);
        done = end;
        at = end + STRIDE;
    }
}

/// A digit, or a separator between two digits.
fn may_belong(bytes: &[u8], at: usize) -> bool {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    match bytes[at] {
        b'0'..=b'9' => true,
        b' ' | b'-' => at > 0 && is_digit(at - 1) && is_digit(at + 1),
        _ => false,
    }
}

/// Looks through a run of digits and separators: for its whole, and for its words where spaces part them.
fn cards(bytes: &[u8], start: usize, end: usize, found: &mut impl FnMut(usize, usize)) {
    if end - start < DIGITS_MIN || is_glued(bytes, start, end) {
        return;
    }
    if is_card(&bytes[start..end]) {
        return found(start, end);
    }
    // A card beside other numbers: a word alone, or three to five words in a row.
    let mut from = start;
    while from < end {
        let mut ends = [end; 5];
        let mut count = 0;
        let mut at = from;
        while at < end && count < ends.len() {
            ends[count] = memchr::memchr(b' ', &bytes[at..end]).map_or(end, |length| at + length);
            at = ends[count] + 1;
            count += 1;
        }
        let fits = |taken: &usize| *taken <= count && is_card(&bytes[from..ends[taken - 1]]);
        let taken = [1, 3, 4, 5].into_iter().find(fits);
        if let Some(taken) = taken {
            found(from, ends[taken - 1]);
        }
        from = ends[taken.unwrap_or(1) - 1] + 1;
    }
}

/// Part of a word, an id, a version or a fraction.
fn is_glued(bytes: &[u8], start: usize, end: usize) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let before = |back: usize| start.checked_sub(back).map_or(b' ', |at| bytes[at]);
    let after = |ahead: usize| bytes.get(end + ahead).copied().unwrap_or(b' ');
    word(before(1))
        || word(after(0))
        || (matches!(before(1), b'-' | b'.' | b'+' | b'#') && (word(before(2)) || before(1) == b'#'))
        || (matches!(after(0), b'-' | b'.' | b':') && word(after(1)))
}

fn is_card(text: &[u8]) -> bool {
    let mut digits = [0u8; DIGITS_MAX];
    let mut count = 0;
    let mut groups = [0usize; 5];
    let mut group = 0;
    let mut separator = None;
    for &byte in text {
        if byte.is_ascii_digit() {
            let Some(place) = digits.get_mut(count) else { return false };
            *place = byte - b'0';
            count += 1;
            groups[group] += 1;
        } else {
            if *separator.get_or_insert(byte) != byte || group + 1 == groups.len() {
                return false;
            }
            group += 1;
        }
    }
    let grouped =
        matches!((group, groups), (0, _) | (3, [4, 4, 4, 4, _]) | (2, [4, 6, 5 | 4, ..]) | (4, [4, 4, 4, 4, 3]));
    grouped && is_issued(&digits[..count]) && luhn(&digits[..count])
}

/// Whether a network gives numbers of this beginning and length.
fn is_issued(digits: &[u8]) -> bool {
    if digits.len() < DIGITS_MIN || digits.iter().all(|digit| *digit == digits[0]) {
        return false;
    }
    let head = digits[..4].iter().fold(0u32, |number, digit| number * 10 + u32::from(*digit));
    match digits.len() {
        13 | 19 if head / 1000 == 4 => true,
        14 => matches!(head / 10, 300..=305) || matches!(head / 100, 36 | 38 | 39),
        15 => matches!(head / 100, 34 | 37),
        16 => {
            matches!(head, 2221..=2720 | 3528..=3589 | 6011)
                || matches!(head / 10, 644..=649)
                || matches!(head / 100, 50..=58 | 62 | 65 | 67)
                || head / 1000 == 4
        }
        17..=19 => matches!(head, 6011 | 5018 | 5020 | 5038 | 5893 | 6304) || matches!(head / 100, 62 | 65),
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let digit = u32::from(*digit) << (index % 2);
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut cards = Vec::new();
        scan(text, |start, end| cards.push(&text[start..end]));
        assert_eq!(cards, expected, "{text}");
    }

    #[test]
    fn finds_cards() {
        check("4111111111111111", &["4111111111111111"]);
        check("paid with 4111 1111 1111 1111.", &["4111 1111 1111 1111"]);
        check("5500-0000-0000-0004,378282246310005", &["5500-0000-0000-0004", "378282246310005"]);
        check("amex 3782 822463 10005 in 3 parts", &["3782 822463 10005"]);
        check("order 17 4111111111111111 12", &["4111111111111111"]);
        check("17 4111 1111 1111 1111 12", &["4111 1111 1111 1111"]);
        check(
            "30569309025904 6011111111111117 3530111333300000",
            &["30569309025904", "6011111111111117", "3530111333300000"],
        );
        check("card=4012888888881881&x=1", &["4012888888881881"]);
        check("ä4222222222222ä", &["4222222222222"]);
        check(&format!("{}4111111111111111", "12 ".repeat(200)), &["4111111111111111"]);
    }

    #[test]
    fn leaves_other_numbers() {
        for text in [
            "",
            "4111111111111112",
            "1760000000000000",
            "x4111111111111111",
            "4111111111111111f",
            "41111111111111110000",
            "0000000000000000",
            "2026-11-21 14:06:35",
            "4111-1111 1111-1111",
            "41 11 11 11 11 11 11 11",
            "9.4111111111111111",
            "a1b2c3d4-4111-1111-1111-111111111111",
            "v-4111111111111111",
            "4111111111111111.5",
            "#4111111111111111",
            "4111111111111111:80",
            "1.4111111111111111",
            "123456789012",
        ] {
            check(text, &[]);
        }
    }
}
