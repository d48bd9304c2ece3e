//! One commit to the table's log, by our own loop over its put-if-absent.
//!
//! Every commit carries a transaction: the node and the last sequence number that its roll covers. Before a commit is
//! tried, and after any answer but a clean one, the log is read: if our own bytes stand there, we won; if another commit
//! moved our transaction, an earlier attempt of ours did, and this one must not add the same events again.
//!
//! The commit carries a checksum of its own actions, so that a flipped bit in the log is named.

use bytes::Bytes;
use deltalake_core::kernel::transaction::{CommitData, TransactionError};
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::logstore::{CommitOrBytes, LogStoreRef, get_actions};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;

/// The member of a commit's information that holds our facts.
const INFO: &str = "tephra";
/// Attempts against other writers before a commit is given up.
const ATTEMPTS: u32 = 64;

/// How a commit ended. An error means that it is unknown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It stands in the log as this version.
    Committed(u64),
    /// An earlier attempt's commit covers it, at least in part: nothing was added.
    Lost(u64),
}

/// The bytes of a commit.
pub(crate) fn encode(actions: Vec<Action>, app_id: &str, watermark: u64) -> Result<Bytes> {
    let failed = |error: &dyn std::fmt::Display| Error::internal(format!("could not encode a commit: {error}"));
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let version = i64::try_from(watermark).map_err(|error| failed(&error))?;
    let data = CommitData::new(actions, operation, Default::default(), vec![Transaction::new(app_id, version)]);
    let bytes = data.get_bytes().map_err(|error| failed(&error))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| failed(&error))?;
    let (info, actions): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("{\"commitInfo\""));
    let mut info: Map<String, Value> = serde_json::from_str(info.first().copied().unwrap_or(r#"{"commitInfo":{}}"#))
        .map_err(|error| failed(&error))?;
    if let Some(info) = info.get_mut("commitInfo").and_then(Value::as_object_mut) {
        let uuid = uuid::Uuid::new_v4().simple().to_string();
        let checksum = format!("{:016x}", checksum(actions.iter().copied()));
        info.insert(INFO.into(), serde_json::json!({"uuid": uuid, "checksum": checksum}));
    }
    let info = serde_json::to_string(&info).map_err(|error| failed(&error))?;
    let lines: Vec<&str> = std::iter::once(info.as_str()).chain(actions).collect();
    Ok(Bytes::from(lines.join("\n")))
}

/// The actions of a commit, checked against its checksum where it has one.
///
/// # Errors
/// `Corrupt` naming the version.
pub(crate) fn decode(version: u64, bytes: &Bytes) -> Result<Vec<Action>> {
    let corrupt = |why: String| Error::corrupt(format!("commit {version} of the lake is damaged: {why}"));
    let text = std::str::from_utf8(bytes).map_err(|error| corrupt(error.to_string()))?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let info = lines.iter().position(|line| line.starts_with("{\"commitInfo\""));
    for line in &lines {
        serde_json::from_str::<serde::de::IgnoredAny>(line).map_err(|error| corrupt(error.to_string()))?;
    }
    let expected = info
        .and_then(|at| serde_json::from_str::<Value>(lines[at]).ok())
        .and_then(|info| Some(info["commitInfo"][INFO]["checksum"].as_str()?.to_owned()));
    let ours = text.contains("\"tephra\"");
    let actions = lines.iter().enumerate().filter(|(at, _)| Some(*at) != info).map(|(_, line)| *line);
    match expected {
        Some(expected) if expected != format!("{:016x}", checksum(actions)) => {
            return Err(corrupt("its checksum does not match".into()));
        }
        None if ours || version > 0 && info.is_none() => return Err(corrupt("its checksum cannot be read".into())),
        _ => {}
    }
    get_actions(version, bytes).map_err(|error| corrupt(error.to_string()))
}

fn checksum<'a>(lines: impl Iterator<Item = &'a str>) -> u64 {
    xxh3_64(lines.collect::<Vec<_>>().join("\n").as_bytes())
}

/// Writes `bytes` as the next version after `seen`, calling `apply` with each version that comes before it.
///
/// # Errors
/// `Busy` where the outcome is unknown; `Corrupt` where the log cannot be read; what `apply` returns.
pub(crate) async fn commit(
    log: &LogStoreRef,
    mut seen: u64,
    bytes: &Bytes,
    app_id: &str,
    mut apply: impl FnMut(u64, &[Action]) -> Result<()>,
) -> Result<Outcome> {
    let unknown = |error: &dyn std::fmt::Display| Error::busy(format!("the outcome of a commit is unknown: {error}"));
    let mut last_error = None;
    for _ in 0..ATTEMPTS {
        while let Some(entry) = log.read_commit_entry(seen + 1).await.map_err(|error| unknown(&error))? {
            seen += 1;
            let actions = decode(seen, &entry)?;
            apply(seen, &actions)?;
            if entry == *bytes {
                return Ok(Outcome::Committed(seen));
            }
            let moved = actions.iter().any(|action| matches!(action, Action::Txn(txn) if txn.app_id == app_id));
            if moved && !failpoint::planted("commit_without_txn_check") {
                return Ok(Outcome::Lost(seen));
            }
            if actions.iter().any(|action| matches!(action, Action::Protocol(_))) {
                return Err(Error::new(ErrorKind::Invalid, format!("commit {seen} changed the lake's protocol")));
            }
        }
        failpoint::hit("commit.before_write")?;
        let written =
            log.write_commit_entry(seen + 1, CommitOrBytes::LogBytes(bytes.clone()), uuid::Uuid::new_v4()).await;
        failpoint::hit("commit.after_write")?;
        match written {
            // Also a clean answer is applied through the log, so that there is one way in.
            Ok(()) | Err(TransactionError::VersionAlreadyExists(_)) => {}
            Err(error) => {
                tracing::warn!(%error, version = seen + 1, "a commit was answered unclearly: reading it back");
                if last_error.replace(error.to_string()).is_some() {
                    break;
                }
            }
        }
    }
    Err(unknown(&last_error.unwrap_or_else(|| format!("{ATTEMPTS} attempts lost against other writers"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(watermark: u64) -> Bytes {
        encode(Vec::new(), "tephra/node-1", watermark).unwrap()
    }

    #[test]
    fn a_commit_decodes_to_its_actions_and_no_two_are_alike() {
        let bytes = commit(42);
        let actions = decode(3, &bytes).unwrap();
        assert!(
            actions.iter().any(|a| matches!(a, Action::Txn(txn) if txn.app_id == "tephra/node-1" && txn.version == 42))
        );
        assert_ne!(commit(42), bytes, "the same actions by another attempt are another commit");
    }

    #[test]
    fn a_flipped_bit_in_the_actions_is_named() {
        let bytes = commit(42);
        let start = bytes.windows(6).position(|w| w == b"{\"txn\"").unwrap();
        for at in start..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1;
            let error = decode(3, &damaged.into()).unwrap_err().to_string();
            assert!(error.contains("commit 3"), "{error}");
        }
    }
}
