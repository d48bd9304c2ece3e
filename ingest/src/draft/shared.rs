//! What many events have in common: said once by their batch, resource or scope, and made ready once for all of them.

use std::sync::Arc;

use tephra_storage::Text;

use super::Draft;
use super::names::Names;
use crate::conventions::Slot;
use crate::json;
use crate::scrub::Scrubber;

/// What a batch, resource or scope says for all its events, ready to be shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    texts: [Option<Text>; Slot::COUNT],
    pub(crate) tags: Vec<(Text, Text)>,
    pub(crate) rest: Arc<Rest>,
    /// How many values were replaced here and in wider circles.
    pub(crate) scrubbed: u32,
}

/// Shared attributes: each as `"name":value`, and all of them as one object.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    pub(crate) pairs: Vec<(Text, Text)>,
    pub(crate) object: Option<Text>,
}

impl Shared {
    /// What `draft` says without its secrets, on top of what holds for a wider circle.
    pub(crate) fn new(mut draft: Draft<'_>, wider: &Self, scrubber: &Scrubber) -> Self {
        draft.settle();
        let scrubbed = wider.scrubbed.saturating_add(scrubber.scrub_draft(&mut draft).count);
        let mut texts = wider.texts.clone();
        for (text, own) in texts.iter_mut().zip(&draft.texts) {
            if let Some(own) = own {
                *text = Some(own.as_ref().into());
            }
        }
        let mut tags: Vec<(Text, Text)> =
            draft.tags.iter().map(|(n, v)| (n.as_ref().into(), v.as_ref().into())).collect();
        let own = Names::new(draft.tags.iter().map(|(name, _)| name.as_ref()));
        tags.extend(wider.tags.iter().filter(|(name, _)| !own.contains(name)).cloned());
        // Sorted stably, the last of a name in front.
        tags.reverse();
        tags.sort_by(|(a, _), (b, _)| a.cmp(b));
        tags.dedup_by(|(later, _), (kept, _)| later == kept);
        if draft.rest.is_empty() {
            return Self { texts, tags, rest: Arc::clone(&wider.rest), scrubbed };
        }
        let mut pairs: Vec<(Text, Text)> = Vec::with_capacity(draft.rest.len() + wider.rest.pairs.len());
        for (name, value) in &draft.rest {
            let mut pair = String::new();
            json::write_pair(&mut pair, name, value);
            pairs.push((name.as_ref().into(), pair.into()));
        }
        let own = Names::new(draft.rest.iter().map(|(name, _)| name.as_ref()));
        pairs.extend(wider.rest.pairs.iter().filter(|(name, _)| !own.contains(name)).cloned());
        let mut object = String::from("{");
        for (index, (_, pair)) in pairs.iter().enumerate() {
            object.push_str(if index > 0 { "," } else { "" });
            object.push_str(pair);
        }
        object.push('}');
        Self { texts, tags, rest: Arc::new(Rest { pairs, object: Some(object.into()) }), scrubbed }
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Text> {
        self.texts[slot as usize].as_ref()
    }

    /// What making this cost, for the bound on a request's memory.
    pub(crate) fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().flatten().map(|text| text.len()).sum();
        let tags: usize = self.tags.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        size_of::<Self>() + texts + tags + 2 * self.rest.object.as_ref().map_or(0, |object| object.len())
    }
}
