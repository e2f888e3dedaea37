//! How far an install is.

/// How far an install is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// How much of the phase is done; `None` when nobody knows.
    pub percent: Option<u8>,
    /// Bytes done.
    pub bytes_done: Option<i64>,
    /// Bytes to do.
    pub bytes_total: Option<i64>,
}

impl Progress {
    /// A phase without a measure.
    pub(super) const fn of(phase: Phase) -> Self {
        Self { phase, percent: None, bytes_done: None, bytes_total: None }
    }

    /// Whether a person who saw `last` learns something: a phase may come again, but within it
    /// nothing goes backwards.
    pub(super) fn is_news_after(&self, last: &Self) -> bool {
        let same = self.phase == last.phase && self.bytes_total == last.bytes_total;
        !same || (self.percent, self.bytes_done) > (last.percent, last.bytes_done)
    }
}

/// What an install is doing; the order is SteamCMD's, which skips and repeats phases as it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// SteamCMD downloads and installs its own update.
    UpdatingSteamcmd,
    /// It logs in to Steam.
    Connecting,
    /// It finds out what is to be done.
    Reconfiguring,
    /// It checks the files that are there.
    Validating,
    /// It reserves space on the disk.
    Preallocating,
    /// It downloads.
    Downloading,
    /// It checks what it downloaded.
    Verifying,
    /// It moves what it downloaded to its place.
    Committing,
    /// An attempt failed; the next one follows after a wait.
    Retrying,
}

impl Phase {
    /// Its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpdatingSteamcmd => "updating_steamcmd",
            Self::Connecting => "connecting",
            Self::Reconfiguring => "reconfiguring",
            Self::Validating => "validating",
            Self::Preallocating => "preallocating",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Committing => "committing",
            Self::Retrying => "retrying",
        }
    }
}
