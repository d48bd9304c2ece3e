//! What happens to a draft before it is cut and made an event: its secrets go, and its stack is read and grouped.
//!
//! Stacks are read once per request, however many events share them, and not even that where an earlier request had them.

use std::borrow::Cow;

use tephra_storage::Text;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128, xxh3_128_with_seed};

use super::Batch;
use super::known::KnownStacks;
use crate::conventions::Slot;
use crate::draft::{Draft, Shared};
use crate::error::Result;
use crate::group::{self, Columns, Stack};
use crate::moment::Moment;
use crate::text::trim_middle;
use crate::value::Value;

impl Batch<'_> {
    /// The stack of this text without its secrets, read once per request.
    pub(crate) fn stack(&mut self, trace: &str) -> Result<Stack> {
        let trace = trace.trim_end();
        let key = xxh3_128(trace.as_bytes());
        if let Some(known) = self.stacks.get(&key) {
            return Ok(known.clone());
        }
        let rules = self.receipt.rules;
        if trace.len() <= self.receipt.limits.stack_bytes_max
            && let Some(known) = KnownStacks::shared().get((rules.id, key), trace, None)
        {
            return self.read_once(key, known);
        }
        let came = trace;
        let trace: Cow<'_, str> = match memchr::memchr(b'\r', trace.as_bytes()) {
            None => trace.into(),
            Some(_) => trace.replace("\r\n", "\n").into(),
        };
        let (clean, scrubbed) = rules.scrubber.scrub_text("stack", &trace);
        self.decoded.scrubbed += u64::from(scrubbed.count);
        let trace = clean.map_or(trace, Cow::Owned);
        let trimmed = trim_middle(trace.trim_end(), self.receipt.limits.stack_bytes_max);
        if trimmed.is_empty() {
            return Ok(Stack::default());
        }
        self.charge(trimmed.len())?;
        let (hashes, culprit) = group::of_trace(&trimmed, &mut self.known_frames);
        let mut stack = Stack { text: Some(trimmed.into()), frames: None, culprit, hashes };
        self.group_by_rules(&mut stack, [None; 2]);
        // One that was changed or cut does not tell what it was read from.
        if scrubbed.count == 0 && stack.text.as_deref() == Some(came) {
            KnownStacks::shared().put((rules.id, key), &stack);
        }
        self.read_once(key, stack)
    }

    /// Remembers a clean stack for the rest of the request, by its text as it came and as it is.
    fn read_once(&mut self, key: u128, stack: Stack) -> Result<Stack> {
        self.charge(3 * size_of::<Stack>())?;
        self.cleaned.insert(addresses(&stack), (stack.clone(), stack.clone()));
        self.stacks.insert(key, stack.clone());
        Ok(stack)
    }

    /// Takes the secrets out of a draft, before anything is cut or grouped: half a secret is not known for one.
    pub(super) fn clean(&mut self, draft: &mut Draft<'_>, shared: &Shared) -> Result<()> {
        let (timestamp, original) = draft.moment.settle(self.receipt.received_at);
        if let Some(original) = original {
            draft.keep("original_timestamp", Value::Text(original));
            draft.moment = Moment::Micros(timestamp);
        }
        let stack = match (draft.stack.take(), draft.get(Slot::Stack)) {
            (Some(stack), _) => {
                let told = |slot: Slot| draft.get(slot).or(shared.get(slot).map(AsRef::as_ref));
                Some(self.clean_stack(stack, [told(Slot::Platform), told(Slot::SdkName)])?)
            }
            (None, Some(trace)) if !trace.trim_end().is_empty() => Some(self.stack(trace)?),
            _ => None,
        };
        // Its text is clean already, and shared.
        draft.replace(Slot::Stack, None);
        draft.stack = stack;
        let scrubbed = self.receipt.rules.scrubber.scrub_draft(draft);
        self.decoded.scrubbed += u64::from(scrubbed.count) + u64::from(shared.scrubbed);
        Ok(())
    }

    /// The same for a stack that was made before, once for all events that share it.
    fn clean_stack(&mut self, stack: Stack, [platform, sdk]: [Option<&str>; 2]) -> Result<Stack> {
        if stack.text.is_none() && stack.frames.is_none() {
            return Ok(stack);
        }
        let key = addresses(&stack);
        if let Some((_, cleaned)) = self.cleaned.get(&key) {
            return Ok(cleaned.clone());
        }
        let known = known_key(&stack, [platform, sdk]);
        let (changed, scrubbed) = self.receipt.rules.scrubber.scrub_stack(&stack);
        self.decoded.scrubbed += u64::from(scrubbed.count);
        let mut cleaned = stack.clone();
        if let Some(changed) = changed {
            self.charge(changed.text.as_ref().map_or(0, |t| t.len()) + changed.frames.as_ref().map_or(0, |t| t.len()))?;
            cleaned = changed;
            self.group_again(&mut cleaned, [platform, sdk]);
        } else {
            self.group_by_rules(&mut cleaned, [platform, sdk]);
            KnownStacks::shared().put((self.receipt.rules.id, known), &cleaned);
        }
        self.charge(2 * size_of::<Stack>())?;
        self.cleaned.insert(key, (stack, cleaned.clone()));
        Ok(cleaned)
    }

    /// The stack with these columns, cleaned and grouped, if an earlier request had it.
    pub(crate) fn known_stack(
        &mut self,
        text: &str,
        frames: Option<&str>,
        runtime: [Option<&str>; 2],
    ) -> Result<Option<Stack>> {
        let key = known_key_of(Some(text), frames, runtime);
        let known = KnownStacks::shared().get((self.receipt.rules.id, key), text, frames);
        let Some(stack) = known else { return Ok(None) };
        self.charge(2 * size_of::<Stack>())?;
        self.cleaned.insert(addresses(&stack), (stack.clone(), stack.clone()));
        Ok(Some(stack))
    }

    /// Groups a stack once more if the project has rules for frames.
    fn group_by_rules(&mut self, stack: &mut Stack, runtime: [Option<&str>; 2]) {
        if self.receipt.rules.grouping.has_stack_rules() {
            self.group_again(stack, runtime);
        }
    }

    fn group_again(&mut self, stack: &mut Stack, [platform, sdk]: [Option<&str>; 2]) {
        let rules = &self.receipt.rules.grouping;
        let columns = Columns { text: stack.text.as_deref(), frames: stack.frames.as_deref(), platform, sdk };
        let (hashes, culprit) = columns.visit(|thrown| {
            rules.apply_to(thrown);
            group::of_chain(thrown, &mut self.known_frames)
        });
        stack.hashes = hashes;
        stack.culprit = culprit;
    }
}

fn addresses(stack: &Stack) -> [usize; 2] {
    [&stack.text, &stack.frames].map(|text: &Option<Text>| text.as_ref().map_or(0, |text| text.as_ptr().addr()))
}

fn known_key(stack: &Stack, runtime: [Option<&str>; 2]) -> u128 {
    known_key_of(stack.text.as_deref(), stack.frames.as_deref(), runtime)
}

/// By everything that the hashes of a stack depend on.
fn known_key_of(text: Option<&str>, frames: Option<&str>, runtime: [Option<&str>; 2]) -> u128 {
    let parts = [frames, runtime[0], runtime[1]];
    let seed = parts.iter().fold(1, |seed, part| xxh3_64_with_seed(part.unwrap_or_default().as_bytes(), seed));
    xxh3_128_with_seed(text.unwrap_or_default().as_bytes(), seed)
}
