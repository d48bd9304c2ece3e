//! The two tiers of Tephra, seen as one.
//!
//! An event is appended to the *hot* tier (`hot/`: RocksDB, fsynced before the answer), rolled into the *cold* tier
//! (`cold/`: Parquet in a Delta table) and read from both through one `Snapshot`. `Store` is the way in.
//!
//! A crash at any point leaves either the hot batch or the commit that covers it in force; the watermark in the lake
//! says which. Formats are drawn in `FORMAT.md`.

mod attachments;
mod changes;
mod check;
mod clock;
mod cold;
mod error;
mod event;
pub mod failpoint;
mod hot;
pub mod issues;
pub mod meta;
pub mod schema;
mod settings;
mod snapshot;
mod store;
mod tiers;

pub use attachments::{Attachment, Kept, NewAttachment};
pub use changes::{Feed, FeedBatch, FeedRead, Hold};
pub use check::CheckReport;
pub use clock::{Clock, SystemClock, TestClock};
pub use cold::catalog::{ColdFile, ColdVersion};
pub use cold::digest::Digests;
pub use cold::lake::{Partition, PlacedFile};
pub use cold::verified::DigestMismatch;
pub use cold::writer::{BLOOM_COLUMNS, FileWriter, NewFile, ROW_GROUP_ROWS};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Kind, Level, ProjectId, Text, stored_events};
pub use hot::dedup::REQUEST_WINDOW_S;
pub use hot::queue::{Append, Appended};
pub use hot::segment::HotSegment;
pub use settings::{ColdSettings, Durability, HotSettings, S3Settings, StorageSettings};
pub use snapshot::Snapshot;
pub use store::{RollRange, Store, StoreStatus};
