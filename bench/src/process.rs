//! What the system says of a process. Linux only, as `/proc` is.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// What `/proc` counts CPU time in, whatever the kernel's own clock: `USER_HZ`, 100 wherever Linux runs these days.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process's memory, in millions of bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// All of it that is in memory, also what it shares with others, such as the program's code.
    pub resident: f64,
    /// The same, with what is shared divided by the number of those who share it.
    pub proportional: f64,
    /// What nobody else has.
    pub private: f64,
}

/// Its memory now.
pub fn memory(pid: i32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let of = |name: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_suffix("kB"));
        let kib: f64 = line.with_context(|| format!("no {name} in {path}"))?.trim().parse()?;
        Ok(kib * 1024.0 / 1e6)
    };
    Ok(Memory {
        resident: of("Rss:")?,
        proportional: of("Pss:")?,
        private: of("Private_Clean:")? + of("Private_Dirty:")?,
    })
}

/// The CPU time that these processes have taken so far, all their threads together.
pub fn cpu_time(pids: impl IntoIterator<Item = i32>) -> Result<Duration> {
    let mut ticks = 0;
    for pid in pids {
        // In user mode and in the kernel, numbers 14 and 15 in proc(5).
        ticks += stat(pid, 14)? + stat(pid, 15)?;
    }
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// When it started, in clock ticks since boot: with the id it is a process's identity.
pub fn start_time(pid: i32) -> Result<u64> {
    stat(pid, 22)
}

/// A number of `/proc/<pid>/stat`, counted as in proc(5).
fn stat(pid: i32, number: usize) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name, which is the second, may have anything in it.
    let (_, rest) = text.rsplit_once(')').with_context(|| path.clone())?;
    let field = rest.split_whitespace().nth(number - 3).with_context(|| path.clone())?;
    Ok(field.parse()?)
}
