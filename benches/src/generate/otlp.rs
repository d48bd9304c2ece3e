//! OTLP `ExportLogsServiceRequest`s as a collector sends them: one resource per service of the batch.
//!
//! Tags travel under names that begin with `tag.`, so that all protocols store the same event.

use std::sync::Arc;

use super::template::{write_message, write_user};
use super::wire::{attribute, bytes, fixed, header, number, varint_length};
use super::{DataSet, Draw, ENVIRONMENTS, LEVELS, REGIONS, Service, Size, TIERS, VARIANTS, large};

/// OpenTelemetry's severity numbers in the order of [`LEVELS`].
const SEVERITIES: [u64; 4] = [17, 13, 21, 9];

/// Writes batches of one data set.
#[derive(Debug)]
pub struct OtlpEncoder {
    data: Arc<DataSet>,
    /// By service: its resource.
    resources: Vec<Vec<u8>>,
    /// By group: the attributes that all its records share.
    groups: Vec<Vec<u8>>,
    /// By group and variant: the stack trace as an attribute.
    stacks: Vec<Vec<u8>>,
    /// The attributes that differ from event to event, in all combinations.
    tags: Vec<Vec<u8>>,
    /// Whether records carry `log.record.uid`.
    uids: bool,
}

/// What one sender reuses from batch to batch.
#[derive(Debug, Default)]
pub struct OtlpScratch {
    order: Vec<u32>,
    record: Vec<u8>,
    text: Vec<u8>,
    records: Vec<u8>,
}

impl OtlpEncoder {
    /// Renders what groups share; some 40 MB. With `uids` records carry `log.record.uid`, by which the server knows
    /// duplicates.
    pub fn new(data: &Arc<DataSet>, uids: bool) -> Self {
        let groups = data.catalog.groups.iter().map(|group| {
            let mut out = Vec::new();
            attribute(6, "exception.type", group.exception_type.as_bytes(), &mut out);
            attribute(6, "exception.message", group.exception_value.as_bytes(), &mut out);
            attribute(6, "code.function.name", group.culprit.as_bytes(), &mut out);
            attribute(6, "sentry.message.template", group.template.as_bytes(), &mut out);
            group
                .tags
                .iter()
                .for_each(|(name, value)| attribute(6, &format!("tag.{name}"), value.as_bytes(), &mut out));
            out
        });
        let stacks = data.catalog.groups.iter().flat_map(|group| &group.stacks).map(|stack| {
            let mut out = Vec::new();
            attribute(6, "exception.stacktrace", stack.text.as_bytes(), &mut out);
            out
        });
        let tags = (0..REGIONS.len() * TIERS.len() * 2).map(|n| {
            let mut out = Vec::new();
            attribute(6, "tag.region", REGIONS[n / 2 / TIERS.len()].as_bytes(), &mut out);
            attribute(6, "tag.customer_tier", TIERS[n / 2 % TIERS.len()].as_bytes(), &mut out);
            attribute(6, "tag.canary", if n % 2 == 1 { b"true" } else { b"false" }, &mut out);
            out
        });
        let resources = data.catalog.services.iter().map(resource).collect();
        Self {
            groups: groups.collect(),
            stacks: stacks.collect(),
            tags: tags.collect(),
            resources,
            data: data.clone(),
            uids,
        }
    }

    /// Appends one request with the events of `draws`.
    pub fn encode(&self, draws: &[Draw], scratch: &mut OtlpScratch, out: &mut Vec<u8>) {
        scratch.order.clear();
        scratch.order.extend(0..draws.len() as u32);
        let service_of = |at: &u32| self.data.group(&draws[*at as usize]).service;
        scratch.order.sort_by_key(service_of);
        let order = std::mem::take(&mut scratch.order);
        for run in order.chunk_by(|a, b| service_of(a) == service_of(b)) {
            let service = service_of(&run[0]) as usize;
            scratch.records.clear();
            for at in run {
                self.record(&draws[*at as usize], scratch);
                bytes(2, &scratch.record, &mut scratch.records);
            }
            let logger = &self.data.catalog.services[service].logger;
            let mut scope = Vec::with_capacity(32);
            bytes(1, logger.as_bytes(), &mut scope);
            let scope_logs = 1 + varint_length(scope.len()) + scope.len() + scratch.records.len();
            let resource = &self.resources[service];
            header(1, resource.len() + 1 + varint_length(scope_logs) + scope_logs, out);
            out.extend_from_slice(resource);
            header(2, scope_logs, out);
            bytes(1, &scope, out);
            out.extend_from_slice(&scratch.records);
        }
        scratch.order = order;
    }

    fn record(&self, draw: &Draw, scratch: &mut OtlpScratch) {
        let (group, service) = (self.data.group(draw), self.data.service(draw));
        let (out, text) = (&mut scratch.record, &mut scratch.text);
        out.clear();
        fixed(1, draw.timestamp_us as u64 * 1_000, out);
        fixed(11, draw.timestamp_us as u64 * 1_000, out);
        number(2, SEVERITIES[draw.level as usize], out);
        bytes(3, LEVELS[draw.level as usize].as_bytes(), out);
        text.clear();
        write_message(&group.message, draw, text);
        header(5, 1 + varint_length(text.len()) + text.len(), out);
        bytes(1, text, out);
        out.extend_from_slice(&self.groups[draw.group as usize]);
        let variant = draw.variant as usize;
        if draw.is_rare() {
            attribute(6, "exception.stacktrace", group.stacks[variant].rare().as_bytes(), out);
        } else {
            out.extend_from_slice(&self.stacks[draw.group as usize * VARIANTS + variant]);
        }
        attribute(6, "deployment.environment.name", ENVIRONMENTS[draw.environment as usize].as_bytes(), out);
        attribute(6, "service.version", service.releases[draw.release as usize].as_bytes(), out);
        attribute(6, "host.name", service.hosts[draw.host as usize].as_bytes(), out);
        text.clear();
        write_user(draw.user, text);
        attribute(6, "user.id", text, out);
        let tags = (draw.region as usize * TIERS.len() + draw.tier as usize) * 2 + usize::from(draw.canary);
        out.extend_from_slice(&self.tags[tags]);
        if self.uids {
            let uid = uuid::Uuid::from_bytes(draw.event_id).simple().to_string();
            attribute(6, "log.record.uid", uid.as_bytes(), out);
        }
        if self.data.settings.size == Size::Large {
            for (n, (name, template)) in large::COLUMNS.iter().zip(&group.large).enumerate() {
                text.clear();
                template.render(draw, 100 * (n as u64 + 1), text);
                attribute(6, name, text, out);
            }
        }
        bytes(9, &draw.trace_id, out);
        bytes(10, &draw.span_id, out);
    }
}

/// Fields 1 of `ResourceLogs`.
fn resource(service: &Service) -> Vec<u8> {
    let mut attributes = Vec::new();
    for (key, value) in [
        ("service.name", service.name.as_str()),
        ("telemetry.sdk.name", "tephra.bench"),
        ("telemetry.sdk.version", "1.0.0"),
        ("telemetry.sdk.language", service.language.platform()),
    ] {
        attribute(1, key, value.as_bytes(), &mut attributes);
    }
    let mut out = Vec::new();
    bytes(1, &attributes, &mut out);
    out
}
