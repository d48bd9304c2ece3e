//! What of a request's events comes in: those that the project does not want are taken out once they are decoded, those that
//! its limits keep out before they are stored.

use tephra_ingest::sentry::Category;
use tephra_ingest::{Decoded, FilterReason, Filters, Rejected};
use tephra_storage::Event;

use crate::gate::{self, Counts, Reason};

/// What a decoder found.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) decoded: Decoded,
    /// Of each event, where the protocol has categories of its own.
    pub(crate) categories: Option<Vec<Category>>,
    /// The user agent of the sender, where it may be that of the page.
    pub(crate) agent: Option<String>,
}

impl From<Decoded> for Brought {
    fn from(decoded: Decoded) -> Self {
        Self { decoded, ..Self::default() }
    }
}

/// The events that may still come in, and what was taken out.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    pub(crate) events: Vec<Event>,
    /// Of each event.
    pub(crate) categories: Vec<Category>,
    /// Of each event its index in the request.
    pub(crate) positions: Vec<u32>,
    pub(crate) rejected: Vec<Rejected>,
    /// Indexes in the request, and why.
    pub(crate) filtered: Vec<(u32, FilterReason)>,
    /// The same for what limits kept out.
    pub(crate) limited: Vec<(u32, Reason)>,
    /// The ids of events that were taken out for either.
    pub(crate) taken_out: Vec<[u8; 16]>,
    pub(crate) ignored: u64,
    pub(crate) request_hash: Option<u128>,
    pub(crate) bytes: usize,
}

impl Sifted {
    /// Takes out what the project does not want.
    pub(crate) fn new(brought: Brought, filters: &Filters) -> Self {
        let Brought { decoded, categories, agent } = brought;
        let Decoded { events, rejected, positions, ignored, request_hash, bytes, .. } = decoded;
        let categories = match categories {
            Some(categories) if categories.len() == events.len() => categories,
            _ => events.iter().map(|event| gate::category(event.kind)).collect(),
        };
        let mut sifted =
            Self { events, categories, positions, rejected, ignored, request_hash, bytes, ..Self::default() };
        if !filters.is_empty() {
            let reason = |(index, event)| Some((index, filters.reason(event, agent.as_deref())?));
            let unwanted: Vec<_> = sifted.events.iter().enumerate().filter_map(reason).collect();
            sifted.filtered = sifted.take_out(&unwanted);
        }
        sifted
    }

    /// Takes out what limits keep out, by places that ascend.
    pub(crate) fn limit(&mut self, refused: &[(usize, Reason)]) {
        self.limited = self.take_out(refused);
    }

    /// All events that came.
    pub(crate) fn len(&self) -> usize {
        self.events.len() + self.rejected.len() + self.filtered.len() + self.limited.len()
    }

    /// Events by category, less those at some places.
    pub(crate) fn counts(categories: &[Category], without: &[u32]) -> Counts {
        let mut counts = Counts::default();
        let places = || categories.iter().filter_map(|category| gate::place(*category));
        places().for_each(|place| counts[place] += 1);
        for category in without.iter().filter_map(|index| categories.get(*index as usize)) {
            gate::place(*category).into_iter().for_each(|place| counts[place] -= 1);
        }
        counts
    }

    fn take_out<R: Copy>(&mut self, places: &[(usize, R)]) -> Vec<(u32, R)> {
        if places.is_empty() {
            return Vec::new();
        }
        let out: Vec<_> = places.iter().map(|(place, reason)| (self.position(*place), *reason)).collect();
        self.taken_out.extend(places.iter().filter_map(|(place, _)| self.events[*place].event_id));
        let mut next = places.iter().map(|(place, _)| *place).peekable();
        let stays: Vec<bool> = (0..self.events.len()).map(|place| next.next_if_eq(&place).is_none()).collect();
        keep(&mut self.events, &stays);
        keep(&mut self.categories, &stays);
        keep(&mut self.positions, &stays);
        out
    }

    /// The index in the request of the event at a place.
    pub(crate) fn position(&self, place: usize) -> u32 {
        self.positions.get(place).copied().unwrap_or(place as u32)
    }
}

fn keep<T>(list: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    list.retain(|_| stays.next().copied().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use tephra_ingest::FilterRules;
    use tephra_storage::Kind;

    use super::*;

    fn brought() -> Brought {
        let event = |number: u8, message: &str| Event {
            event_id: Some([number; 16]),
            message: Some(message.into()),
            kind: if number.is_multiple_of(2) { Kind::Error } else { Kind::Log },
            ..Event::default()
        };
        let events = vec![event(0, "a"), event(1, "noise"), event(2, "b"), event(3, "noise"), event(4, "c")];
        Decoded { events, positions: vec![0, 2, 3, 5, 6], ..Decoded::default() }.into()
    }

    #[test]
    fn what_is_taken_out_is_named_by_its_place_in_the_request() {
        let filters = Filters::new(&FilterRules { messages: vec!["noise".into()], ..FilterRules::default() }).unwrap();
        let mut sifted = Sifted::new(brought(), &filters);
        assert_eq!(sifted.filtered, [(2, FilterReason::Messages), (5, FilterReason::Messages)]);
        assert_eq!(sifted.categories, [Category::Error; 3]);
        sifted.limit(&[(1, Reason::KeyRate)]);
        assert_eq!(sifted.limited, [(3, Reason::KeyRate)]);
        assert_eq!((sifted.positions.as_slice(), sifted.len()), (&[0, 6][..], 5));
        assert_eq!(sifted.taken_out, [[1; 16], [3; 16], [2; 16]]);
    }

    #[test]
    fn without_filters_nothing_is_touched() {
        let sifted = Sifted::new(brought(), &Filters::default());
        assert_eq!((sifted.events.len(), sifted.len()), (5, 5));
        assert_eq!(sifted.categories[1], Category::LogItem);
        let own = Brought { categories: Some(vec![Category::Security; 5]), ..brought() };
        assert_eq!(Sifted::new(own, &Filters::default()).categories, [Category::Security; 5]);
    }

    #[test]
    fn duplicates_do_not_count() {
        let counts = Sifted::counts(&[Category::Error, Category::LogItem, Category::Error, Category::Unknown], &[2]);
        assert_eq!((counts[0], counts[2], counts.iter().sum::<u64>()), (1, 1, 2));
    }
}
