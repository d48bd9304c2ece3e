//! `tephra admin cost`: what one login costs on this machine.

use std::fmt::Write;
use std::time::Instant;

use crate::auth::password::{COST, Hasher, generate};

const ROUNDS: usize = 10;

/// Hashes a few passwords, one after the other.
pub(super) fn measure() -> anyhow::Result<String> {
    let (hasher, password) = (Hasher::default(), generate());
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        hasher.hash_now(&password)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let (memory, passes, lanes) = COST;
    let mut out = format!("argon2id, {memory} KiB, {passes} passes, {lanes} lane\n");
    let (least, middle, most) = (times[0], times[ROUNDS / 2], times[ROUNDS - 1]);
    let _ = writeln!(out, "one login: {middle:.0} ms (of {ROUNDS}: {least:.0} to {most:.0} ms)");
    if !(50.0..=250.0).contains(&middle) {
        out.push_str("a login is meant to cost 50 to 250 ms; the parameters are `COST` in api/src/auth/password.rs\n");
    }
    Ok(out)
}
