//! What every fuzz target asks of what it decoded: it must be storable, whatever the bytes were.

use serde::de::IgnoredAny;
use tephra_ingest::{Decoded, Limits, Receipt, Rules, Scrubber};
use tephra_storage::{Event, ProjectId};

/// The circumstances of a request, always the same.
pub fn receipt(limits: &Limits) -> Receipt<'_> {
    Receipt { project_id: ProjectId(1), received_at: 1_763_654_400_000_000, limits, rules: Rules::standard() }
}

/// Checks every event of a request.
///
/// # Panics
/// Where an event could not be stored as it is, or holds what scrubbing once more would take out.
pub fn check(decoded: &Decoded) {
    assert_eq!(decoded.events.len(), decoded.positions.len());
    assert!(decoded.positions.is_sorted());
    decoded.events.iter().for_each(check_event);
}

fn check_event(event: &Event) {
    let json = [
        &event.attributes,
        &event.frames,
        &event.frame_vars,
        &event.breadcrumbs,
        &event.contexts,
        &event.extra,
        &event.request,
    ];
    for json in json.into_iter().flatten() {
        assert!(serde_json::from_str::<IgnoredAny>(json).is_ok(), "no JSON: {json}");
        assert!(!json.contains('\0'), "NUL: {json}");
    }
    let texts = [&event.message, &event.exception_type, &event.exception_value, &event.stack, &event.service];
    assert!(texts.into_iter().flatten().all(|text| !text.contains('\0') && text.len() <= 256 << 10));
    assert!(event.tags.is_sorted() && event.tags.windows(2).all(|pair| pair[0].0 != pair[1].0), "{:?}", event.tags);
    // The dry run over stored events takes the same way; it must not panic either.
    let _ = Scrubber::default().explain(event);
}
