//! `projections rebuild` and `projections resume`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use event_store::{Actor, Log, LogOptions};
use projectors::{
    Differences, Filled, ProjectionInfo, Rebuild, RebuildError, Switched, SwitchedBy, rebuilding,
};
use serde_json::{Value, json};
use service::shutdown::{self, BySignal};
use sqlx::PgPool;
use tokio::sync::oneshot;

use super::{FOUND, diff, interrupted};
use crate::operator::RebuildOptions;
use crate::verbs::dead_letters::decider::os_user;
use crate::verbs::output::{grouped, print, print_json};
use crate::verbs::progress::Reporter;

/// Begins a rebuild.
pub async fn begin(pool: PgPool, options: RebuildOptions) -> Result<ExitCode> {
    let log = Log::start(pool, LogOptions::default());
    let projections = options.which.projections();
    let rebuild = Rebuild::begin(&log, &projections).await?;
    Job { projections, options, signals: shutdown::by_signal()? }.work(rebuild).await
}

/// Goes on with one.
pub async fn resume(pool: PgPool, options: RebuildOptions) -> Result<ExitCode> {
    let mut projections = options.which.projections();
    if options.which.all {
        let all = rebuilding(&pool).await?;
        projections.retain(|projection| all.iter().any(|(it, _)| it == projection));
        if projections.is_empty() {
            anyhow::bail!("no rebuild is in progress");
        }
    }
    let log = Log::start(pool, LogOptions::default());
    let rebuild = Rebuild::resume(&log, &projections).await?;
    Job { projections, options, signals: shutdown::by_signal()? }.work(rebuild).await
}

struct Job {
    projections: Vec<ProjectionInfo>,
    options: RebuildOptions,
    signals: BySignal,
}

/// What there is to decide by.
struct Ready {
    filled: Filled,
    differences: Option<Vec<Differences>>,
}

impl Ready {
    fn differs(&self) -> bool {
        self.differences.as_ref().is_none_or(|all| all.iter().any(|found| found.count() > 0))
    }
}

impl Job {
    async fn work(self, mut rebuild: Rebuild) -> Result<ExitCode> {
        let prepared = self.signals.either.run_until_cancelled(self.prepare(&mut rebuild)).await;
        let ready = match prepared {
            None => return self.interrupted(rebuild).await,
            Some(Err(error)) => {
                // What is left can be resumed; but for what went wrong there is the error.
                let _ = rebuild.leave().await;
                return Err(error.into());
            }
            Some(Ok(ready)) => ready,
        };
        if ready.differs() && !self.options.auto_switch {
            let asked = self.signals.either.run_until_cancelled(self.ask(&ready)).await;
            match asked {
                None => return self.interrupted(rebuild).await,
                Some(true) => {}
                Some(false) => {
                    rebuild.leave().await?;
                    self.report(&ready, None)?;
                    eprintln!("manman: {}", self.how_to_go_on("not switched"));
                    return Ok(FOUND);
                }
            }
        }
        let by = SwitchedBy {
            actor: Actor::user(self.options.by.actor.clone().unwrap_or_else(os_user)),
            reason: self.options.reason.clone(),
        };
        let mut reporter = Reporter::new(self.options.quiet);
        let mut tell = |progress| reporter.tell(progress);
        let switched = rebuild.switch(&by, &mut tell);
        let switched = match self.signals.either.run_until_cancelled(switched).await {
            Some(switched) => switched?,
            None => {
                eprintln!("manman: {}", self.how_to_go_on("interrupted"));
                return Ok(interrupted(&self.signals));
            }
        };
        drop(reporter);
        self.report(&ready, Some(&switched))?;
        Ok(ExitCode::SUCCESS)
    }

    async fn prepare(&self, rebuild: &mut Rebuild) -> Result<Ready, RebuildError> {
        let mut reporter = Reporter::new(self.options.quiet);
        let mut tell = |progress| reporter.tell(progress);
        let filled = rebuild.fill(&mut tell).await?;
        let differences = rebuild.differences(self.options.limit, &mut tell).await?;
        Ok(Ready { filled, differences })
    }

    async fn interrupted(&self, rebuild: Rebuild) -> Result<ExitCode> {
        // If it does not come to that, the lease ends in a moment by itself.
        let _ = rebuild.leave().await;
        eprintln!("manman: {}", self.how_to_go_on("interrupted"));
        Ok(interrupted(&self.signals))
    }

    fn how_to_go_on(&self, what: &str) -> String {
        let names = self.names().join(" ");
        format!(
            "{what}; `manman projections resume {names} --auto-switch` goes on, `manman projections \
             cancel {names}` drops it"
        )
    }

    fn names(&self) -> Vec<&'static str> {
        self.projections.iter().map(|projection| projection.name).collect()
    }

    /// Shows the differences to whoever sits there, and asks. Elsewhere the answer is no.
    async fn ask(&self, ready: &Ready) -> bool {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return false;
        }
        eprintln!("{}\n", differences_text(ready.differences.as_deref()));
        eprint!("Switch? [y/N] ");
        let _ = io::stderr().flush();
        let (tell, answer) = oneshot::channel();
        // A thread of its own, that nobody waits for: after an interrupt nobody answers any more.
        std::thread::spawn(move || {
            let mut line = String::new();
            let is_yes = io::stdin().read_line(&mut line).is_ok()
                && ["y", "yes"].contains(&line.trim().to_lowercase().as_str());
            let _ = tell.send(is_yes);
        });
        answer.await.unwrap_or(false)
    }

    fn report(&self, ready: &Ready, switched: Option<&Switched>) -> Result<()> {
        if self.options.output.json {
            return print_json(&self.document(ready, switched)?);
        }
        let Filled { events, elapsed } = ready.filled;
        let mut text = format!(
            "{}: {} events in {:.3} s ({}/s)\n{}",
            self.names().join(", "),
            grouped(events),
            elapsed.as_secs_f64(),
            grouped(ready.filled.rate() as i64),
            differences_text(ready.differences.as_deref())
        );
        if let Some(Switched { positions, readers_waited, live_waited }) = switched {
            let shown: Vec<_> =
                positions.iter().map(|(name, at)| format!("{name} at {at}")).collect();
            text.push_str(&format!(
                "\nswitched: {}; readers waited for at most {:.1} ms, live rows stood still for {:.0} ms",
                shown.join(", "),
                readers_waited.as_secs_f64() * 1e3,
                live_waited.as_secs_f64() * 1e3,
            ));
        }
        print(&text)
    }

    fn document(&self, ready: &Ready, switched: Option<&Switched>) -> Result<Value> {
        let differing = ready
            .differences
            .as_ref()
            .map(|all| all.iter().filter(|found| found.count() > 0).collect::<Vec<_>>());
        Ok(json!({
            "projections": self.names(),
            "events": ready.filled.events,
            "fill_seconds": ready.filled.elapsed.as_secs_f64(),
            "events_per_second": ready.filled.rate(),
            "switched": switched.is_some(),
            "switch_seconds": switched.map(|it| it.readers_waited.as_secs_f64()),
            "stood_still_seconds": switched.map(|it| it.live_waited.as_secs_f64()),
            "differences": serde_json::to_value(differing).context("differences")?,
        }))
    }
}

fn differences_text(differences: Option<&[Differences]>) -> String {
    let Some(differences) = differences else {
        return "not compared: the live rows are behind the rebuilt ones and do not catch up"
            .to_owned();
    };
    let differing: Vec<_> =
        differences.iter().filter(|found| found.count() > 0).map(diff::text).collect();
    if differing.is_empty() { "no differences".to_owned() } else { differing.join("\n\n") }
}
