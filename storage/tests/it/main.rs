//! The store against failing parts: an object store that fails, lies and goes away, disks that rot, fill up and lose power.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bit_rot;
mod counting;
mod fault_store;
mod feed;
mod following;
mod lake_put_back;
mod object_store_faults;
mod power;
mod support;
mod vacuum;
