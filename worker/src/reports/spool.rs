//! The reports on disk, and their order.
//!
//! ```text
//! <20 digits>.json    a report that is not delivered; the digits are its instant in microseconds
//! last-told.json      the newest report that was delivered, so that no later one has an earlier instant
//! instances.json      which instance each run is
//! rejected/           reports refused for good, with the reason
//! unreadable/         files that could not be read
//! ```
//!
//! Files are written without waiting for the disk, and made to last within a second if they are still there then. An
//! agent that is killed loses nothing, a machine that loses its power the last second; reports that are delivered at
//! once cost no wait at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::Serialize;

use super::instances::Instances;
use super::report::Spooled;
use crate::files;

const LAST_TOLD: &str = "last-told.json";
const INSTANCES: &str = "instances.json";
const REJECTED: &str = "rejected";
const UNREADABLE: &str = "unreadable";
/// How many rejected reports are kept; the oldest make room.
const REJECTED_KEPT: usize = 1_000;
/// Digits after the second of a report's instant.
const MICROSECONDS: u16 = 6;

/// The directory of undelivered reports.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    /// The instant of the newest report.
    last: DateTime<Utc>,
    /// The instant of the newest report that was delivered.
    told: DateTime<Utc>,
    /// Whether the last attempt to write failed.
    is_failing: bool,
    /// Whether what is known of instances is not what is written of them.
    are_instances_stale: bool,
    /// Written, and not known to be on the disk.
    unsynced: Vec<PathBuf>,
    /// To be removed, and could not be.
    stuck: Vec<PathBuf>,
}

/// What earlier agents left.
#[derive(Debug)]
pub(super) struct Left {
    /// Undelivered reports, in order.
    pub(super) reports: Vec<Spooled>,
    pub(super) instances: Instances,
}

/// A rejected report as it is kept for people.
#[derive(Serialize)]
struct RejectedReport<'a> {
    reason: &'a str,
    report: &'a Spooled,
}

impl Spool {
    /// Reads what is there. A file that cannot be read is put aside and logged.
    pub(super) fn open(directory: PathBuf) -> io::Result<(Self, Left)> {
        fs::create_dir_all(&directory)?;
        let mut spool = Self {
            directory,
            last: DateTime::UNIX_EPOCH,
            told: DateTime::UNIX_EPOCH,
            is_failing: false,
            are_instances_stale: false,
            unsynced: Vec::new(),
            stuck: Vec::new(),
        };
        let instances = spool.read(&spool.path(INSTANCES)).unwrap_or_default();
        if let Some(told) = spool.read::<Spooled>(&spool.path(LAST_TOLD)) {
            spool.told = told.at;
            spool.last = told.at;
        }
        let reports = spool.read_reports()?;
        if let Some(newest) = reports.last() {
            spool.last = spool.last.max(newest.at);
        }
        Ok((spool, Left { reports, instances }))
    }

    fn read_reports(&self) -> io::Result<Vec<Spooled>> {
        let mut reports = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == files::UNFINISHED) {
                // Its report was not told of yet when the agent died.
                drop(files::remove(&path));
            } else if is_report(&path) {
                match self.read::<Spooled>(&path) {
                    Some(report) if path.ends_with(report.file_name()) => reports.push(report),
                    Some(_) => self.put_aside(&path, "its name is not that of its report"),
                    None => {}
                }
            }
        }
        reports.sort_by_key(|report| report.at);
        Ok(reports)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Option<T> {
        files::read_json(path).unwrap_or_else(|error| {
            self.put_aside(path, &error.to_string());
            None
        })
    }

    fn put_aside(&self, path: &Path, reason: &str) {
        let file = path.display();
        tracing::error!(%file, reason, "a spooled file cannot be read and is put aside");
        let aside = self.path(UNREADABLE);
        let name = path.file_name().unwrap_or_default();
        let moved = fs::create_dir_all(&aside).and_then(|()| fs::rename(path, aside.join(name)));
        if let Err(error) = moved {
            tracing::warn!(%file, %error, "the file could not be put aside");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn path_of(&self, report: &Spooled) -> PathBuf {
        self.path(&report.file_name())
    }

    /// The instant of a report that is made now: later than all before it, whatever the clock does. v1's subscribers
    /// drop a status that is not later than the one before.
    pub(super) fn stamp(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        let next = self.last + TimeDelta::microseconds(1);
        self.last = now.trunc_subsecs(MICROSECONDS).max(next);
        self.last
    }

    /// Writes a report; whether that worked. What fails is said once, and once when it works again.
    pub(super) fn put(&mut self, report: &Spooled) -> bool {
        let path = self.path_of(report);
        let written = files::put_json(&path, report);
        self.note(written, path)
    }

    /// Writes which instance each run is; whether that worked.
    pub(super) fn put_instances(&mut self, instances: &Instances) -> bool {
        let path = self.path(INSTANCES);
        let written = files::put_json(&path, instances);
        let is_written = self.note(written, path);
        self.are_instances_stale = !is_written;
        is_written
    }

    /// Whether [`put_instances`](Self::put_instances) is to be tried again.
    pub(super) const fn are_instances_stale(&self) -> bool {
        self.are_instances_stale
    }

    fn note(&mut self, written: io::Result<()>, path: PathBuf) -> bool {
        let directory = self.directory.display();
        match written {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(%directory, "the spool can be written again");
                }
                self.unsynced.push(path);
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(%directory, %error, "the spool cannot be written; reports are kept in memory");
                }
                false
            }
        }
    }

    /// A report was delivered: its file goes, or stays as the newest that was told.
    pub(super) fn told(&mut self, report: &Spooled) {
        let path = self.path_of(report);
        if report.at > self.told && fs::rename(&path, self.path(LAST_TOLD)).is_ok() {
            self.told = report.at;
        } else {
            self.remove(path);
        }
    }

    /// A report will not be told, and nobody needs to know.
    pub(super) fn forget(&mut self, report: &Spooled) {
        self.remove(self.path_of(report));
    }

    /// A report was refused for good: it is kept for people.
    pub(super) fn reject(&mut self, report: &Spooled, reason: &str) {
        let directory = self.path(REJECTED);
        let kept = fs::create_dir_all(&directory).and_then(|()| {
            files::put_json(&directory.join(report.file_name()), &RejectedReport { reason, report })
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "a rejected report could not be kept");
        }
        self.remove(self.path_of(report));
        self.prune_rejected();
    }

    fn prune_rejected(&self) {
        let Ok(entries) = fs::read_dir(self.path(REJECTED)) else { return };
        let mut kept: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        kept.sort();
        let surplus = kept.len().saturating_sub(REJECTED_KEPT);
        for path in &kept[..surplus] {
            drop(files::remove(path));
        }
    }

    /// What is still there after a crash is delivered again, which does no harm.
    fn remove(&mut self, path: PathBuf) {
        if let Err(error) = files::remove(&path) {
            if self.stuck.is_empty() {
                tracing::warn!(file = %path.display(), %error, "a delivered report could not be removed");
            }
            self.stuck.push(path);
        }
    }

    /// Whether there is anything for [`keep_house`](Self::keep_house) or [`take_unsynced`](Self::take_unsynced).
    pub(super) const fn is_untidy(&self) -> bool {
        !self.unsynced.is_empty() || !self.stuck.is_empty() || self.are_instances_stale
    }

    /// Tries again what failed. A directory that somebody removed is made anew.
    pub(super) fn keep_house(&mut self) {
        if self.is_failing {
            drop(fs::create_dir_all(&self.directory));
        }
        for path in std::mem::take(&mut self.stuck) {
            self.remove(path);
        }
    }

    /// What was written since the last call and is still there, for [`files::sync`]: the directory last.
    pub(super) fn take_unsynced(&mut self) -> Vec<PathBuf> {
        let mut paths = std::mem::take(&mut self.unsynced);
        paths.retain(|path| path.exists());
        if !paths.is_empty() {
            paths.push(self.directory.clone());
        }
        paths
    }
}

fn is_report(path: &Path) -> bool {
    let is_number = |name: &str| name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    path.extension().is_some_and(|extension| extension == "json")
        && path.file_stem().and_then(|name| name.to_str()).is_some_and(is_number)
}
