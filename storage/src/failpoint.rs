//! Named points at which a test may stop, delay or fail the process, and bugs that a test may plant.
//!
//! Both exist only behind cargo features; without them every call here is an empty inline function. `TEPHRA_FAILPOINTS`
//! arms points as `name=abort@3;name=error;name=sleep(50)`: what happens, and at which hit (the first where unsaid).

#[cfg(feature = "failpoints")]
use std::sync::{Arc, LazyLock};

use crate::error::Result;
#[cfg(feature = "failpoints")]
use crate::error::{Error, ErrorKind};

#[cfg(feature = "failpoints")]
static REGISTRY: LazyLock<Arc<fail_parallel::FailPointRegistry>> = LazyLock::new(|| {
    let registry = Arc::new(fail_parallel::FailPointRegistry::new());
    for point in std::env::var("TEPHRA_FAILPOINTS").unwrap_or_default().split(';').filter(|p| !p.is_empty()) {
        let (name, action) = point.split_once('=').unwrap_or((point, "abort"));
        arm(&registry, name, action);
    }
    registry
});

#[cfg(feature = "failpoints")]
fn arm(registry: &Arc<fail_parallel::FailPointRegistry>, name: &str, action: &str) {
    let (action, hit) = action.split_once('@').unwrap_or((action, "1"));
    let before = hit.parse::<u32>().unwrap_or(1).saturating_sub(1);
    let task = if action.starts_with("sleep") { action.to_owned() } else { format!("1*return({action})->off") };
    let actions = if before > 0 { format!("{before}*off->{task}") } else { task };
    if let Err(error) = fail_parallel::cfg(registry.clone(), name, &actions) {
        tracing::error!(point = name, error, "could not arm the failpoint");
    }
}

/// Passes the point `name`: does nothing unless a test armed it.
///
/// # Errors
/// `Internal` where the point is armed with `error`.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) -> Result<()> {
    match fail_parallel::eval(REGISTRY.clone(), name, |action| action).flatten().as_deref() {
        Some("abort") => std::process::abort(),
        Some(_) => Err(Error::new(ErrorKind::Internal, format!("failpoint `{name}`"))),
        None => Ok(()),
    }
}

/// Passes the point `name`: does nothing unless a test armed it.
///
/// # Errors
/// None in this build.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &str) -> Result<()> {
    Ok(())
}

/// Whether the bug `name` is planted in this process.
#[cfg(feature = "planted-bugs")]
pub fn planted(name: &str) -> bool {
    std::env::var("TEPHRA_PLANT").is_ok_and(|plant| plant == name)
}

/// Whether the bug `name` is planted in this process: never in this build.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub fn planted(_name: &str) -> bool {
    false
}
