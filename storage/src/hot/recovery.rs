//! Opens what the last process left behind, however it ended.
//!
//! Batches above the lake's watermark are read one at a time, so memory stays bounded; each is decoded and its checksum
//! verified. One that does not decode is moved to `quarantine`: kept, counted, shown, and the server starts anyway.
//! Numbers missing between the watermark and the high-water mark are acknowledged events that are gone: that is
//! refused, with the exact range, until the operator accepts it. So is a lake that covers less than this node has rolled
//! and dropped, before anything is changed.

use std::sync::Arc;

use rocksdb::WriteBatch;

use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::hot::codec;
use crate::hot::db::{Db, META_ROLLED, META_SKIPPED, broken, sequence};
use crate::hot::mark::Mark;
use crate::hot::quarantine::{self, Damaged};
use crate::hot::segment::HotSegment;
use crate::tiers::Tiers;

/// What recovery found.
pub(crate) struct Recovered {
    /// The last sequence number in use.
    pub(crate) sequence: u64,
    /// Batches in quarantine, from now and before.
    pub(crate) quarantined: u64,
    /// The last sequence number whose batch is gone: it was rolled and dropped, here or on another machine.
    pub(crate) dropped: u64,
    /// The first and the last number of batches that were rolled and are still here.
    pub(crate) stored: Option<(u64, u64)>,
}

/// Fills `tiers` from `db`, given that the lake covers everything up to `watermark`.
pub(crate) fn recover(
    db: &Arc<Db>,
    tiers: &Tiers,
    mark: &mut Mark,
    watermark: u64,
    accept_data_loss: bool,
) -> Result<Recovered> {
    failpoint::hit("recovery.begin")?;
    let rolled = db.meta(META_ROLLED)?.unwrap_or(0);
    if rolled > watermark && !accept_data_loss {
        return Err(Error::corrupt(format!(
            "the lake covers batches up to {watermark}, but this node had rolled and dropped those up to {rolled}: the lake \
             has lost commits, or is another one; restore it, or start once with `--accept-data-loss`"
        )));
    }
    let stored = db.first_number(rolled + 1)?.filter(|first| *first <= watermark).map(|first| (first, watermark));
    let watermark = watermark.max(rolled);
    let dropped = if stored.is_some() { rolled } else { watermark };
    let known_gaps = known_gaps(db)?;
    let mut missing = Vec::new();
    let mut last = watermark;
    let mut bad = Vec::new();
    let mut from = watermark + 1;
    loop {
        let read = db.each_batch(from, u64::MAX, |number, value| {
            missing.extend((last + 1..number).filter(|gap| !known_gaps.contains(gap)));
            last = number;
            match codec::decode(value).and_then(|batch| HotSegment::new(db.clone(), number, batch, &tiers.stacks())) {
                Ok(segment) => tiers.publish(segment)?,
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    bad.push(Damaged { number, value: value.to_vec(), error });
                }
                Err(error) => {
                    return Err(Error::caused(error.kind(), format!("could not read hot batch {number}"), error));
                }
            }
            Ok(())
        });
        match read {
            Ok(()) => break,
            Err(error) if accept_data_loss && error.kind() == ErrorKind::Corrupt && last < mark.read() => {
                last += 1;
                from = last + 1;
                bad.push(Damaged { number: last, value: Vec::new(), error });
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let hint = "restore the disk from a copy, or start once with `--accept-data-loss` to go on without what cannot be read";
                return Err(Error::caused(ErrorKind::Corrupt, format!("the hot tier is damaged; {hint}"), error));
            }
            Err(error) => return Err(error),
        }
    }
    quarantine::set_aside(db, &bad)?;

    missing.extend((last + 1..=mark.read()).filter(|gap| !known_gaps.contains(gap)));
    if let (Some(first), Some(end)) = (missing.first(), missing.last()) {
        let text = format!(
            "{} batches that were acknowledged are missing from the hot tier: numbers {first} to {end}, of {last} recovered",
            missing.len()
        );
        if !accept_data_loss {
            let hint = "restore the disk from a copy, or start once with `--accept-data-loss` to go on without them";
            return Err(Error::corrupt(format!("{text}; {hint}")));
        }
        tracing::error!(
            missing = missing.len(),
            first,
            end,
            "going on without acknowledged batches, as the operator accepts"
        );
        last = last.max(mark.read());
        accept(db, &missing)?;
    }
    failpoint::hit("recovery.end")?;
    Ok(Recovered { sequence: last, quarantined: quarantine::count(db)?, dropped, stored })
}

fn accept(db: &Db, missing: &[u64]) -> Result<()> {
    let mut batch = WriteBatch::default();
    missing.iter().for_each(|gap| batch.put([META_SKIPPED, &gap.to_be_bytes()].concat(), []));
    db.write(batch).map_err(|error| broken("note the accepted loss", error))
}

/// Numbers that no batch will ever have.
fn known_gaps(db: &Db) -> Result<Vec<u64>> {
    let mut gaps = Vec::new();
    let from = rocksdb::IteratorMode::From(META_SKIPPED, rocksdb::Direction::Forward);
    for item in db.raw().iterator(from) {
        let (key, _) = item.map_err(|error| broken("read the hot tier's facts", error))?;
        let Some(number) = key.strip_prefix(META_SKIPPED) else { break };
        gaps.push(sequence(number)?);
    }
    Ok(gaps)
}
