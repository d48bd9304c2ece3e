//! Batches of the native protocol, `tephra.v1.AppendRequest`: each stack once per batch.

use std::sync::Arc;

use super::template::{write_message, write_user};
use super::wire::{bytes, header, number, tag};
use super::{DataSet, Draw, ENVIRONMENTS, GROUPS, REGIONS, Size, TIERS, VARIANTS, large};

/// `Level` in the order of [`super::LEVELS`].
const LEVELS: [u64; 4] = [5, 4, 6, 3];

/// Writes batches of one data set.
#[derive(Debug)]
pub struct NativeEncoder {
    data: Arc<DataSet>,
    /// By group: the fields that all its events share.
    groups: Vec<Vec<u8>>,
    /// By service: the parts of an event's resource that its events share.
    services: Vec<Vec<u8>>,
    /// The tags that differ from event to event, in all combinations.
    tags: Vec<Vec<u8>>,
}

/// What one sender reuses from batch to batch.
#[derive(Debug)]
pub struct NativeScratch {
    event: Vec<u8>,
    text: Vec<u8>,
    events: Vec<u8>,
    /// By group and variant: the number of the batch that holds the stack, and where in its table.
    slots: Vec<(u64, u32)>,
    batches: u64,
}

impl Default for NativeScratch {
    fn default() -> Self {
        let slots = vec![(0, 0); GROUPS * VARIANTS];
        Self { event: Vec::new(), text: Vec::new(), events: Vec::new(), slots, batches: 0 }
    }
}

impl NativeEncoder {
    /// Renders what groups share.
    pub fn new(data: &Arc<DataSet>) -> Self {
        let groups = data.catalog.groups.iter().map(|group| {
            let service = &data.catalog.services[group.service as usize];
            let mut out = Vec::new();
            bytes(4, service.logger.as_bytes(), &mut out);
            bytes(6, group.template.as_bytes(), &mut out);
            bytes(7, group.exception_type.as_bytes(), &mut out);
            bytes(8, group.exception_value.as_bytes(), &mut out);
            number(9, 0, &mut out);
            bytes(11, group.culprit.as_bytes(), &mut out);
            group.tags.iter().for_each(|(name, value)| tag(18, name, value, &mut out));
            out
        });
        let services = data.catalog.services.iter().map(|service| {
            let mut out = Vec::new();
            bytes(1, service.name.as_bytes(), &mut out);
            bytes(6, service.language.platform().as_bytes(), &mut out);
            out
        });
        let tags = (0..REGIONS.len() * TIERS.len() * 2).map(|n| {
            let mut out = Vec::new();
            tag(18, "region", REGIONS[n / 2 / TIERS.len()], &mut out);
            tag(18, "customer_tier", TIERS[n / 2 % TIERS.len()], &mut out);
            tag(18, "canary", if n % 2 == 1 { "true" } else { "false" }, &mut out);
            out
        });
        Self { groups: groups.collect(), services: services.collect(), tags: tags.collect(), data: data.clone() }
    }

    /// Appends one request with the events of `draws`.
    pub fn encode(&self, batch_id: u64, draws: &[Draw], scratch: &mut NativeScratch, out: &mut Vec<u8>) {
        number(1, batch_id, out);
        let mut resource = Vec::new();
        bytes(7, b"tephra.bench", &mut resource);
        bytes(8, b"1.0.0", &mut resource);
        bytes(2, &resource, out);
        scratch.events.clear();
        scratch.batches += 1;
        let mut stacks = 0;
        for draw in draws {
            let slot = self.stack(draw, &mut stacks, scratch, out);
            self.event(draw, slot, scratch);
            bytes(4, &scratch.event, &mut scratch.events);
        }
        out.extend_from_slice(&scratch.events);
    }

    /// The index of the event's stack plus 1; appends the stack where the batch does not hold it yet.
    fn stack(&self, draw: &Draw, stacks: &mut u32, scratch: &mut NativeScratch, out: &mut Vec<u8>) -> u32 {
        let stack = &self.data.group(draw).stacks[draw.variant as usize];
        let slot = &mut scratch.slots[draw.group as usize * VARIANTS + draw.variant as usize];
        if !draw.is_rare() && slot.0 == scratch.batches {
            return slot.1;
        }
        *stacks += 1;
        scratch.event.clear();
        if draw.is_rare() {
            bytes(1, stack.rare().as_bytes(), &mut scratch.event);
        } else {
            *slot = (scratch.batches, *stacks);
            bytes(1, stack.text.as_bytes(), &mut scratch.event);
        }
        bytes(3, &scratch.event, out);
        *stacks
    }

    fn event(&self, draw: &Draw, stack: u32, scratch: &mut NativeScratch) {
        let (group, service) = (self.data.group(draw), self.data.service(draw));
        let (out, text) = (&mut scratch.event, &mut scratch.text);
        out.clear();
        bytes(1, &draw.event_id, out);
        number(2, draw.timestamp_us as u64, out);
        number(3, LEVELS[draw.level as usize], out);
        text.clear();
        write_message(&group.message, draw, text);
        bytes(5, text, out);
        out.extend_from_slice(&self.groups[draw.group as usize]);
        number(10, u64::from(stack), out);
        text.clear();
        write_user(draw.user, text);
        bytes(12, text, out);
        bytes(16, &draw.trace_id, out);
        bytes(17, &draw.span_id, out);
        let tags = (draw.region as usize * TIERS.len() + draw.tier as usize) * 2 + usize::from(draw.canary);
        out.extend_from_slice(&self.tags[tags]);
        if self.data.settings.size == Size::Large {
            text.clear();
            for (n, (name, template)) in large::COLUMNS.iter().zip(&group.large).enumerate() {
                text.extend_from_slice(if n == 0 { b"{\"" } else { b",\"" });
                text.extend_from_slice(name.as_bytes());
                text.extend_from_slice(b"\":");
                template.render(draw, 100 * (n as u64 + 1), text);
            }
            text.push(b'}');
            bytes(19, text, out);
        }
        let shared = &self.services[group.service as usize];
        let (environment, release) =
            (ENVIRONMENTS[draw.environment as usize], &service.releases[draw.release as usize]);
        let host = &service.hosts[draw.host as usize];
        // Three short strings, each with a tag and a length of one byte.
        header(21, shared.len() + environment.len() + release.len() + host.len() + 6, out);
        out.extend_from_slice(shared);
        bytes(2, environment.as_bytes(), out);
        bytes(3, release.as_bytes(), out);
        bytes(5, host.as_bytes(), out);
    }
}
