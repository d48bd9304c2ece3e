//! What the command line asks for.

use std::fmt;

use clap::{Parser, ValueEnum};

/// Kills a real server and cuts its power until a promise breaks or the rounds are done.
#[derive(Clone, Debug, Parser)]
#[command(name = "crash")]
pub(crate) struct Args {
    /// Rounds that end with `kill -9`.
    #[arg(long, default_value_t = 50)]
    pub(crate) kills: u32,
    /// Rounds that end with a power cut.
    #[arg(long, default_value_t = 100)]
    pub(crate) cuts: u32,
    /// Where all randomness comes from; printed, so that a run can be had again.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Which kinds of round to run.
    #[arg(long, value_enum, default_value_t = Mode::All)]
    pub(crate) mode: Mode,
    /// Only this named point, in `points` mode.
    #[arg(long)]
    pub(crate) point: Option<String>,
    /// A bug to plant in the server: the run is then expected to fail.
    #[arg(long)]
    pub(crate) plant: Option<String>,
    /// Plants every bug in turn and fails unless each is caught.
    #[arg(long)]
    pub(crate) plants: bool,
    /// Rounds on one data directory before a fresh one.
    #[arg(long, default_value_t = 20)]
    pub(crate) rounds_per_dir: u32,
}

/// A kind of round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// `kill -9` at random moments, also while starting.
    Kill,
    /// Abort, or an error, at every named point of append, roll, commit and delete.
    Points,
    /// Power cuts of RocksDB's files in this process, on a simulated disk.
    Cut,
    /// Power cuts of a real file system on a loop device, which needs root.
    Fscut,
    /// One flipped bit in a file between two starts.
    Flip,
    /// All of them.
    All,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Points => "points",
            Self::Cut => "cut",
            Self::Fscut => "fscut",
            Self::Flip => "flip",
            Self::All => "all",
        })
    }
}
