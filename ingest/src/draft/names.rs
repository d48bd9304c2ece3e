//! Names of attributes, of which the last or the nearest wins.

use hashbrown::HashSet;

use crate::value::Pairs;

/// So many names are looked through one by one.
const FEW: usize = 24;

/// A set of names: a list while they are few.
pub(crate) enum Names<'n> {
    Few(Vec<&'n str>),
    Many(HashSet<&'n str>),
}

impl<'n> Names<'n> {
    pub(crate) fn new(names: impl ExactSizeIterator<Item = &'n str>) -> Self {
        if names.len() <= FEW { Self::Few(names.collect()) } else { Self::Many(names.collect()) }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::Few(names) => names.contains(&name),
            Self::Many(names) => names.contains(name),
        }
    }
}

/// Keeps the last pair of each name.
pub(super) fn dedup_last(pairs: &mut Pairs<'_>) {
    if pairs.len() <= FEW {
        let mut at = 0;
        while at < pairs.len() {
            let (head, tail) = pairs.split_at(at + 1);
            if tail.iter().any(|(name, _)| *name == head[at].0) {
                pairs.remove(at);
            } else {
                at += 1;
            }
        }
        return;
    }
    let mut last = Vec::with_capacity(pairs.len());
    let mut seen: HashSet<&str> = HashSet::with_capacity(pairs.len());
    last.extend(pairs.iter().rev().map(|(name, _)| seen.insert(name.as_ref())));
    drop(seen);
    pairs.retain(|_| last.pop().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn the_last_of_a_name_wins() {
        for count in [3, 100] {
            let mut pairs: Pairs<'_> = (0..count).map(|n| (format!("k{}", n % 2).into(), Value::Int(n))).collect();
            dedup_last(&mut pairs);
            let mut values: Vec<_> = pairs.into_iter().map(|(_, value)| value).collect();
            values.sort_by_key(|value| value.as_int());
            assert_eq!(values, [Value::Int(count - 2), Value::Int(count - 1)]);
        }
    }
}
