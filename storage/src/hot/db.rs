//! RocksDB as Tephra uses it: few large values, written once, read rarely, dropped by range.
//!
//! Column families: `batches` (sequence number → one group of appends, in blob files that compaction never rewrites),
//! `ids` (hash of project and event id → second of receipt, for duplicates), `quarantine` (batches that did not decode)
//! and `default` (the few facts in `meta`).
//!
//! The log is opened with `TolerateCorruptedTailRecords`: the default mode stops at the first damaged record and
//! silently drops every acknowledged batch behind it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::record_batch::RecordBatch;
use rocksdb::compaction_filter::Decision;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB, DBCompactionStyle,
    DBRecoveryMode, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
};

use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::hot::codec;
use crate::settings::{Durability, HotSettings};

pub(crate) const BATCHES: &str = "batches";
pub(crate) const IDS: &str = "ids";
pub(crate) const QUARANTINE: &str = "quarantine";

/// The last sequence number that a committed roll covered, as this node knows it.
pub(crate) const META_ROLLED: &[u8] = b"rolled";
/// Sequence numbers that were given out and never written: `skipped` and the number.
pub(crate) const META_SKIPPED: &[u8] = b"skipped/";

/// The database of the hot tier.
pub(crate) struct Db {
    db: DB,
    durability: Durability,
    /// Ids received before this second are forgotten.
    dedup_floor_s: Arc<AtomicU32>,
    _cache: Cache,
}

impl Db {
    pub(crate) fn open(path: &Path, settings: &HotSettings) -> Result<Self> {
        let cache = Cache::new_lru_cache(16 << 20);
        let dedup_floor_s = Arc::new(AtomicU32::new(0));
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let tolerant = !settings.accept_data_loss && !failpoint::planted("point_in_time_recovery");
        options.set_wal_recovery_mode(if tolerant {
            DBRecoveryMode::TolerateCorruptedTailRecords
        } else {
            DBRecoveryMode::PointInTime
        });
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_max_total_wal_size(192 << 20);
        options.set_max_background_jobs(2);
        options.set_keep_log_file_num(3);
        options.set_max_log_file_size(4 << 20);
        options.set_stats_dump_period_sec(0);
        if let Some(env) = &settings.env {
            options.set_env(env);
        }
        let families = vec![
            ColumnFamilyDescriptor::new("default", small(&cache)),
            ColumnFamilyDescriptor::new(BATCHES, batches(&cache)),
            ColumnFamilyDescriptor::new(IDS, ids(&cache, dedup_floor_s.clone())),
            ColumnFamilyDescriptor::new(QUARANTINE, small(&cache)),
        ];
        let db = DB::open_cf_descriptors(&options, path, families).map_err(|error| {
            let kind = match error.kind() {
                rocksdb::ErrorKind::Corruption => ErrorKind::Corrupt,
                rocksdb::ErrorKind::Busy | rocksdb::ErrorKind::TryAgain => ErrorKind::Busy,
                _ => ErrorKind::Internal,
            };
            let hint = if kind == ErrorKind::Corrupt {
                "; acknowledged events lie behind the damage: restore the disk, or start once with `--accept-data-loss`"
            } else {
                ""
            };
            Error::new(kind, format!("could not open the hot tier at `{}`: {error}{hint}", path.display()))
        })?;
        Ok(Self { db, durability: settings.durability, dedup_floor_s, _cache: cache })
    }

    /// The handle of a column family of this crate.
    pub(crate) fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("opened with this column family")
    }

    pub(crate) fn raw(&self) -> &DB {
        &self.db
    }

    /// Writes `batch` and, unless relaxed, waits until it is on disk.
    pub(crate) fn write(&self, batch: WriteBatch) -> std::result::Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.set_sync(self.durability == Durability::Fsync && !failpoint::planted("no_fsync"));
        self.db.write_opt(batch, &options)
    }

    /// The batches with sequence numbers from `first` to `last`, decoded.
    pub(crate) fn batches(&self, first: u64, last: u64) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        self.each_batch(first, last, |sequence, value| {
            let named =
                |error: Error| Error::caused(error.kind(), format!("could not read hot batch {sequence}"), error);
            batches.push(codec::decode(value).map_err(named)?);
            Ok(())
        })?;
        Ok(batches)
    }

    /// Calls `visit` with each batch's number and value, in order.
    pub(crate) fn each_batch(
        &self,
        first: u64,
        last: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(first.to_be_bytes());
        if let Some(end) = last.checked_add(1) {
            options.set_iterate_upper_bound(end.to_be_bytes());
        }
        options.set_readahead_size(4 << 20);
        options.fill_cache(false);
        let mut at = first;
        for item in self.db.iterator_cf_opt(self.family(BATCHES), options, IteratorMode::Start) {
            let (key, value) = item.map_err(|error| {
                Error::caused(ErrorKind::Corrupt, format!("could not read hot batch {at} or its successors"), error)
            })?;
            at = sequence(&key)?;
            visit(at, &value)?;
            at += 1;
        }
        Ok(())
    }

    /// The first number from `first` on that a batch has.
    pub(crate) fn first_number(&self, first: u64) -> Result<Option<u64>> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(first.to_be_bytes());
        options.fill_cache(false);
        let mut batches = self.db.raw_iterator_cf_opt(self.family(BATCHES), options);
        batches.seek_to_first();
        batches.status().map_err(|error| broken("look for the first hot batch", error))?;
        batches.key().map(sequence).transpose()
    }

    /// The value of one batch as it is stored; `None` where no batch has the number.
    pub(crate) fn value(&self, number: u64) -> Result<Option<Vec<u8>>> {
        self.value_with(number, true)
    }

    /// The same without RocksDB's own checksums: whatever lies there.
    pub(crate) fn value_unchecked(&self, number: u64) -> Result<Option<Vec<u8>>> {
        self.value_with(number, false)
    }

    fn value_with(&self, number: u64, checked: bool) -> Result<Option<Vec<u8>>> {
        let mut options = ReadOptions::default();
        options.set_verify_checksums(checked);
        options.fill_cache(false);
        let value = self.db.get_cf_opt(self.family(BATCHES), number.to_be_bytes(), &options);
        value.map_err(|error| broken(&format!("read hot batch {number}"), error))
    }

    /// A fact of `meta`, a number.
    pub(crate) fn meta(&self, key: &[u8]) -> Result<Option<u64>> {
        let value = self.db.get(key).map_err(|error| broken("read the hot tier's facts", error))?;
        Ok(value.and_then(|value| value.try_into().ok()).map(u64::from_be_bytes))
    }

    /// Drops the batches up to `last`, once no reader can ask for them.
    pub(crate) fn drop_through(&self, last: u64) -> Result<()> {
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(self.family(BATCHES), 0u64.to_be_bytes(), (last + 1).to_be_bytes());
        batch.put(META_ROLLED, last.to_be_bytes());
        self.db.write(batch).map_err(|error| broken("drop rolled batches", error))?;
        // Only keys and references are rewritten here; blob files that nothing refers to any more are unlinked.
        let mut options = CompactOptions::default();
        options.set_exclusive_manual_compaction(false);
        let family = self.family(BATCHES);
        self.db.flush_cf(family).map_err(|error| broken("flush", error))?;
        self.db.compact_range_cf_opt(family, None::<&[u8]>, Some((last + 1).to_be_bytes()), &options);
        Ok(())
    }

    /// Ids received before `floor_s` (seconds since 1970) are forgotten.
    pub(crate) fn set_dedup_floor_s(&self, floor_s: u32) {
        self.dedup_floor_s.store(floor_s, Ordering::Relaxed);
    }

    /// The bytes that a column family takes on disk.
    pub(crate) fn disk_bytes(&self, name: &str) -> u64 {
        let property =
            |property| self.db.property_int_value_cf(self.family(name), property).ok().flatten().unwrap_or(0);
        property("rocksdb.total-sst-files-size") + property("rocksdb.total-blob-file-size")
    }

    /// Makes what was written with relaxed durability durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.db.flush_wal(true).map_err(|error| broken("sync the log", error))
    }
}

/// The sequence number of a key of `batches` or `quarantine`.
pub(crate) fn sequence(key: &[u8]) -> Result<u64> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| Error::corrupt("a hot batch with a damaged key"))
}

pub(crate) fn broken(what: &str, error: rocksdb::Error) -> Error {
    let kind = if error.kind() == rocksdb::ErrorKind::Corruption { ErrorKind::Corrupt } else { ErrorKind::Internal };
    Error::caused(kind, format!("could not {what}"), error)
}

fn small(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(2 << 20);
    options
}

fn batches(cache: &Cache) -> Options {
    let mut options = small(cache);
    options.set_write_buffer_size(16 << 20);
    options.set_max_write_buffer_number(4);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(512);
    options.set_blob_file_size(128 << 20);
    options.set_enable_blob_gc(false);
    options
}

fn ids(cache: &Cache, floor_s: Arc<AtomicU32>) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_cache_index_and_filter_blocks(true);
    table.set_format_version(5);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(8 << 20);
    options.set_max_write_buffer_number(3);
    options.set_compaction_style(DBCompactionStyle::Universal);
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.1);
    options.set_compaction_filter("forget old ids", move |_level, _key, value| {
        let received_s = value.get(..4).and_then(|s| s.try_into().ok()).map_or(0, u32::from_be_bytes);
        if received_s < floor_s.load(Ordering::Relaxed) { Decision::Remove } else { Decision::Keep }
    });
    options
}
