//! What this process uses, as `/proc` tells it.

/// Of the whole process, now.
pub(crate) struct Usage {
    pub(crate) resident_bytes: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) threads: u64,
    pub(crate) open_files: u64,
}

/// `None` where there is no `/proc`.
pub(crate) fn usage() -> Option<Usage> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, |dir| dir.count() as u64);
    // Linux reports times in ticks of 1/100 s and memory in pages of 4 KiB on every platform we build for.
    parse(&stat, 100.0, 4096).map(|usage| Usage { open_files, ..usage })
}

/// Fields are counted from 3 behind the name, which may itself hold spaces and brackets (proc(5)).
fn parse(stat: &str, ticks_per_second: f64, page_bytes: u64) -> Option<Usage> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Usage {
        resident_bytes: field(24)? * page_bytes,
        cpu_seconds: (field(14)? + field(15)?) as f64 / ticks_per_second,
        threads: field(20)?,
        open_files: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 99 0 0 0 250 50 0 0 20 0 9 0 100 1000000 300 18446744073709551615";
        let usage = parse(stat, 100.0, 4096).unwrap();
        assert_eq!((usage.resident_bytes, usage.cpu_seconds, usage.threads), (300 * 4096, 3.0, 9));
    }

    #[test]
    fn this_process_uses_something() {
        let usage = usage().unwrap();
        assert!(usage.resident_bytes > 0 && usage.threads > 0 && usage.open_files > 0);
    }
}
