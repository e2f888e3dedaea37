//! `projections_lag`: at 1,000 events a second, from an event's commit until the checkpoints of all
//! projections have passed it; against the time the append itself takes. All roles run, each as its own
//! process; the events come through the store, and nobody uses HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::Utc;
use domain::game_server_instance::{InstanceClosedBy, InstanceCommand};
use domain::worker::{Surface, WorkerCommand};
use domain::{
    GameServerConfigId, GameServerId, GameServerInstanceId, StatusReport, StatusType, WorkerId,
};
use event_store::{Actor, CommandContext, EventStore, LogOptions};
use projectors::{PROJECTIONS, ProjectionInfo};
use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, interval_at, timeout};
use uuid::Uuid;

use crate::database::Database;
use crate::load::percentile;
use crate::roles::Role;
use crate::settings::Settings;
use crate::summary::Summary;

const PER_SECOND: u32 = 1_000;
/// Workers, each of which runs one instance after the other.
const TASKS: u32 = 50;
/// Commands of an instance's life, one event each: it is created, reports three statuses, and is closed.
const COMMANDS: u64 = 5;
const WARM_UP: Duration = Duration::from_secs(1);
/// How often the checkpoints are looked at. A lag may be measured longer by as much, and never shorter.
const RESOLUTION: Duration = Duration::from_millis(2);
/// How long the projections may take for the last events.
const CATCH_UP: Duration = Duration::from_secs(30);

/// An event that was committed.
struct Committed {
    position: i64,
    /// When the answer came.
    at: Instant,
    /// From the command to the answer, in milliseconds.
    took: f64,
}

/// From when on the checkpoints of all projections had passed which position.
type Passed = Vec<(Instant, i64)>;

/// Measures both in one run.
pub async fn run(settings: &Settings, summary: &mut Summary) -> Result<()> {
    let database = Database::migrated(settings).await?;
    let mut roles = Vec::new();
    for role in [
        "start-experience-api",
        "start-worker-dal-api",
        "start-status-api",
        "start-status-processor",
    ] {
        roles.push(Role::start(settings, &database, role).await?);
    }
    let (tell_end, end) = oneshot::channel();
    // Dropped with this function, whatever becomes of it.
    let mut watching = JoinSet::new();
    watching.spawn(watch(database.pool.clone(), end));
    let committed = append(settings, &database).await?;
    let last = committed.iter().map(|committed| committed.position).max().context("no event")?;
    tell_end.send(last).ok().context("nobody watches the checkpoints")?;
    let passed = timeout(CATCH_UP, watching.join_next()).await.context("projections hang")?;
    let passed = passed.context("nobody watched the checkpoints")???;
    for role in roles {
        role.stop().await?;
    }
    database.drop().await?;

    let mut lags: Vec<_> = committed.iter().map(|committed| committed.lag(&passed)).collect();
    let mut appends: Vec<_> = committed.iter().map(|committed| committed.took).collect();
    println!(
        "projections_lag: {:.0} events/s, p50 {:.1} ms, longest {:.1} ms; checkpoints were seen to move {} times",
        committed.len() as f64 / settings.duration().as_secs_f64(),
        percentile(&mut lags, 0.5),
        percentile(&mut lags, 1.0),
        passed.len()
    );
    let baseline = ("the append itself, p99", percentile(&mut appends, 0.99));
    summary.add("projections_lag", percentile(&mut lags, 0.99), "ms", baseline, "<= 20 ms");
    Ok(())
}

impl Committed {
    /// In milliseconds; 0 when the checkpoints had passed it before its answer was here.
    fn lag(&self, passed: &Passed) -> f64 {
        let first = passed.partition_point(|(_, position)| *position < self.position);
        let lag = passed.get(first).map(|(at, _)| at.saturating_duration_since(self.at));
        lag.map_or(f64::INFINITY, |lag| lag.as_secs_f64() * 1e3)
    }
}

/// Looks at the checkpoints until they have passed the position that `end` tells.
async fn watch(pool: PgPool, mut end: oneshot::Receiver<i64>) -> Result<Passed> {
    let names: Vec<_> = PROJECTIONS.iter().map(ProjectionInfo::checkpoint).collect();
    let mut connection = pool.acquire().await?;
    let mut ticks = interval(RESOLUTION);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut passed, mut until) = (Passed::new(), None);
    while until.is_none_or(|until| passed.last().is_none_or(|(_, position)| *position < until)) {
        ticks.tick().await;
        let position: i64 = sqlx::query_scalar(
            "SELECT CASE WHEN count(*) = cardinality($1) THEN min(position) ELSE 0 END
               FROM checkpoints WHERE name = ANY ($1)",
        )
        .bind(&names)
        .fetch_one(&mut *connection)
        .await?;
        if passed.last().is_none_or(|(_, last)| *last < position) {
            passed.push((Instant::now(), position));
        }
        until = until.or(end.try_recv().ok());
    }
    Ok(passed)
}

/// Appends at the rate, spread evenly and on time whatever the answers take: an open loop.
async fn append(settings: &Settings, database: &Database) -> Result<Vec<Committed>> {
    let store = EventStore::start(database.pool.clone(), LogOptions::default());
    let instances = Arc::new(AtomicI32::new(1));
    let started = Instant::now() + WARM_UP;
    let end = started + settings.duration();
    let period = Duration::from_secs(1) * TASKS / PER_SECOND;
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let (store, instances) = (store.clone(), Arc::clone(&instances));
        let first = tokio::time::Instant::now() + period * number / TASKS;
        tasks.spawn(async move {
            let worker = WorkerId(number as i32 + 1);
            register(&store, worker).await?;
            let mut ticks = interval_at(first, period);
            let (mut committed, mut instance) = (Vec::new(), 0);
            for command in 0.. {
                ticks.tick().await;
                if Instant::now() > end {
                    break;
                }
                if command % COMMANDS == 0 {
                    instance = instances.fetch_add(1, Ordering::Relaxed);
                }
                let one = carry_out(&store, worker, instance, command % COMMANDS).await?;
                // Connections are opened first: what that takes is not what is measured.
                if one.at > started {
                    committed.push(one);
                }
            }
            Ok::<_, anyhow::Error>(committed)
        });
    }
    let mut committed = Vec::new();
    while let Some(task) = tasks.join_next().await {
        committed.append(&mut task??);
    }
    Ok(committed)
}

/// The n-th command of an instance's life.
async fn carry_out(
    store: &EventStore,
    worker_id: WorkerId,
    instance: i32,
    n: u64,
) -> Result<Committed> {
    let at = Utc::now();
    let report = |status| {
        let report = StatusReport { status, as_of: at, received_at: at };
        InstanceCommand::ReportStatus(report.into())
    };
    let command = match n {
        0 => InstanceCommand::Create {
            game_server_instance_id: GameServerInstanceId(instance),
            game_server_config_id: GameServerConfigId(1),
            game_server_id: GameServerId(1),
            worker_id,
            at,
        },
        1 => report(StatusType::Initializing),
        2 => report(StatusType::Running),
        3 => report(StatusType::Complete),
        _ => InstanceCommand::Close { at, by: InstanceClosedBy::Shutdown },
    };
    let (id, context) = (instance.to_string(), context());
    let asked = Instant::now();
    let executed = if n == 0 {
        store.instances.create(&id, command, &context).await?
    } else {
        store.instances.execute(&id, command, &context).await?
    };
    let (at, took) = (Instant::now(), asked.elapsed().as_secs_f64() * 1e3);
    let position = executed.position().context("a command without an event")?.0;
    Ok(Committed { position, at, took })
}

async fn register(store: &EventStore, worker_id: WorkerId) -> Result<()> {
    let command = WorkerCommand::Register {
        worker_id,
        surface: Surface::V1,
        name: None,
        agent: None,
        at: Utc::now(),
    };
    store.workers.create(&worker_id.to_string(), command, &context()).await?;
    Ok(())
}

fn context() -> CommandContext {
    CommandContext::new(Actor::agent("bench"), Uuid::now_v7())
}
