//! What a running program tells: log lines on stderr, panics among them, and numbers for
//! Prometheus.

use std::any::Any;
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use crate::config::LogConfig;

/// Upper bounds of histograms in seconds: from a read out of memory to a request that hits
/// its timeout.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Upper bounds of histograms that count things instead of seconds.
const COUNTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Libraries that tell every packet and every statement below WARN. They are quiet unless TRACE is
/// asked for.
const CHATTY: [&str; 7] =
    ["amq_protocol", "async_rs", "h2", "hyper", "hyper_util", "rustls", "sqlx"];

/// What this one says below TRACE is said better by `messaging`, which knows what follows from it;
/// and it logs the body of a returned message, which may be what somebody typed into a console.
const SILENT: [&str; 1] = ["lapin"];

/// Starts logging and sends panics there too. Call it once, before anything that may fail.
///
/// Logs go to stderr so that stdout stays for what a command prints. Fails if logging was started
/// before.
pub fn init(config: &LogConfig) -> Result<(), TryInitError> {
    let lines = if config.json {
        fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed()
    } else {
        fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).boxed()
    };
    // One filter for all, and not one for the layer: of those, the answer to a library that only asked
    // whether it may speak is taken for one about the next event, which is lost then.
    tracing_subscriber::registry().with(lines).with(filter(config.level)).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn filter(level: Level) -> Targets {
    let all = Targets::new().with_default(level);
    if level == Level::TRACE {
        return all;
    }
    let quiet = LevelFilter::from(level).min(LevelFilter::WARN);
    all.with_targets(CHATTY.map(|target| (target, quiet)))
        .with_targets(SILENT.map(|target| (target, LevelFilter::OFF)))
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    tracing::error!(
        location = location.as_deref(),
        thread = std::thread::current().name(),
        backtrace = %std::backtrace::Backtrace::capture(),
        "panicked: {}",
        panic_text(panic.payload()),
    );
}

/// The message of a panic, if it has one.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// The process's metrics. They are kept in memory and handed out by `/metrics`; nothing listens for
/// them.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Makes this process's `metrics::counter!` and the like count. Call it before routers are
    /// used, because they keep the handles they first got. Fails if a recorder was installed
    /// before.
    pub fn install() -> Result<Self, BuildError> {
        let handle = builder()?.install_recorder()?;
        Ok(Self { handle })
    }

    /// Metrics that nothing is recorded to, for routers under test.
    pub fn detached() -> Self {
        let handle = PrometheusBuilder::new().build_recorder().handle();
        Self { handle }
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds recorded samples into their histograms until shutdown. Run it as a task: without it
    /// memory grows from one scrape to the next, and for ever when nobody scrapes.
    pub async fn upkeep(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_secs(5));
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            self.handle.run_upkeep();
        }
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_commits".to_owned()), &COUNTS)
}

#[cfg(test)]
mod tests {
    use super::{Level, Metrics, builder, filter};

    #[test]
    fn libraries_are_quiet_below_trace() {
        let debug = filter(Level::DEBUG);
        assert!(debug.would_enable("service::http", &Level::DEBUG));
        assert!(!debug.would_enable("lapin::io_loop", &Level::ERROR));
        assert!(!debug.would_enable("sqlx::query", &Level::DEBUG));
        assert!(filter(Level::TRACE).would_enable("sqlx::query", &Level::TRACE));
    }

    #[test]
    fn asking_for_errors_only_does_not_bring_warnings_of_libraries() {
        assert!(!filter(Level::ERROR).would_enable("sqlx::query", &Level::WARN));
    }

    #[test]
    fn recorded_numbers_are_rendered_with_buckets() {
        let recorder = builder().unwrap().build_recorder();
        let metrics = Metrics { handle: recorder.handle() };
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("waiting_seconds").record(0.02);
        });
        let text = metrics.render();
        assert!(text.contains(r#"waiting_seconds_bucket{le="0.025"} 1"#), "{text}");
    }
}
