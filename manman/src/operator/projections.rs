//! `manman projections`: how read models stand, and whether they say what the log says.

use clap::{Args, Subcommand};
use projectors::{PROJECTIONS, ProjectionInfo};

use super::{By, Json, words};

const LIST_EXAMPLE: &str = r#"With --json:
  {"head":{"position":1234,"recorded_at":"2026-01-02T03:04:05.678901Z"},
   "relay":{"position":1234,"lag_events":0,"lag_seconds":0.0,"moved_at":"2026-01-02T03:04:05.681Z",
            "parked":0,"owner":"host-7/4711/1f0c","epoch":3},
   "projections":[{"name":"workers","version":2,"shown_version":1,"tables":["workers"],"position":1230,"lag_events":4,
                   "lag_seconds":0.012,"moved_at":"2026-01-02T03:04:05.669Z","parked":0,"owner":null,"epoch":12}],
   "rebuilds":[{"name":"workers","version":2,"position":617,"percent":50.0,"parked":0,"owner":"host-7/4711/9a3e",
                "epoch":5021}]}
lag_seconds is how long the oldest event that is yet to be applied has been on the log. An owner is who works on it now;
a rebuild without one was interrupted, or waits to be switched."#;

const LAG_EXAMPLE: &str = r#"Exit status: 0 when nothing is behind by more than --max, 1 when something is. To wait:
  until manman projections lag >/dev/null; do sleep 1; done
With --json:
  {"head":1234,"max":0,"behind":["workers"],
   "relay":{"position":1234,"lag_events":0,"lag_seconds":0.0,"parked":0},
   "projections":[{"name":"workers","position":1230,"lag_events":4,"lag_seconds":0.012,"parked":0}]}
Parked events are not counted as behind."#;

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

const REBUILD_EXAMPLE: &str = r#"Tables are filled beside the live ones, compared with them, and put in their place; what reads status goes on meanwhile.
Without a difference, or with --auto-switch, that is done at once. With differences, in a terminal, it shows them and
asks; elsewhere the rebuilt tables are kept ready, and
  manman projections resume NAME --auto-switch    shows them,
  manman projections cancel NAME                  drops them.
What is interrupted goes on with `resume` from where it was. Several named together share one pass over the log.

Exit status: 0 when the rebuilt rows are shown, 1 when they are ready and differ.
With --json, differences being as `manman projections diff --json` prints them, null where the live rows do not come to
where the rebuilt ones are:
  {"projections":["workers"],"events":1234,"fill_seconds":1.5,"events_per_second":822.7,"switched":true,
   "switch_seconds":0.004,"stood_still_seconds":0.031,"differences":[]}
switch_seconds is the longest that a reader can have waited, stood_still_seconds for how long live rows did not move."#;

#[derive(Debug, Subcommand)]
pub enum ProjectionsVerb {
    /// Each projection: version, tables, checkpoint, lag, who works on it; the relay, the head of the log, and rebuilds
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
    /// Fill projections anew from the log, beside the live ones, and show the new rows instead
    #[command(after_help = REBUILD_EXAMPLE)]
    Rebuild(RebuildOptions),
    /// Go on with a rebuild that was interrupted or that waits to be switched
    #[command(after_help = REBUILD_EXAMPLE)]
    Resume(RebuildOptions),
    /// End rebuilds, running ones too, and drop what they made; live rows stay as they are
    Cancel(CancelOptions),
}

#[derive(Debug, Args)]
pub struct Which {
    /// The projections
    #[arg(value_name = "NAME", value_parser = projection, required_unless_present = "all", conflicts_with = "all")]
    pub names: Vec<ProjectionInfo>,
    /// All of them; to resume or to cancel: all that are being rebuilt
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct RebuildOptions {
    #[command(flatten)]
    pub which: Which,
    /// Show the rebuilt rows also when they differ from the live ones
    #[arg(long)]
    pub auto_switch: bool,
    /// Why, for the log
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub by: By,
    /// The most rows to show of each table that differs; all are counted
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(i64).range(0..=100_000))]
    pub limit: i64,
    #[command(flatten)]
    pub output: Json,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct CancelOptions {
    #[command(flatten)]
    pub which: Which,
}

impl Which {
    /// Those that were named, each once and in the usual order, or all.
    pub fn projections(&self) -> Vec<ProjectionInfo> {
        let is_chosen = |it: &ProjectionInfo| self.all || self.names.contains(it);
        PROJECTIONS.into_iter().filter(is_chosen).collect()
    }
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
