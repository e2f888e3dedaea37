//! What is told: spooled on disk, in order, delivered when it can be.
//!
//! [`Reports::push`] never fails and never waits for anybody: the report is on disk when it returns, and
//! [`Delivery::run`] takes it to the API or the broker, now or when they are back. Reports of one [`Lane`] arrive in the
//! order in which they were pushed, but for outcomes, which do not wait for a broker that is away with the statuses
//! before them. Each arrives at least once, with an id by which a repetition is recognised:
//!
//! - a status carries it as its message id, and the intake records a message once;
//! - an instance is created under the id of its run and closed under that of the report, as `Idempotency-Key`: the API
//!   gives the first answer again;
//! - the other calls are PUTs that say what is; the first outcome of a command stays.
//!
//! | module | what it has |
//! |---|---|
//! | `report` | what can be told |
//! | `spool` | the directory: writing, reading, putting aside |
//! | `instances` | which instance each run is |
//! | `queue` | the same in memory, lane by lane |
//! | `shared` | both together, as those who report and those who deliver see them |
//! | `telling` | what it takes to tell a report |
//! | `steps` | telling it |
//! | `delivery` | what is told when |
//! | `transport`, `retry` | whether the other side is there, and when to try again |

mod delivery;
mod instances;
pub mod metrics;
mod queue;
mod report;
mod retry;
mod shared;
mod spool;
mod steps;
mod telling;
mod ticket;
mod transport;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use messaging::{Broker, Topology};
use uuid::Uuid;

pub use self::delivery::Delivery;
use self::queue::{Entry, Queue};
use self::report::Spooled;
pub use self::report::{Lane, Outcome, Report};
use self::shared::Shared;
use self::spool::Spool;
pub use self::ticket::{Receipt, Rejected, Ticket};
use crate::api::Api;
use crate::run_dir::RunId;

/// Takes reports. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reports {
    shared: Arc<Shared>,
}

impl Reports {
    /// Opens the spool in this directory, which is made if need be, with what earlier agents left in it. Nothing is
    /// delivered before [`Delivery::run`]. `broker` is a link of its own.
    ///
    /// # Errors
    /// When the directory cannot be made or listed. A file in it that cannot be read is put aside and logged.
    pub fn open(
        directory: PathBuf,
        api: Api,
        broker: Broker,
        topology: Topology,
    ) -> io::Result<(Self, Delivery)> {
        let (spool, left) = Spool::open(directory)?;
        if !left.reports.is_empty() {
            tracing::info!(
                reports = left.reports.len(),
                "found undelivered reports of an earlier agent"
            );
        }
        let mut queue = Queue::new(left.instances);
        for spooled in left.reports {
            queue.push(Entry::new(Arc::new(spooled), true, None));
        }
        queue.prune_instances();
        let shared = Arc::new(Shared::new(spool, queue));
        let delivery = Delivery { shared: Arc::clone(&shared), api, broker, topology };
        Ok((Self { shared }, delivery))
    }

    /// Reports something, for a worker. It is on disk when this returns, or, while the disk takes nothing, in memory.
    pub fn push(&self, worker_id: i32, lane: Lane, report: Report) -> Ticket {
        let id = report.id();
        self.shared.push(|at| Spooled { id, at, worker_id, lane, report })
    }

    /// Returns when nothing is undelivered.
    pub async fn drained(&self) {
        let mut undelivered = self.shared.queue().undelivered.subscribe();
        // Its sender lives as long as the queue does.
        drop(undelivered.wait_for(|undelivered| *undelivered == 0).await);
    }

    /// The instance that a run has become, once that was delivered; kept over restarts.
    #[must_use]
    pub fn instance_id(&self, run_id: RunId) -> Option<i32> {
        self.shared.queue().instances.id(run_id)
    }

    /// Whether this instance is a run of this host. One whose files were removed long after its end is not known any more.
    #[must_use]
    pub fn knows(&self, instance_id: i32) -> bool {
        self.shared.queue().instances.knows(instance_id)
    }

    /// The commands whose outcome is not delivered yet.
    #[must_use]
    pub fn outcomes(&self) -> HashSet<Uuid> {
        self.shared.queue().outcomes()
    }

    /// Nobody will ask for this run's instance any more. What was reported of it is delivered all the same.
    pub fn forget(&self, run_id: RunId) {
        self.shared.forget(run_id);
    }
}
