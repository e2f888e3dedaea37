//! What `/proc` says about a process. Where there is none, nothing is known.

use std::fs;

use uuid::Uuid;

/// A process, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Its process group.
    pub(crate) group: i32,
    /// Its session.
    pub(crate) session: i32,
    /// When it started, in clock ticks since boot. No two processes have both the same number and this.
    pub(crate) start_time: u64,
    /// It has ended, but its parent has not yet taken notice.
    pub(crate) is_dead: bool,
}

/// The process with this number.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The numbers of all processes.
pub(crate) fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Names the time since the host was last started.
pub(crate) fn boot_id() -> Option<Uuid> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    text.trim().parse().ok()
}

/// See proc(5): `pid (name) state parent group session …`, the start time being the 22nd. The name may have
/// blanks and parentheses in it.
fn parse(stat: &str) -> Option<Stat> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields = after_name.split_ascii_whitespace().collect::<Vec<_>>();
    Some(Stat {
        is_dead: matches!(*fields.first()?, "Z" | "X"),
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_rest() {
        let text = "4711 (a) Z (b) S 1 4711 4700 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 1";
        let expected = Stat { group: 4711, session: 4700, start_time: 98_765, is_dead: false };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("4711 (cut) S 1"), None);
    }

    #[test]
    fn this_process_is_known() {
        let own = std::process::id().cast_signed();
        if cfg!(target_os = "linux") {
            assert!(!stat(own).unwrap().is_dead);
            assert!(processes().any(|pid| pid == own));
            assert!(boot_id().is_some());
        }
    }
}
