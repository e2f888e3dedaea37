//! `manman projections`: how read models stand, and whether they say what the log says.

use clap::{Args, Subcommand};
use projectors::{PROJECTIONS, ProjectionInfo};

use super::Json;

const LIST_EXAMPLE: &str = r#"With --json:
  {"head":{"position":1234,"recorded_at":"2026-01-02T03:04:05.678901Z"},
   "relay":{"position":1234,"lag_events":0,"lag_seconds":0.0,"moved_at":"2026-01-02T03:04:05.681Z"},
   "projections":[{"name":"workers","version":1,"tables":["workers"],"position":1230,"lag_events":4,
                   "lag_seconds":0.012,"moved_at":"2026-01-02T03:04:05.669Z"}]}
lag_seconds is how long the oldest event that is yet to be applied has been on the log."#;

const LAG_EXAMPLE: &str = r#"Exit status: 0 when nothing is behind by more than --max, 1 when something is. To wait:
  until manman projections lag >/dev/null; do sleep 1; done
With --json:
  {"head":1234,"max":0,"behind":["workers"],
   "relay":{"position":1234,"lag_events":0,"lag_seconds":0.0},
   "projections":[{"name":"workers","position":1230,"lag_events":4,"lag_seconds":0.012}]}"#;

const VERIFY_EXAMPLE: &str = r#"The system may be in use: the live rows are seen as they are at one moment, and the rebuilt ones brought to the position
they show then. Nothing is stopped, nothing is left behind, and others may verify or rebuild at the same time.

Exit status: 0 when all are equal, 1 when one differs.
With --json:
  {"equal":false,
   "tables":[{"projection":"workers","table":"workers","position":1234,"equal":false,"rows":6,"rebuilt_rows":6,
              "hash":"0cc175b9c0f1b6a831c399e269772661","rebuilt_hash":"92eb5ffee6ae2fec3ad71c777531578f",
              "only_live":1,"only_rebuilt":1}]}"#;

const DIFF_EXAMPLE: &str = r#"A row is missing (the log says it should be there), extra (it is there, and should not be) or changed.

Exit status: 0 when there is no difference, 1 when there is one.
With --json:
  {"projection":"workers","position":1234,
   "tables":[{"table":"workers","missing":0,"extra":1,"changed":1,
              "rows":[{"difference":"extra","key":{"worker_id":5},"row":{"worker_id":5,"surface":"v1"}},
                      {"difference":"changed","key":{"worker_id":7},
                       "columns":{"status":{"live":"RUNNING","rebuilt":"LOST"}}}]}]}"#;

#[derive(Debug, Subcommand)]
pub enum ProjectionsVerb {
    /// Each projection: version, tables, checkpoint, lag; the relay, and the head of the log
    #[command(after_help = LIST_EXAMPLE)]
    List(Json),
    /// How far the relay and each projection are behind the head of the log
    #[command(after_help = LAG_EXAMPLE)]
    Lag(LagOptions),
    /// Fill read models anew from the log, beside the live ones, and compare a hash of each table
    #[command(after_help = VERIFY_EXAMPLE)]
    Verify(VerifyOptions),
    /// The rows in which a projection differs from what the log says
    #[command(after_help = DIFF_EXAMPLE)]
    Diff(DiffOptions),
}

#[derive(Debug, Args)]
pub struct LagOptions {
    #[command(flatten)]
    pub output: Json,
    /// Events by which anything may be behind
    #[arg(long, value_name = "EVENTS", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    pub max: i64,
}

#[derive(Debug, Args)]
pub struct VerifyOptions {
    /// The projections (default: all)
    #[arg(value_name = "NAME", value_parser = projection)]
    pub names: Vec<ProjectionInfo>,
    #[command(flatten)]
    pub output: Json,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct DiffOptions {
    /// The projection
    #[arg(value_parser = projection)]
    pub name: ProjectionInfo,
    /// The most rows to show of each table; all are counted
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(i64).range(0..=100_000))]
    pub limit: i64,
    #[command(flatten)]
    pub output: Json,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

fn projection(name: &str) -> Result<ProjectionInfo, String> {
    PROJECTIONS.into_iter().find(|projection| projection.name == name).ok_or_else(|| {
        let names = PROJECTIONS.map(|projection| projection.name).join(", ");
        format!("there is no such projection; there are {names}")
    })
}
