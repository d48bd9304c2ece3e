//! What a minidump says of its crash: why, where and on which system. Stacks are not unwound.
//!
//! The places of its parts are numbers in the file itself, so each is looked up within its bounds and nothing is followed twice.
//!
//! <https://learn.microsoft.com/windows/win32/api/minidumpapiset/>

use std::borrow::Cow;

/// The streams that are read.
const MODULES: u32 = 4;
const EXCEPTION: u32 = 6;
const SYSTEM: u32 = 7;

/// So many streams and modules are looked through.
const STREAMS_MAX: u32 = 256;
const MODULES_MAX: u32 = 4_096;
const MODULE_BYTES: usize = 108;
const NAME_BYTES_MAX: usize = 1 << 10;

/// A crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Crash {
    /// `SIGSEGV`, `EXCEPTION_ACCESS_VIOLATION`; empty where the dump does not say.
    pub(super) reason: Cow<'static, str>,
    /// Where it happened.
    pub(super) address: Option<u64>,
    /// The file of the module that holds the address.
    pub(super) module: Option<String>,
    /// `Linux`, `Windows`, …; empty where the dump does not say.
    pub(super) system: &'static str,
    /// `x86_64`, `arm64`, …; empty where it is another.
    pub(super) architecture: &'static str,
}

/// Whether these are the first bytes of a minidump.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"MDMP") || bytes.starts_with(b"PMDM")
}

/// Reads what is there; a dump that is cut short says less.
pub(super) fn read(dump: &[u8]) -> Crash {
    let mut crash = Crash::default();
    let (Some(count), Some(directory)) = (number(dump, 8), number(dump, 12)) else { return crash };
    let mut streams = [None; 3];
    for index in 0..count.min(STREAMS_MAX) as usize {
        let at = directory as usize + 12 * index;
        let (Some(kind), Some(place)) = (number(dump, at), number(dump, at + 8)) else { break };
        let wanted = [MODULES, EXCEPTION, SYSTEM].iter().position(|wanted| *wanted == kind);
        if let Some(slot) = wanted.and_then(|wanted| streams.get_mut(wanted)) {
            *slot = Some(place as usize);
        }
    }
    let [modules, exception, system] = streams;
    if let Some(at) = system {
        crash.architecture = match short(dump, at) {
            Some(0) => "x86",
            Some(5) => "arm",
            Some(9) => "x86_64",
            Some(12 | 0x8003) => "arm64",
            _ => "",
        };
        crash.system = match number(dump, at + 20) {
            Some(0..=3) => "Windows",
            Some(0x8101) => "macOS",
            Some(0x8102) => "iOS",
            Some(0x8201) => "Linux",
            Some(0x8203) => "Android",
            _ => "",
        };
    }
    if let Some(at) = exception {
        crash.address = long(dump, at + 24);
        if let Some(code) = number(dump, at + 8) {
            crash.reason = reason(crash.system, code);
        }
    }
    if let (Some(at), Some(address)) = (modules, crash.address) {
        crash.module = module(dump, at, address);
    }
    crash
}

fn reason(system: &str, code: u32) -> Cow<'static, str> {
    let known = match (system, code) {
        ("Windows", 0xc000_0005) => "EXCEPTION_ACCESS_VIOLATION",
        ("Windows", 0xc000_0094) => "EXCEPTION_INT_DIVIDE_BY_ZERO",
        ("Windows", 0xc000_00fd) => "EXCEPTION_STACK_OVERFLOW",
        ("Windows", 0xc000_001d) => "EXCEPTION_ILLEGAL_INSTRUCTION",
        ("Windows", 0xc000_0374) => "STATUS_HEAP_CORRUPTION",
        ("Windows", 0xc000_0409) => "STATUS_STACK_BUFFER_OVERRUN",
        ("Windows", 0x8000_0003) => "EXCEPTION_BREAKPOINT",
        ("Windows", 0xe06d_7363) => "Unhandled C++ Exception",
        ("macOS" | "iOS", 1) => "EXC_BAD_ACCESS",
        ("macOS" | "iOS", 2) => "EXC_BAD_INSTRUCTION",
        ("macOS" | "iOS", 3) => "EXC_ARITHMETIC",
        ("macOS" | "iOS", 5) => "EXC_SOFTWARE",
        ("macOS" | "iOS", 6) => "EXC_BREAKPOINT",
        ("macOS" | "iOS", 10) => "EXC_CRASH",
        ("Linux" | "Android", 4) => "SIGILL",
        ("Linux" | "Android", 5) => "SIGTRAP",
        ("Linux" | "Android", 6) => "SIGABRT",
        ("Linux" | "Android", 7) => "SIGBUS",
        ("Linux" | "Android", 8) => "SIGFPE",
        ("Linux" | "Android", 11) => "SIGSEGV",
        ("Linux" | "Android", 31) => "SIGSYS",
        _ => return format!("exception {code:#010x}").into(),
    };
    known.into()
}

/// The file name of the module in whose memory the address lies.
fn module(dump: &[u8], at: usize, address: u64) -> Option<String> {
    for index in 0..number(dump, at)?.min(MODULES_MAX) as usize {
        let entry = at + 4 + MODULE_BYTES * index;
        let (base, size) = (long(dump, entry)?, number(dump, entry + 8)?);
        if address.checked_sub(base).is_some_and(|offset| offset < size.into()) {
            let name = number(dump, entry + 20)? as usize;
            let length = (number(dump, name)? as usize).min(NAME_BYTES_MAX) & !1;
            let bytes = dump.get(name.checked_add(4)?..name.checked_add(4 + length)?)?;
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            let path = String::from_utf16_lossy(&units).replace('\0', "\u{fffd}");
            return path.rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).map(str::to_owned);
        }
    }
    None
}

fn short(dump: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(dump.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn number(dump: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(dump.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn long(dump: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(dump.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A dump of a segmentation fault in `/usr/lib/libfoo.so` on Linux.
    pub(crate) fn sample() -> Vec<u8> {
        let (system, exception, modules, name) = (68, 100, 140, 252);
        let mut dump = vec![0u8; 300];
        let mut put = |at: usize, bytes: &[u8]| dump[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MDMP");
        put(8, &3u32.to_le_bytes());
        put(12, &32u32.to_le_bytes());
        for (index, (kind, place)) in [(SYSTEM, system), (EXCEPTION, exception), (MODULES, modules)].iter().enumerate()
        {
            put(32 + 12 * index, &kind.to_le_bytes());
            put(32 + 12 * index + 8, &(*place as u32).to_le_bytes());
        }
        put(system, &9u16.to_le_bytes());
        put(system + 20, &0x8201u32.to_le_bytes());
        put(exception + 8, &11u32.to_le_bytes());
        put(exception + 24, &0x7000_1234u64.to_le_bytes());
        put(modules, &1u32.to_le_bytes());
        put(modules + 4, &0x7000_0000u64.to_le_bytes());
        put(modules + 12, &0x10_0000u32.to_le_bytes());
        put(modules + 24, &(name as u32).to_le_bytes());
        let units: Vec<u8> = "/usr/lib/libfoo.so".encode_utf16().flat_map(u16::to_le_bytes).collect();
        put(name, &(units.len() as u32).to_le_bytes());
        put(name + 4, &units);
        dump
    }

    #[test]
    fn reads_why_and_where() {
        let crash = read(&sample());
        assert_eq!((crash.reason.as_ref(), crash.address), ("SIGSEGV", Some(0x7000_1234)));
        assert_eq!((crash.module.as_deref(), crash.system, crash.architecture), (Some("libfoo.so"), "Linux", "x86_64"));
    }

    #[test]
    fn a_dump_that_is_cut_or_lies_says_less() {
        let whole = sample();
        for length in 0..whole.len() {
            let _ = read(&whole[..length]);
        }
        for at in 0..whole.len() {
            let mut lies = whole.clone();
            lies[at] = 0xff;
            let _ = read(&lies);
        }
        assert_eq!(read(b"MDMP"), Crash::default());
    }
}
