//! The few calls to the kernel that the standard library does not have.

#![expect(unsafe_code, reason = "signals and ioctls")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Sends `signal` to the process.
pub(crate) fn signal(pid: u32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is shared; the process is a child that has not been waited for, so the number is still its own.
    match unsafe { libc::kill(pid as i32, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Cuts the power of the file system at `path`: from now on nothing reaches its disk, not even its journal.
pub(crate) fn shutdown_file_system(path: &Path) -> io::Result<()> {
    const SHUTDOWN: libc::c_ulong = 0x8004_587d; // FS_IOC_SHUTDOWN, _IOR('X', 125, u32)
    const NO_LOG_FLUSH: u32 = 2;
    let dir = File::open(path)?;
    let how = NO_LOG_FLUSH;
    // SAFETY: the call reads one u32, which lives until it returns.
    match unsafe { libc::ioctl(dir.as_raw_fd(), SHUTDOWN, &raw const how) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether this is root.
pub(crate) fn is_root() -> bool {
    // SAFETY: it only returns a number.
    unsafe { libc::geteuid() == 0 }
}
