//! Cuts words and tags to their bounds.

use std::borrow::Cow;

use super::WORD_BYTES_MAX;
use crate::conventions::Slot;
use crate::draft::Draft;
use crate::normalize::fit;
use crate::text::trim_middle;
use crate::value::{Pairs, Value};

/// Bytes of a tag's name.
const TAG_NAME_BYTES_MAX: usize = 200;

/// Cuts a text.
pub(super) fn bound(text: &mut Cow<'_, str>, bytes_max: usize) {
    if text.len() > bytes_max {
        *text = trim_middle(text, bytes_max).into_owned().into();
    }
}

/// Cuts each column that holds a word.
pub(super) fn bound_words(draft: &mut Draft<'_>) {
    const WORDS: [Slot; 15] = [
        Slot::Platform,
        Slot::Logger,
        Slot::ExceptionType,
        Slot::Culprit,
        Slot::Environment,
        Slot::Release,
        Slot::Dist,
        Slot::Service,
        Slot::ServerName,
        Slot::UserId,
        Slot::UserEmail,
        Slot::UserIp,
        Slot::SessionId,
        Slot::SdkName,
        Slot::SdkVersion,
    ];
    for slot in WORDS {
        if let Some(long) = draft.get(slot).filter(|text| text.len() > WORD_BYTES_MAX) {
            let short = trim_middle(long, WORD_BYTES_MAX).into_owned();
            draft.set(slot, short.into());
        }
    }
}

/// Keeps the first tags that fit; the others are kept beside, as far as there is room.
pub(super) fn bound_tags<'a>(draft: &mut Draft<'a>, count_max: usize, bytes_max: usize) {
    let mut left = bytes_max;
    let mut fitting = 0;
    for (name, value) in &mut draft.tags {
        bound(name, TAG_NAME_BYTES_MAX);
        bound(value, WORD_BYTES_MAX);
        match left.checked_sub(name.len() + value.len() + 32).filter(|_| fitting < count_max) {
            Some(rest) => left = rest,
            None => break,
        }
        fitting += 1;
    }
    if fitting < draft.tags.len() {
        let surplus: Pairs<'a> = draft.tags.drain(fitting..).map(|(name, value)| (name, Value::Text(value))).collect();
        draft.keep("tags", fit(Value::Map(surplus), bytes_max / 2));
    }
}
