//! What the rounds did and what they found.

use std::path::PathBuf;

use crate::ledger::Totals;

/// Counts over all rounds of a run, and the broken promises.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) kills: u64,
    pub(crate) kills_at_start: u64,
    pub(crate) points: u64,
    pub(crate) cuts: u64,
    pub(crate) fs_cuts: u64,
    pub(crate) flips: u64,
    pub(crate) flips_found: u64,
    pub(crate) flips_harmless: u64,
    /// Points that were armed and not reached.
    pub(crate) unreached: Vec<String>,
    /// What could not be run here, and why.
    pub(crate) skipped: Vec<String>,
    pub(crate) totals: Totals,
    pub(crate) violations: Vec<String>,
    /// Directories that were kept for a look.
    pub(crate) kept: Vec<PathBuf>,
}

impl Report {
    pub(crate) fn add(&mut self, more: &Totals) {
        let totals = &mut self.totals;
        totals.acked += more.acked;
        totals.refused += more.refused;
        totals.unknown_stored += more.unknown_stored;
        totals.unknown_absent += more.unknown_absent;
        totals.duplicates_dropped += more.duplicates_dropped;
        totals.rows_compared += more.rows_compared;
        totals.checks += more.checks;
        totals.audits += more.audits;
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Totals {
            acked,
            refused,
            unknown_stored,
            unknown_absent,
            duplicates_dropped,
            rows_compared,
            checks,
            audits,
        } = self.totals;
        writeln!(f, "  kills            {} under load, {} while starting", self.kills, self.kills_at_start)?;
        writeln!(f, "  named points     {}", self.points)?;
        writeln!(f, "  power cuts       {} simulated, {} of a real file system", self.cuts, self.fs_cuts)?;
        writeln!(
            f,
            "  flipped bits     {} ({} found, {} harmless)",
            self.flips, self.flips_found, self.flips_harmless
        )?;
        writeln!(f, "  acknowledged     {acked} events, {refused} refused")?;
        writeln!(f, "  without answer   {unknown_stored} events stored, {unknown_absent} not")?;
        writeln!(f, "  dropped again    {duplicates_dropped} duplicates")?;
        writeln!(f, "  compared         {rows_compared} rows in {checks} checks, {audits} counts under load")?;
        for what in &self.skipped {
            writeln!(f, "  skipped          {what}")?;
        }
        for what in &self.unreached {
            writeln!(f, "  not reached      {what}")?;
        }
        Ok(())
    }
}
