//! Shows that the harness has teeth: each planted bug has to be caught within a bounded number of rounds.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::args::Mode;
use crate::fscut;

/// The variable by which the server, and the store in this process, are told of a bug.
pub(crate) const VARIABLE: &str = "TEPHRA_PLANT";
/// How a run ends that found a broken promise.
pub(crate) const CAUGHT: i32 = 1;

/// A bug and the rounds that are to find it.
struct Plant {
    name: &'static str,
    mode: Mode,
    arguments: &'static [&'static str],
}

const PLANTS: [Plant; 7] = [
    Plant { name: "no_fsync", mode: Mode::Cut, arguments: &["--cuts", "20"] },
    Plant { name: "no_dir_fsync", mode: Mode::Fscut, arguments: &["--cuts", "80"] },
    Plant { name: "delete_before_commit", mode: Mode::Points, arguments: &["--point", "commit.before_write"] },
    Plant { name: "no_dedup", mode: Mode::Kill, arguments: &["--kills", "20"] },
    Plant { name: "point_in_time_recovery", mode: Mode::Flip, arguments: &["--cuts", "200"] },
    Plant { name: "no_digest_check", mode: Mode::Flip, arguments: &["--cuts", "200"] },
    Plant { name: "commit_without_txn_check", mode: Mode::Points, arguments: &["--point", "commit.after_write"] },
];

/// Plants every bug in turn.
pub(crate) fn all(seed: u64) -> Result<()> {
    let mut missed = Vec::new();
    for Plant { name, mode, arguments } in PLANTS {
        if let (Mode::Fscut, Some(why)) = (mode, fscut::impossible()) {
            println!("{name:26} skipped: {why}");
            continue;
        }
        let began = Instant::now();
        let output = Command::new(std::env::current_exe()?)
            .args(["--mode", &mode.to_string(), "--seed", &seed.to_string(), "--plant", name])
            .args(arguments)
            .env(VARIABLE, name)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let seconds = began.elapsed().as_secs();
        if output.status.code() == Some(CAUGHT) {
            let evidence = text.lines().find_map(|line| line.strip_prefix("violation: ")).unwrap_or("?");
            println!("{name:26} caught by `{mode}` in {seconds} s: {evidence}");
        } else {
            println!("{name:26} MISSED by `{mode}` in {seconds} s ({})\n{text}", output.status);
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            missed.push(name);
        }
    }
    if !missed.is_empty() {
        bail!("planted and not caught: {}", missed.join(", "));
    }
    Ok(())
}
