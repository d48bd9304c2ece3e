//! Cuts words and tags to their bounds.

use std::borrow::Cow;

use super::WORD_BYTES_MAX;
use crate::conventions::Slot;
use crate::draft::Draft;
use crate::normalize::Cutter;
use crate::text::trim_middle;
use crate::value::{Pairs, Value};

/// Bytes of a tag's name.
const TAG_NAME_BYTES_MAX: usize = 200;

/// Cuts a text.
pub(super) fn bound(text: &mut Cow<'_, str>, path: &[&str], bytes_max: usize, cutter: Cutter<'_>) {
    if text.len() > bytes_max {
        *text = cutter.text(path, std::mem::take(text), bytes_max);
    }
}

/// Cuts each column that holds a word.
pub(super) fn bound_words(draft: &mut Draft<'_>, cutter: Cutter<'_>) {
    const WORDS: [(Slot, &str); 15] = [
        (Slot::Platform, "platform"),
        (Slot::Logger, "logger"),
        (Slot::ExceptionType, "exception_type"),
        (Slot::Culprit, "culprit"),
        (Slot::Environment, "environment"),
        (Slot::Release, "release"),
        (Slot::Dist, "dist"),
        (Slot::Service, "service"),
        (Slot::ServerName, "server_name"),
        (Slot::UserId, "user_id"),
        (Slot::UserEmail, "user_email"),
        (Slot::UserIp, "user_ip"),
        (Slot::SessionId, "session_id"),
        (Slot::SdkName, "sdk_name"),
        (Slot::SdkVersion, "sdk_version"),
    ];
    for (slot, name) in WORDS {
        if let Some(long) = draft.get(slot).filter(|text| text.len() > WORD_BYTES_MAX) {
            let short = cutter.text(&[name], long.into(), WORD_BYTES_MAX).into_owned();
            draft.set(slot, short.into());
        }
    }
}

/// Keeps the first tags that fit; the others are kept beside, as far as there is room.
pub(super) fn bound_tags<'a>(draft: &mut Draft<'a>, count_max: usize, bytes_max: usize, cutter: Cutter<'_>) {
    let mut left = bytes_max;
    let mut fitting = 0;
    for (name, value) in &mut draft.tags {
        if name.len() > TAG_NAME_BYTES_MAX || value.len() > WORD_BYTES_MAX {
            // Under its whole name, which may say that it is a secret.
            let clean = cutter.clean(&["tags", name], std::mem::take(value));
            *value = trim_middle(&clean, WORD_BYTES_MAX).into_owned().into();
            *name = trim_middle(name, TAG_NAME_BYTES_MAX).into_owned().into();
        }
        match left.checked_sub(name.len() + value.len() + 32).filter(|_| fitting < count_max) {
            Some(rest) => left = rest,
            None => break,
        }
        fitting += 1;
    }
    if fitting < draft.tags.len() {
        let surplus: Pairs<'a> = draft.tags.drain(fitting..).map(|(name, value)| (name, Value::Text(value))).collect();
        draft.keep("tags", cutter.fit(&["tags"], Value::Map(surplus), bytes_max / 2));
    }
}
