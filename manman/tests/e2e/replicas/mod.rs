//! Five status processors, one of which is killed every two seconds and one now and then stopped for longer than its
//! leases last, while workers report and users ask: somebody always takes over, and nobody writes who may not.
//!
//! ```text
//! fleet      the processors, and what is done to them
//! load       what there is to do meanwhile
//! changes    every change of a checkpoint, as the database saw it
//! verdict    what must hold in the end
//! ```

mod changes;
mod fleet;
mod load;
mod verdict;

use std::time::Duration;

use self::changes::Changes;
use self::fleet::Fleet;
use self::load::Load;
use crate::support::{System, environment, eventually, run, setting};

/// How long it goes on.
const SECONDS: &str = "MANMAN_TEST_REPLICAS_SECONDS";
const USUAL_SECONDS: u64 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn of_five_replicas_the_others_take_over_whatever_happens_to_one_and_nothing_is_written_twice()
 {
    let seconds = setting(SECONDS).unwrap_or(USUAL_SECONDS);
    let mut system = System::start().await;
    let alone = system.take_process("start-status-processor");
    alone.signal("TERM").await;
    assert!(alone.ends().await.success());
    changes::begin(&system.database).await;
    let mut fleet = Fleet::start(&system).await;
    let load = Load::begin(&system).await;

    let blows = fleet.suffers(&system.database, Duration::from_secs(seconds)).await;
    let done = load.end().await;
    fleet.is_ready().await;
    system.is_caught_up().await;
    fleet.has_fair_shares(&system.database).await;
    let heard = done.heard_all(&system.database).await;

    let changes = Changes::read(&system.database).await;
    println!("{seconds} s: {}; {}", changes.in_words(), done.in_words());
    println!("a subscriber of the domain events got {heard}");
    changes.no_position_went_back_and_none_was_moved_by_a_stranger();
    println!("{}", verdict::takeovers(&changes, &blows));
    println!("{}", verdict::pauses(&changes, &blows));
    verdict::every_report_is_recorded_once_and_in_order(&system.database, &done.reported).await;
    fleet.stop().await;

    let environment = environment(&system.database.url(), Some(&system.broker));
    println!("{}", run(&["projections", "verify"], &environment).await.done());
    drop(done);
    system.stop().await;
}

impl System {
    /// Waits until relay and projections have done all that is on the log.
    async fn is_caught_up(&self) {
        let query = "SELECT count(*) >= 5 AND bool_and(position = (SELECT position FROM log_head))
                       FROM checkpoints WHERE name = 'relay' OR name LIKE 'projector.%'";
        eventually("everything is caught up", async || self.database.value(query).await).await;
    }
}
