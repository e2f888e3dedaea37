//! What a worker tells of an instance: its status, what else is known with it, and how far an
//! installation has come.

use serde::{Deserialize, Serialize};

use crate::text::cut;
use crate::{CurrentStatus, Instant, Standing, StatusReport, StatusType};

use super::aggregate::GameServerInstance;
use super::event::InstanceEvent;
use super::refusal::InstanceRefusal;

/// More of a reason is cut off.
const LONGEST_REASON: usize = 2_000;
/// Of more lines the last ones are kept.
const MOST_LINES: usize = 50;
/// More of a line is cut off.
const LONGEST_LINE: usize = 500;
/// More of a phase's name is cut off.
const LONGEST_PHASE: usize = 50;

/// A report about an instance. Only a status is needed; v1 workers tell nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceReport {
    /// The status.
    pub status: StatusReport,
    /// What else is known with it.
    pub detail: Option<StatusDetail>,
    /// How far it has come. Means something only while it is INITIALIZING.
    pub progress: Option<Progress>,
}

impl From<StatusReport> for InstanceReport {
    fn from(status: StatusReport) -> Self {
        Self { status, detail: None, progress: None }
    }
}

/// What is known with a status. Texts beyond a bound are cut, not refused: a report counts however
/// it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusDetail {
    /// The process on the game host.
    pub pid: Option<i32>,
    /// Why, in words for a person; at most 2,000 characters.
    pub reason: Option<String>,
    /// What the process exited with.
    pub exit_code: Option<i32>,
    /// The number of the signal that ended the process.
    pub signal: Option<i32>,
    /// The end of its output: at most 50 lines of at most 500 characters.
    pub last_lines: Vec<String>,
}

/// How far an installation has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, in one word; at most 50 characters.
    pub phase: String,
    /// Of this phase, 0 to 100.
    pub percent: Option<u8>,
    /// Of this phase, in bytes.
    pub bytes_done: Option<i64>,
    /// Of this phase, in bytes.
    pub bytes_total: Option<i64>,
}

impl StatusDetail {
    fn bounded(self) -> Self {
        let surplus = self.last_lines.len().saturating_sub(MOST_LINES);
        let last_lines = self.last_lines.iter().skip(surplus);
        Self {
            reason: self.reason.as_deref().map(|reason| cut(reason, LONGEST_REASON)),
            last_lines: last_lines.map(|line| cut(line, LONGEST_LINE)).collect(),
            ..self
        }
    }
}

impl Progress {
    fn made(self, as_of: Instant) -> InstanceEvent {
        InstanceEvent::InstanceProgressed {
            phase: cut(&self.phase, LONGEST_PHASE),
            percent: self.percent.map(|percent| percent.min(100)),
            bytes_done: self.bytes_done,
            bytes_total: self.bytes_total,
            as_of,
        }
    }
}

impl GameServerInstance {
    /// Closed instances may be reported on: v1 workers report the end after the shutdown.
    pub(super) fn report_status(
        &self,
        report: InstanceReport,
    ) -> Result<Vec<InstanceEvent>, InstanceRefusal> {
        self.require_run()?;
        let InstanceReport { status: report, detail, progress } = report;
        if report.status == StatusType::Lost {
            return Err(InstanceRefusal::LostReported);
        }
        let (standing, as_of) =
            CurrentStatus::place(self.status.as_ref(), self.reported_as_of, &report);
        let progressed = progress
            .filter(|_| report.status == StatusType::Initializing)
            .map(|progress| progress.made(as_of));
        if progressed.is_some() && detail.is_none() && self.is_initializing_at(as_of) {
            let is_overtaken = self.progressed_at.is_some_and(|last| as_of < last);
            return Ok(progressed.filter(|_| !is_overtaken).into_iter().collect());
        }
        let reported = InstanceEvent::InstanceStatusReported {
            status: report.status,
            reported_as_of: report.as_of,
            as_of,
            standing,
            detail: detail.map(StatusDetail::bounded),
        };
        let progressed = progressed.filter(|_| standing == Standing::Current);
        Ok(std::iter::once(reported).chain(progressed).collect())
    }

    /// Then a report of progress has no status to tell.
    fn is_initializing_at(&self, as_of: Instant) -> bool {
        self.status.is_some_and(|current| {
            current.status == StatusType::Initializing && current.as_of <= as_of
        })
    }
}
