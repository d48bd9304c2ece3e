//! How much room is left on the disk of the data directory.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::{Error, Result};

/// A reading is used for this long.
const FRESH: Duration = Duration::from_millis(100);

/// Watches the free space of one directory's disk.
pub(crate) struct Disk {
    directory: PathBuf,
    reserve_bytes: u64,
    last: Mutex<Option<(Instant, u64)>>,
}

impl Disk {
    pub(crate) fn new(directory: &Path, reserve_bytes: u64) -> Self {
        Self { directory: directory.into(), reserve_bytes, last: Mutex::new(None) }
    }

    /// Refuses where less than the reserve is free. The reserve is for rolls, which make room.
    pub(crate) fn admit(&self) -> Result<()> {
        let free = self.free_bytes();
        if free < self.reserve_bytes {
            let reserve = self.reserve_bytes;
            return Err(Error::busy(format!("the disk is nearly full: {free} bytes free, {reserve} kept in reserve")));
        }
        Ok(())
    }

    /// The free bytes; a reading that fails counts as plenty, as the write itself will tell.
    pub(crate) fn free_bytes(&self) -> u64 {
        let mut last = self.last.lock();
        match *last {
            Some((at, free)) if at.elapsed() < FRESH => free,
            _ => {
                let free = free_bytes(&self.directory).unwrap_or(u64::MAX);
                *last = Some((Instant::now(), free));
                free
            }
        }
    }
}

#[expect(unsafe_code, reason = "statvfs has no safe binding in libc")]
fn free_bytes(directory: &Path) -> Option<u64> {
    let path = CString::new(directory.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with a NUL and `stat` is large enough; it is read only after success.
    let stat = unsafe {
        if libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
