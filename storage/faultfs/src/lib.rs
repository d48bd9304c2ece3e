//! A disk that loses power, fills up and fails on request, for the crash tests of everything that RocksDB keeps.
//!
//! RocksDB ships `FaultInjectionTestFS`, which remembers what was synced; `librocksdb-sys` compiles it, and 100 lines of
//! C++ (`shim.cc`) make it reachable. A power cut in the tests is then exact, needs no rights and takes milliseconds.
//!
//! Known weakness: only RocksDB's own files lie on this disk; the lake and the side files do not.

#![expect(unsafe_code, reason = "the shim is C++")]

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use rocksdb::Env;

#[repr(C)]
struct Handle {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn tephra_faultfs_new(env: *mut *mut librocksdb_sys::rocksdb_env_t) -> *mut Handle;
    fn tephra_faultfs_free(handle: *mut Handle);
    fn tephra_faultfs_set(handle: *mut Handle, state: c_int);
    fn tephra_faultfs_lose(handle: *mut Handle, torn: c_int, seed: u32) -> c_int;
    fn tephra_faultfs_fail_sync(handle: *mut Handle, nth: i64);
    fn tephra_faultfs_syncs(handle: *mut Handle) -> u64;
    fn tephra_faultfs_failed_syncs(handle: *mut Handle) -> u64;
}

/// What the disk does from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// It works.
    Works,
    /// The power is gone: everything fails, nothing more is recorded.
    Dead,
    /// Every write fails with "no space left".
    Full,
}

/// What a power cut leaves of the bytes that were written and not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    All,
    /// A prefix of random length, by this seed.
    Torn(u32),
}

/// One such disk. Open databases on it with [`FaultFs::env`].
pub struct FaultFs {
    handle: NonNull<Handle>,
    env: Env,
}

// SAFETY: every call goes to FaultInjectionTestFS and SyncFault, which lock and count atomically by themselves.
unsafe impl Send for FaultFs {}
// SAFETY: as above.
unsafe impl Sync for FaultFs {}

impl FaultFs {
    /// A disk that works, on top of the real file system.
    pub fn new() -> Self {
        let mut env = ptr::null_mut();
        // SAFETY: the shim fills `env` with an environment whose ownership passes to `Env`, and returns a handle that
        // `drop` frees; both hold the file system by a shared pointer, so the order of their ends does not matter.
        let (handle, env) = unsafe {
            let handle = tephra_faultfs_new(&raw mut env);
            (handle, Env::from_raw(env))
        };
        Self { handle: NonNull::new(handle).expect("the shim returns a handle"), env }
    }

    /// The environment to open RocksDB with.
    pub fn env(&self) -> Env {
        self.env.clone()
    }

    /// Makes the disk work, die or be full.
    pub fn set(&self, disk: Disk) {
        // SAFETY: the handle is live as long as `self`.
        unsafe { tephra_faultfs_set(self.handle.as_ptr(), disk as c_int) }
    }

    /// Ends a power cut: loses what was not synced and lets the disk work again. Call it with the disk dead and the
    /// database closed.
    ///
    /// # Panics
    /// If the files beneath cannot be changed.
    pub fn lose(&self, loss: Loss) {
        let (torn, seed) = match loss {
            Loss::All => (0, 0),
            Loss::Torn(seed) => (1, seed),
        };
        // SAFETY: the handle is live as long as `self`.
        let failed = unsafe { tephra_faultfs_lose(self.handle.as_ptr(), torn, seed) };
        assert_eq!(failed, 0, "the files beneath the fault file system cannot be changed");
        self.set(Disk::Works);
    }

    /// Fails the `nth` sync of a write-ahead log from now (1 is the next), once; 0 takes it back.
    pub fn fail_sync(&self, nth: u32) {
        // SAFETY: the handle is live as long as `self`.
        unsafe { tephra_faultfs_fail_sync(self.handle.as_ptr(), i64::from(nth)) }
    }

    /// How many syncs of write-ahead logs there were, failed ones included.
    pub fn syncs(&self) -> u64 {
        // SAFETY: the handle is live as long as `self`.
        unsafe { tephra_faultfs_syncs(self.handle.as_ptr()) }
    }

    /// How many of them were made to fail.
    pub fn failed_syncs(&self) -> u64 {
        // SAFETY: the handle is live as long as `self`.
        unsafe { tephra_faultfs_failed_syncs(self.handle.as_ptr()) }
    }
}

impl Default for FaultFs {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for FaultFs {
    fn drop(&mut self) {
        // SAFETY: made by `tephra_faultfs_new`, freed once.
        unsafe { tephra_faultfs_free(self.handle.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use rocksdb::{DB, Options, WriteOptions};

    use super::*;

    fn open(disk: &FaultFs, dir: &std::path::Path) -> DB {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_env(&disk.env());
        DB::open(&options, dir).expect("the database opens")
    }

    fn put(db: &DB, key: &[u8], sync: bool) -> Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        db.put_opt(key, b"value", &options)
    }

    #[test]
    fn a_cut_keeps_what_was_synced_and_nothing_else() {
        for loss in [Loss::All, Loss::Torn(7)] {
            let dir = tempfile::tempdir().expect("a directory");
            let disk = FaultFs::new();
            let db = open(&disk, dir.path());
            put(&db, b"synced", true).expect("written");
            put(&db, b"unsynced", false).expect("written");
            disk.set(Disk::Dead);
            put(&db, b"late", true).expect_err("the power is gone");
            drop(db);
            disk.lose(loss);
            let db = open(&disk, dir.path());
            assert!(db.get(b"synced").expect("read").is_some());
            assert!(db.get(b"late").expect("read").is_none());
            if loss == Loss::All {
                assert!(db.get(b"unsynced").expect("read").is_none());
            }
        }
    }

    #[test]
    fn the_nth_sync_fails_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = FaultFs::new();
        let db = open(&disk, dir.path());
        disk.fail_sync(2);
        put(&db, b"a", true).expect("the first sync works");
        let error = put(&db, b"b", true).expect_err("the second fails");
        assert!(error.to_string().contains("EIO"), "{error}");
        assert_eq!(disk.failed_syncs(), 1);
    }
}
