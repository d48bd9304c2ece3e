//! What earlier rules made of an event, for the counter of issues: it lets the issue of a known error go on under a new hash.

use tephra_storage::Event;
use tephra_storage::issues::{Era, Past};

use super::{GROUPING_VERSION, GroupRules, hashes_of_version};

/// How the counter asks.
pub const PAST: Past = Past { version: GROUPING_VERSION as i64, hashes: former_hashes };

/// For each event the hashes by each era's rules, in their order, without repeats.
fn former_hashes(eras: &[Era], events: &[Event]) -> Vec<Vec<u64>> {
    let eras =
        eras.iter().filter_map(|era| Some((i32::try_from(era.version).ok()?, GroupRules::parse(&era.rules).ok()?)));
    let eras: Vec<(i32, GroupRules)> = eras.collect();
    let of_event = |event: &Event| {
        let mut hashes = Vec::with_capacity(eras.len());
        for (version, rules) in &eras {
            if let Some(found) = hashes_of_version(*version, event, rules)
                && !hashes.contains(&found.in_app)
            {
                hashes.push(found.in_app);
            }
        }
        hashes
    };
    events.iter().map(of_event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_era_gives_its_hash() {
        let event = Event {
            exception_type: Some("ValueError".into()),
            exception_value: Some("bad 7".into()),
            tags: vec![("tier".into(), "gold".into())],
            ..Event::default()
        };
        let era = |version, rules: &str| Era { version, rules: rules.to_owned() };
        let split = "type:ValueError -> {{ default }}, {{ tags.tier }}";
        let eras = [era(2, split), era(2, "type:Other -> x"), era(2, "nonsense"), era(2, ""), era(1, "")];
        let hashes = former_hashes(&eras, std::slice::from_ref(&event));
        let of = |version, rules: &str| {
            hashes_of_version(version, &event, &GroupRules::parse(rules).unwrap()).unwrap().in_app
        };
        assert_eq!(hashes, [[of(2, split), of(2, ""), of(1, "")]]);
    }
}
