//! Power cuts of a real file system under the whole data directory.
//!
//! The directory lies on an ext4 in a file, mounted over a loop device. At the cut the server's threads are stopped,
//! the file system is told that its disk is gone (`FS_IOC_SHUTDOWN`, without flushing its journal), and only then is the
//! process killed. A new mount replays the journal, as after a real cut.
//!
//! On a journal any fsync also saves the names that were made before it, so a forgotten fsync of a directory cannot be
//! seen there. Every other life therefore runs without a journal, and its cut is a copy of the disk as it is then: what
//! nobody synced is not on it. `e2fsck` takes the journal's place; where a removed directory, whose removal is not on the disk
//! yet, had given its block to a file, it repairs the directory over the file's content, and that life ends there.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::events::Random;
use crate::report::Report;
use crate::rounds::Life;
use crate::server::Setup;
use crate::sys;

const IMAGE_BYTES: u64 = 768 << 20;
const LOAD_MS_MAX: u64 = 900;

/// Why such cuts cannot be made here, where they cannot.
pub(crate) fn impossible() -> Option<&'static str> {
    if !sys::is_root() {
        return Some("power cuts of a real file system need root");
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("power cuts of a real file system need loop devices");
    }
    None
}

/// Runs `rounds` cuts.
pub(crate) async fn cuts(rounds: u32, per_life: u32, random: &mut Random, report: &mut Report) -> Result<()> {
    let mut left = rounds;
    let mut journal = false;
    while left > 0 && report.violations.is_empty() {
        journal = !journal;
        let temporary = TempDir::with_prefix("tephra-cut-")?;
        let disk = match LoopDisk::make(temporary.path(), journal) {
            Ok(disk) => disk,
            Err(error) => {
                report.skipped.push(format!("power cuts of a real file system: {error:#}"));
                return Ok(());
            }
        };
        let life = Life::at(disk.mount.join("data"), temporary.path(), random)?;
        let outcome = live(&life, &disk, left.min(per_life), random, report).await;
        let found = report.violations.len();
        life.close(
            outcome.with_context(|| format!("on a disk with{} a journal", if journal { "" } else { "out" })),
            report,
        );
        if report.violations.len() > found {
            drop(disk);
            report.kept.push(temporary.keep());
        }
        left = left.saturating_sub(per_life);
    }
    Ok(())
}

async fn live(life: &Life, disk: &LoopDisk, rounds: u32, random: &mut Random, report: &mut Report) -> Result<()> {
    std::fs::create_dir_all(&life.data_dir)?;
    for _ in 0..rounds {
        let mut server = life.spawn(&Setup::default())?;
        let client = server.ready().await?;
        life.check(&client).await?;
        let load = life.load(&client, random);
        tokio::time::sleep(Duration::from_millis(20 + random.below(LOAD_MS_MAX))).await;
        server.freeze()?;
        disk.cut()?;
        server.kill()?;
        load.finish().await;
        let sound = disk.power_on()?;
        report.fs_cuts += 1;
        if !sound {
            report.skipped.push("the rest of a life whose disk gave a file's block to a removed directory".to_owned());
            return Ok(());
        }
        if life.broken() {
            return Ok(());
        }
    }
    life.end(report).await
}

/// A file system in a file.
struct LoopDisk {
    image: PathBuf,
    copy: PathBuf,
    mount: PathBuf,
    journal: bool,
}

impl LoopDisk {
    fn make(beside: &Path, journal: bool) -> Result<Self> {
        let disk = Self { image: beside.join("disk"), copy: beside.join("copy"), mount: beside.join("mount"), journal };
        std::fs::File::create(&disk.image)?.set_len(IMAGE_BYTES)?;
        std::fs::create_dir(&disk.mount)?;
        let features = if journal { "has_journal" } else { "^has_journal" };
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-O", features]).arg(&disk.image))?;
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<()> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mount))
    }

    fn unmount(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match run(Command::new("umount").arg(&self.mount)) {
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// From now on nothing more reaches the disk.
    fn cut(&self) -> Result<()> {
        if self.journal {
            return sys::shutdown_file_system(&self.mount).context("could not shut the file system down");
        }
        run(Command::new("cp").args(["--sparse=always"]).arg(&self.image).arg(&self.copy))
    }

    /// Whether what was synced is still there; only the repair of a disk without a journal can undo that.
    fn power_on(&self) -> Result<bool> {
        self.unmount()?;
        let mut sound = true;
        if !self.journal {
            std::fs::rename(&self.copy, &self.image)?;
            let output = Command::new("e2fsck").args(["-f", "-y"]).arg(&self.image).output()?;
            // 0: clean; 1: errors corrected.
            if !matches!(output.status.code(), Some(0 | 1)) {
                bail!("`e2fsck` ended with {}", output.status);
            }
            sound = !repairs_over_a_file(&String::from_utf8_lossy(&output.stdout));
        }
        self.mount()?;
        Ok(sound)
    }
}

/// Whether `e2fsck` tells of a directory without a name that shares a block with something else.
fn repairs_over_a_file(told: &str) -> bool {
    let inodes = |before: &str| -> HashSet<&str> {
        let rest = told.lines().filter_map(|line| line.split_once(before));
        rest.filter_map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()).collect()
    };
    let shared = inodes("Multiply-claimed block(s) in inode ");
    inodes("Unconnected directory inode ").iter().any(|inode| shared.contains(inode))
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(&self.mount));
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("could not start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
