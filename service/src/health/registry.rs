//! What readiness and liveness are made of.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// How long a readiness check may take. Probes of an orchestrator commonly give up after 5 s.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a check fails, or nothing.
type Outcome = Result<(), Cow<'static, str>>;
type Ask = Arc<dyn Fn() -> BoxFuture<'static, Outcome> + Send + Sync>;
type AskFact = Arc<dyn Fn() -> BoxFuture<'static, Option<Value>> + Send + Sync>;

/// The health of this process: named readiness checks, and the tasks that died. Clones share it.
#[derive(Clone)]
pub struct Health {
    shutdown: CancellationToken,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    checks: Vec<(&'static str, Ask)>,
    warnings: Vec<(&'static str, Ask)>,
    facts: Vec<(&'static str, AskFact)>,
    deaths: Vec<Death>,
}

/// A readiness check that does not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// The name the check was registered with.
    pub check: &'static str,
    /// Why, for an operator. Whoever can reach the port reads it, so it holds no secrets.
    pub detail: Cow<'static, str>,
}

/// A background task that ended although it should have run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Death {
    /// The name of the task.
    pub task: &'static str,
    /// What it ended with.
    pub detail: String,
}

impl Health {
    /// A process without checks. It stops being ready as soon as `shutdown` is cancelled.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown, state: Arc::default() }
    }

    /// Adds a check that is made whenever readiness is asked for. It fails when it takes longer
    /// than two seconds.
    pub fn check<F, E>(&self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Cow<'static, str>>,
    {
        let ask: Ask = Arc::new(move || ask().map(|outcome| outcome.map_err(Into::into)).boxed());
        self.state().checks.push((name, ask));
    }

    /// Adds a check that an operator should look at when it does not pass, while work sent here still
    /// succeeds: it is told with readiness and does not end it.
    pub fn warn<F, E>(&self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Cow<'static, str>>,
    {
        let ask: Ask = Arc::new(move || ask().map(|outcome| outcome.map_err(Into::into)).boxed());
        self.state().warnings.push((name, ask));
    }

    /// Adds something to be told with readiness; `None` when it cannot be told now.
    pub fn fact<F>(&self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Option<Value>> + Send + 'static,
    {
        self.state().facts.push((name, Arc::new(move || ask().boxed())));
    }

    /// Adds a check that its owner passes and fails by hand. It fails until it is first passed.
    pub fn flag(&self, name: &'static str) -> Flag {
        let flag = Flag { outcome: Arc::new(Mutex::new(Err("not started yet".into()))) };
        let asked = flag.clone();
        self.check(name, move || std::future::ready(asked.outcome().clone()));
        flag
    }

    /// Marks the process as not alive any more, because this task ended.
    pub fn task_died(&self, task: &'static str, detail: String) {
        self.state().deaths.push(Death { task, detail });
    }

    /// Whether no task has died.
    pub fn is_alive(&self) -> bool {
        self.state().deaths.is_empty()
    }

    /// The tasks that died.
    pub fn deaths(&self) -> Vec<Death> {
        self.state().deaths.clone()
    }

    /// Makes all checks at the same time and returns those that fail. Ready means that none does.
    pub async fn failing(&self) -> Vec<Failing> {
        if self.shutdown.is_cancelled() {
            let detail = "shutting down".into();
            return vec![Failing { check: "shutdown", detail }];
        }
        let checks = self.state().checks.clone();
        ask_all(checks).await
    }

    /// Those of the warnings' checks that do not pass.
    pub async fn warnings(&self) -> Vec<Failing> {
        let warnings = self.state().warnings.clone();
        ask_all(warnings).await
    }

    /// What there is to tell, by name.
    pub async fn facts(&self) -> Vec<(&'static str, Value)> {
        let facts = self.state().facts.clone();
        let asked = facts.into_iter().map(|(name, ask)| async move {
            let told = tokio::time::timeout(CHECK_TIMEOUT, ask()).await;
            Some((name, told.ok().flatten()?))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes all checks at the same time and returns those that do not pass.
async fn ask_all(checks: Vec<(&'static str, Ask)>) -> Vec<Failing> {
    let asked = checks.into_iter().map(|(check, ask)| async move {
        let outcome = tokio::time::timeout(CHECK_TIMEOUT, ask()).await;
        let detail = match outcome {
            Ok(Ok(())) => return None,
            Ok(Err(detail)) => detail,
            Err(_) => "no answer within 2 seconds".into(),
        };
        Some(Failing { check, detail })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// A readiness check in the hands of what it is about. Clones share it.
#[derive(Clone)]
pub struct Flag {
    outcome: Arc<Mutex<Outcome>>,
}

impl Flag {
    /// The check passes from now on.
    pub fn pass(&self) {
        *self.outcome() = Ok(());
    }

    /// The check fails from now on.
    pub fn fail(&self, detail: impl Into<Cow<'static, str>>) {
        *self.outcome() = Err(detail.into());
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
