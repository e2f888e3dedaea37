//! What dies meanwhile: the agent and the broker, again and again.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Stage;
use crate::support::{Host, Random, Running, System};

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Killing that goes on until it is over.
pub struct Trouble {
    enough: CancellationToken,
    agents: JoinHandle<Vec<Interval>>,
    brokers: JoinHandle<Vec<Interval>>,
}

/// When agent and broker were away.
pub struct Away {
    agents: Vec<Interval>,
    brokers: Vec<Interval>,
}

/// From when until when.
type Interval = (Instant, Instant);

impl Trouble {
    pub fn begin(stage: &Stage) -> Self {
        let (enough, seed) = (CancellationToken::new(), stage.seed);
        let (host, system) = (Arc::clone(&stage.host), Arc::clone(&stage.system));
        Self {
            agents: tokio::spawn(kill_agents(host, Random(seed ^ 1), enough.clone())),
            brokers: tokio::spawn(kill_brokers(system, Random(seed ^ 2), enough.clone())),
            enough,
        }
    }

    /// Waits until both are back.
    pub async fn ends(self) -> Away {
        self.enough.cancel();
        Away { agents: self.agents.await.unwrap(), brokers: self.brokers.await.unwrap() }
    }
}

impl Away {
    /// The longest time from one instant to another in which neither was away.
    pub fn longest_calm(&self, from: Instant, until: Instant) -> Duration {
        let mut away = [&self.agents[..], &self.brokers].concat();
        away.sort_unstable();
        let (mut calm_since, mut longest) = (from, Duration::ZERO);
        for (begins, ends) in away {
            longest = longest.max(begins.min(until).saturating_duration_since(calm_since));
            calm_since = calm_since.max(ends);
        }
        longest.max(until.saturating_duration_since(calm_since))
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "killed: {} agents, {} brokers", self.agents.len(), self.brokers.len())
    }
}

/// Kills the agent at random moments and starts the next one, sometimes at once, sometimes after it was missed.
/// Ends with an agent that runs.
async fn kill_agents(
    host: Arc<Mutex<Host>>,
    mut random: Random,
    enough: CancellationToken,
) -> Vec<Interval> {
    let mut killed = Vec::new();
    loop {
        let life = random.pause(100, 6_000);
        if enough.run_until_cancelled(tokio::time::sleep(life)).await.is_none() {
            return killed;
        }
        let agent = host.lock().unwrap().take_agent();
        let since = Instant::now();
        agent.signal("KILL").await;
        assert_eq!(agent.ends().await.signal(), Some(9), "it had not ended before");
        // The last of these is long enough to be lost.
        let away = [(0, 0), (0, 500), (0, 500), (0, 3_000), (5_500, 9_000)];
        let (least, most) = away[usize::try_from(random.below(5)).unwrap()];
        tokio::time::sleep(random.pause(least, most)).await;
        host.lock().unwrap().start_agent();
        killed.push((since, Instant::now()));
    }
}

/// The same with the broker. Ends with one that runs.
async fn kill_brokers(
    system: Arc<System>,
    mut random: Random,
    enough: CancellationToken,
) -> Vec<Interval> {
    let mut killed = Vec::new();
    loop {
        let life = random.pause(500, 15_000);
        if enough.run_until_cancelled(tokio::time::sleep(life)).await.is_none() {
            return killed;
        }
        let since = Instant::now();
        system.broker.kill9().await;
        tokio::time::sleep(random.pause(0, 3_000)).await;
        system.broker.start_again().await;
        killed.push((since, Instant::now()));
    }
}

/// Looks all the time for two game servers of one config. Returns how often it looked, and the pairs it found.
pub async fn look_for_pairs(
    host: Arc<Mutex<Host>>,
    enough: CancellationToken,
) -> (usize, Vec<Vec<Running>>) {
    let (mut looks, mut found) = (0, Vec::new());
    while !enough.is_cancelled() {
        let pairs = pairs(&host.lock().unwrap().running());
        if !pairs.is_empty() {
            // Looking takes a while, in which one may have followed the other.
            let still = host.lock().unwrap().running();
            found.extend(pairs.into_iter().filter(|pair| pair.iter().all(|it| still.contains(it))));
        }
        looks += 1;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    (looks, found)
}

/// The game servers that are of one config; `running` is in order.
fn pairs(running: &[Running]) -> Vec<Vec<Running>> {
    let of_one_config = running.chunk_by(|one, other| one.config_id == other.config_id);
    of_one_config.filter(|games| games.len() > 1).map(<[Running]>::to_vec).collect()
}
