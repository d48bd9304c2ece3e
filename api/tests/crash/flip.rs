//! Bit rot between two starts: one bit of one file is flipped, and nothing may become silently wrong.
//!
//! A flip is found if the server refuses to start, or says that a batch is in quarantine, or the query fails; it is
//! harmless if every event still reads as it was sent. Anything else is a broken promise.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::events::Random;
use crate::ledger::{State, Stored};
use crate::report::Report;
use crate::rounds::Life;
use crate::server::{Server, Setup, Started};

const FLIPS_PER_LIFE: u32 = 20;
const LOAD_MS: u64 = 700;
/// Two blocks of RocksDB's log.
const LOG_END_BYTES: u64 = 65_536;

/// Runs `rounds` flips.
pub(crate) async fn flips(rounds: u32, random: &mut Random, report: &mut Report) -> Result<()> {
    let mut left = rounds;
    while left > 0 && report.violations.is_empty() {
        let life = Life::new(random)?;
        let outcome = live(&life, left.min(FLIPS_PER_LIFE), random, report).await;
        life.close(outcome, report);
        left = left.saturating_sub(FLIPS_PER_LIFE);
    }
    Ok(())
}

async fn live(life: &Life, flips: u32, random: &mut Random, report: &mut Report) -> Result<()> {
    grow(life, random).await?;
    let beside = life.data_dir.parent().context("a data directory has a parent")?;
    let copy = beside.join("copy");
    for _ in 0..flips {
        copy_tree(&life.data_dir, &copy)?;
        let Some(flip) = Flip::random(&copy, random)? else { continue };
        let mut server =
            Server::spawn(&copy, &beside.join("flip.log"), &Setup { never_roll: true, ..Setup::default() })?;
        report.flips += 1;
        match look(life, &mut server).await {
            Ok(Finding::Harmless) => report.flips_harmless += 1,
            Ok(Finding::Found) => report.flips_found += 1,
            Ok(Finding::Silent(what)) => {
                life.ledger.lock().violation(format!("{flip} and nothing was said: {what}"));
                return Ok(());
            }
            Err(error) => {
                life.ledger.lock().violation(format!("{flip} and the server did not answer: {error:#}"));
                return Ok(());
            }
        }
        server.kill()?;
    }
    fs::remove_dir_all(&copy)?;
    Ok(())
}

/// Some cold files, then events that are only in the write-ahead log, then a kill.
async fn grow(life: &Life, random: &mut Random) -> Result<()> {
    for never_roll in [false, true] {
        let mut server = life.spawn(&Setup { never_roll, ..Setup::default() })?;
        let client = server.ready().await?;
        life.check(&client).await?;
        let load = life.load(&client, random);
        tokio::time::sleep(Duration::from_millis(LOAD_MS)).await;
        if never_roll {
            load.drain().await;
            // The last record of a log may be cut short by any crash: give it a successor.
            tokio::time::sleep(Duration::from_millis(250)).await;
            server.kill()?;
        } else {
            load.drain().await;
            client.roll().await?;
            server.stop().await?;
        }
    }
    Ok(())
}

enum Finding {
    Harmless,
    Found,
    Silent(String),
}

async fn look(life: &Life, server: &mut Server) -> Result<Finding> {
    let client = match server.started().await? {
        Started::Ready(client) => client,
        Started::Exited(_) => {
            let log = server.log_tail();
            let named = ["damaged", "corrupt", "Corrupt", "missing", "checksum", "mismatch"]
                .iter()
                .any(|word| log.contains(word));
            return Ok(if named {
                Finding::Found
            } else {
                Finding::Silent(format!("it ended without a name for it:\n{log}"))
            });
        }
    };
    let (events, acked, unknown) = {
        let ledger = life.ledger.lock();
        (ledger.events.clone(), ledger.batches(State::Acked), ledger.batches(State::Unknown))
    };
    let mut stored = Stored::new(&events, "sql");
    if let Err(error) = client.read_all(&mut stored).await {
        let text = format!("{error:#}");
        let named = text.contains("damaged") || text.contains("orrupt") || text.contains("\"corrupt\"");
        return Ok(if named { Finding::Found } else { Finding::Silent(format!("the query failed otherwise: {text}")) });
    }
    if let Some(wrong) = stored.wrong().first() {
        return Ok(Finding::Silent(wrong.clone()));
    }
    let lost: u64 = acked.iter().map(|batch| batch.count - stored.count_of(batch)).sum();
    let sent: u64 = acked.iter().chain(&unknown).map(|batch| batch.count).sum();
    if stored.rows() > sent {
        return Ok(Finding::Silent(format!("{} events where {sent} were sent", stored.rows())));
    }
    if lost == 0 {
        return Ok(Finding::Harmless);
    }
    if client.metric("tephra_hot_quarantined_batches").await? > 0.0 {
        return Ok(Finding::Found);
    }
    Ok(Finding::Silent(format!("{lost} acknowledged events are missing")))
}

/// One flipped bit.
struct Flip {
    path: PathBuf,
    byte: u64,
    bit: u8,
}

impl std::fmt::Display for Flip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bit {} of byte {} of `{}` was flipped", self.bit, self.byte, self.path.display())
    }
}

impl Flip {
    /// Flips a bit of a file that holds events: of the write-ahead log, an SST or blob file, the lake's log or Parquet.
    fn random(dir: &Path, random: &mut Random) -> Result<Option<Self>> {
        let mut kinds: [Vec<PathBuf>; 4] = Default::default();
        for path in files(dir)? {
            let kind = match path.extension().and_then(|extension| extension.to_str()) {
                Some("log") => 0,
                Some("sst" | "blob") => 1,
                Some("json") if path.components().any(|part| part.as_os_str() == "_delta_log") => 2,
                Some("parquet") => 3,
                _ => continue,
            };
            if fs::metadata(&path)?.len() > 0 {
                kinds[kind].push(path);
            }
        }
        kinds.iter_mut().for_each(|paths| paths.sort());
        let kind = random.below(4) as usize;
        let paths = &kinds[kind];
        if paths.is_empty() {
            return Ok(None);
        }
        let path = paths[random.below(paths.len() as u64) as usize].clone();
        let (length, bit) = (fs::metadata(&path)?.len(), random.below(8) as u8);
        let mut byte = random.below(length);
        if kind == 0 && length > 2 * LOG_END_BYTES && random.one_in(2) {
            // The mark lags by a moment: what it does not cover has to be found as well. Only a log's last block may
            // be cut short without a word, since that is what a crash does.
            fs::remove_file(dir.join("hot/MARK"))?;
            byte = random.below(length - LOG_END_BYTES);
        }
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut content = [0];
        file.read_exact_at(&mut content, byte)?;
        content[0] ^= 1 << bit;
        file.write_all_at(&content, byte)?;
        Ok(Some(Self { path, byte, bit }))
    }
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
