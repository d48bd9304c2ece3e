//! Real logs and payloads, as they are and damaged; from the folder that `TEPHRA_CORPUS` names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tephra_ingest::{Limits, ndjson};

use crate::hostile::feed;
use crate::sample::receipt;

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("TEPHRA_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: TEPHRA_CORPUS is not set");
    }
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() { files.extend(self::files(&entry.path())) } else { files.push(entry.path()) }
    }
    files.sort();
    files
}

#[test]
fn log_lines_group_into_few_templates() {
    let Some(corpus) = corpus() else { return };
    let limits = Limits::default();
    for file in files(&corpus.join("loghub")).into_iter().filter(|file| file.extension().is_some_and(|e| e == "log")) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        let body: String = lines.iter().map(|line| serde_json::json!({"message": line}).to_string() + "\n").collect();
        let decoded = ndjson::lines(&receipt(&limits), &Bytes::from(body)).unwrap();
        assert_eq!(decoded.events.len(), lines.len(), "{}", file.display());
        let groups: HashSet<u64> = decoded.events.iter().map(|event| event.group_hash).collect();
        assert!(
            groups.len() < lines.len() * 3 / 4,
            "{}: {} groups of {} lines",
            file.display(),
            groups.len(),
            lines.len()
        );
    }
}

#[test]
fn payloads_never_panic() {
    let Some(corpus) = corpus() else { return };
    for file in files(&corpus) {
        let mut body = std::fs::read(&file).unwrap();
        body.truncate(64 << 10);
        feed(&body);
        for step in [7, 97, 997] {
            let mut damaged = body.clone();
            damaged.iter_mut().skip(step / 2).step_by(step).for_each(|byte| *byte ^= 0x15);
            feed(&damaged);
        }
    }
}
