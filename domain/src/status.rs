//! Statuses of workers and instances, and the one rule by which a report changes the current one.

use serde::{Deserialize, Serialize};

use crate::Instant;

/// The status of a worker or an instance, named as on the v1 wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StatusType {
    /// It exists; nothing was started yet.
    Created,
    /// It is being installed or started.
    Initializing,
    /// It runs.
    Running,
    /// It fell silent; only ManMan itself says so.
    Lost,
    /// It ended as asked.
    Complete,
    /// It ended unasked, or never came up.
    Crashed,
}

impl StatusType {
    /// Terminal statuses stay: a later report is recorded and changes nothing.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Crashed)
    }

    /// The word used on the v1 wire and in read models.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Initializing => "INITIALIZING",
            Self::Running => "RUNNING",
            Self::Lost => "LOST",
            Self::Complete => "COMPLETE",
            Self::Crashed => "CRASHED",
        }
    }
}

/// What a reporter said, on its own clock, and when it reached us, on ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The status reported.
    pub status: StatusType,
    /// The reporter's clock.
    pub as_of: Instant,
    /// Our clock at receipt; an `as_of` beyond it is clamped to it.
    pub received_at: Instant,
}

/// What became of a report. All reports are recorded; only a `Current` one changes the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The current status from here on: it is the newest, or an end that was heard of late.
    Current,
    /// A newer one (or one of the same instant) was already known.
    Outdated,
    /// The current status is terminal and stays.
    AfterTerminal,
}

/// The status shown for an entity, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentStatus {
    /// The status shown.
    pub status: StatusType,
    /// Strictly increasing per entity, so that a subscriber can order by it.
    pub as_of: Instant,
    /// The status to return to when a lost entity is heard of again.
    pub before_loss: Option<StatusType>,
}

impl CurrentStatus {
    /// A status that somebody observed.
    #[must_use]
    pub const fn observed(status: StatusType, as_of: Instant) -> Self {
        Self { status, as_of, before_loss: None }
    }

    /// LOST, remembering what was shown before.
    #[must_use]
    pub const fn lost(before: Option<&Self>, as_of: Instant) -> Self {
        let before_loss = match before {
            Some(before) => Some(before.status),
            None => None,
        };
        Self { status: StatusType::Lost, as_of, before_loss }
    }

    /// The status to show again after a loss. An entity lost before its first report is heard of
    /// again only because it runs, so RUNNING, as in v1.
    #[must_use]
    pub fn after_loss(&self) -> StatusType {
        self.before_loss.unwrap_or(StatusType::Running)
    }

    /// Whether the entity is held lost.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self.status, StatusType::Lost)
    }

    /// Places a report against the status known so far: its standing and the instant it counts from
    /// (the reporter's clock, clamped to the time of receipt; later only where what is shown is).
    ///
    /// A report older than what is shown is outdated, with three exceptions, if it is news: newer than
    /// `reported_as_of`, the last one of its reporter, so that nothing but our own observation or our
    /// own clock stands between the two:
    /// - An end is the truth whenever it is heard of. While a reporter is cut off, its entity is
    ///   declared lost, and later recovered, after the instant at which it really ended.
    /// - After a recovery anything is: we only showed again what we knew before. While it is lost
    ///   nothing but an end is believed so late: that it ran *before* the loss does not prove that it
    ///   lives. A recovery then returns to it.
    /// - Of a clock that runs ahead, all reports count from their receipt, and two may be received at
    ///   the same instant.
    #[must_use]
    pub fn place(
        current: Option<&Self>,
        reported_as_of: Option<Instant>,
        report: &StatusReport,
    ) -> (Standing, Instant) {
        let as_of = report.as_of.min(report.received_at);
        match current {
            Some(current) if current.status.is_terminal() => (Standing::AfterTerminal, as_of),
            Some(current) if as_of <= current.as_of => {
                let is_clamped = as_of < report.as_of;
                let is_believed = report.status.is_terminal() || is_clamped || !current.is_lost();
                if is_believed && is_news(reported_as_of, report.as_of) {
                    (Standing::Current, Self::next_as_of(Some(current), as_of))
                } else {
                    (Standing::Outdated, as_of)
                }
            }
            Some(_) | None => (Standing::Current, as_of),
        }
    }

    /// What was heard of a lost entity, though not since when: it is the status to return to.
    pub(crate) const fn heard_late(&mut self, status: StatusType) {
        if self.is_lost() {
            self.before_loss = Some(status);
        }
    }

    /// The first instant at or after `now` that still increases this entity's `as_of`: what we
    /// observe ourselves must not be outdated by a reporter whose clock runs ahead of ours.
    #[must_use]
    pub fn next_as_of(current: Option<&Self>, now: Instant) -> Instant {
        match current {
            Some(current) => now.max(current.as_of + chrono::Duration::microseconds(1)),
            None => now,
        }
    }
}

/// Whether a report says what its reporter has not said before, nor said otherwise since; `last` is its
/// [last](last_reported) instant.
pub(crate) fn is_news(last: Option<Instant>, reported_as_of: Instant) -> bool {
    last.is_none_or(|last| reported_as_of > last)
}

/// The last instant of a reporter, as sent, after one more report of it: what counts moves it, also
/// back, when the reporter's clock was put right; what is outdated moves it only on.
pub(crate) fn last_reported(
    before: Option<Instant>,
    reported_as_of: Instant,
    standing: Standing,
) -> Option<Instant> {
    match standing {
        Standing::Current => Some(reported_as_of),
        Standing::Outdated | Standing::AfterTerminal => before.max(Some(reported_as_of)),
    }
}
