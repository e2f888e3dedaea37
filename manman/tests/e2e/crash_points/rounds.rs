//! Who dies where.

use std::os::unix::process::ExitStatusExt;

use crash_points::{Point, VARIABLE};

use crate::support::{Environment, Program, Random, System, eventually, run};

/// A process dies when it reaches its point for the first time, or up to so many times later.
const MOST_TIMES: u64 = 8;

pub const EXPERIENCE: &str = "start-experience-api";
const DAL: &str = "start-worker-dal-api";
pub const PROCESSOR: &str = "start-status-processor";
/// An operator's verb: it is begun, and when it has died it is not missed until somebody goes on with it.
const REBUILD: &str = "projections rebuild";

/// Which process dies where. Neighbours are different processes: while one finds its way back the next one dies.
const TARGETS: [(Point, &str); 14] = [
    (Point::AppendBefore, EXPERIENCE),
    (Point::BatchBeforeCommit, PROCESSOR),
    (Point::AppendBefore, DAL),
    (Point::BatchAfterCommit, PROCESSOR),
    (Point::SwitchBeforeCommit, REBUILD),
    (Point::RelayBeforePublish, PROCESSOR),
    (Point::AppendAfter, EXPERIENCE),
    (Point::PublishBetween, PROCESSOR),
    (Point::AppendAfter, DAL),
    (Point::RelayPublished, PROCESSOR),
    (Point::SwitchAfterCommit, REBUILD),
    (Point::AppendBefore, PROCESSOR),
    (Point::AppendAfter, PROCESSOR),
    (Point::IntakeBeforeAck, PROCESSOR),
];

/// One death.
pub struct Round {
    pub point: Point,
    pub process: &'static str,
    /// It dies when it reaches the point for this time.
    times: u64,
}

/// Each target in its turn.
pub fn any(crashes: usize, mut random: Random) -> Vec<Round> {
    let targets = TARGETS.into_iter().cycle().take(crashes);
    targets
        .map(|(point, process)| {
            // All tables are switched at once.
            let most = if process == REBUILD { 1 } else { MOST_TIMES };
            Round { point, process, times: 1 + random.below(most) }
        })
        .collect()
}

impl Round {
    /// Ends with everything running that ran before, or on its way to.
    pub async fn play(&self, system: &mut System) {
        if self.process == REBUILD {
            self.crash_a_rebuild(system).await;
        } else {
            self.crash_a_service(system).await;
        }
    }

    /// It begins anew, with the order to die, and once more without it.
    async fn crash_a_service(&self, system: &mut System) {
        let process = self.process;
        let what = format!("{process} is ready");
        eventually(&what, async || system.api(process).is_well("/readyz").await).await;
        let running = system.take_process(process);
        running.signal("TERM").await;
        let ended = running.ends().await;
        assert!(ended.success(), "{process}: {ended}");

        system.start_process_with(process, &self.order());
        self.dies(system.take_process(process)).await;
        system.start_process(process);
    }

    /// Whoever goes on with it comes to its end.
    async fn crash_a_rebuild(&self, system: &System) {
        let rebuild = ["projections", "rebuild", "--all", "--auto-switch", "--quiet"];
        self.dies(Program::start(&rebuild, &system.environment_with(&self.order()))).await;
        let environment = system.environment_with(&Environment::new());
        if self.point == Point::SwitchBeforeCommit {
            let resume = ["projections", "resume", "--all", "--auto-switch", "--quiet"];
            eventually("the rebuild goes on", async || {
                run(&resume, &environment).await.status.success()
            })
            .await;
        } else {
            run(&rebuild, &environment).await.done();
        }
    }

    fn order(&self) -> Environment {
        vec![(VARIABLE, format!("{}:{}", self.point.name(), self.times))]
    }

    async fn dies(&self, program: Program) {
        let ended = program.ends().await;
        let (process, point) = (self.process, self.point.name());
        assert_eq!(ended.signal(), Some(9), "{process} at {point}: {ended}");
    }
}
