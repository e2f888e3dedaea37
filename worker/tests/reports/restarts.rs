//! An agent that is killed again and again while the API and the broker come and go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use messaging::BrokerConfig;
use messaging::contract::time::parse_value;
use tokio::runtime::Runtime;
use uuid::Uuid;
use worker::reports::{Lane, Report};
use worker::run_dir::RunId;

use crate::broker;
use crate::broker::proxy::Proxy;
use crate::stub_api::{Asked, Mishap};
use crate::support::{
    Heard, Host, Listener, STATUSES, closed, created, fulfilled, remark, run, with_host,
};

const LANES: u64 = 5;
const LIVES: u64 = 25;
const PUSHED_PER_LIFE: u64 = 12;

/// Small and repeatable; which numbers come is of no importance.
#[derive(Clone)]
struct Dice(Arc<AtomicU64>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    fn below(&self, limit: u64) -> u64 {
        let mixed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Everything that was ever pushed to a lane, by a name that it has wherever it arrives.
#[derive(Default)]
struct Lives {
    pushed: HashMap<u64, Vec<Told>>,
    /// The run of each lane, and how many statuses were told of it.
    runs: HashMap<u64, (RunId, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Told {
    Created(RunId),
    Remark(String),
    Closed(RunId),
    Outcome(Uuid),
}

impl Lives {
    /// The next report of a lane.
    fn next(&mut self, lane: u64, dice: &Dice) -> Report {
        let (told, report) = match self.runs.get(&lane).copied() {
            None => {
                let run_id = run();
                self.runs.insert(lane, (run_id, 0));
                (Told::Created(run_id), created(run_id))
            }
            Some((run_id, told)) => match dice.below(6) {
                roll if roll == 0 || told == STATUSES.len() => {
                    self.runs.remove(&lane);
                    (Told::Closed(run_id), closed(run_id))
                }
                1 => {
                    let command_id = Uuid::now_v7();
                    (Told::Outcome(command_id), fulfilled(command_id, Some(run_id)))
                }
                _ => {
                    let reason = format!("{lane}/{}", self.pushed[&lane].len());
                    self.runs.insert(lane, (run_id, told + 1));
                    (Told::Remark(reason.clone()), remark(run_id, told, reason))
                }
            },
        };
        self.pushed.entry(lane).or_default().push(told);
        report
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_reordered_or_told_under_two_ids() {
    for seed in [1, 2] {
        with_host(|host| live_and_die(host, seed)).await;
    }
}

async fn live_and_die(host: Host, seed: u64) {
    let dice = Dice::new(seed);
    let listener = Listener::start(&host.topology);
    let mut config = broker::config();
    let proxy = Proxy::to((config.host.clone(), config.port)).await;
    config.host = proxy.address.ip().to_string();
    config.port = proxy.address.port();
    let bad = dice.clone();
    host.api.is(move |_| mishap(bad.below(10)));
    let mut lives = Lives::default();
    let mut host = host;
    for _ in 0..LIVES {
        match dice.below(4) {
            0 => proxy.cut(),
            1 => proxy.freeze(),
            _ => proxy.restore(),
        }
        let (config, dice) = (config.clone(), dice.clone());
        // A runtime that ends is an agent that is killed: whatever it was about to do is not done.
        let lived = tokio::task::spawn_blocking(move || {
            Runtime::new().unwrap().block_on(one_life(&host, config, &mut lives, &dice));
            (host, lives)
        });
        (host, lives) = lived.await.unwrap();
    }
    proxy.restore();
    host.api.is_well();
    let agent = host.agent_at(&host.api.url(), config);
    agent.drained().await;
    assert!(host.spooled().is_empty());
    let expected: usize =
        lives.pushed.values().flatten().filter(|told| matches!(told, Told::Remark(_))).count();
    let heard = listener.hears(|heard| distinct(heard) >= expected).await;
    let done = host.api.done();
    for (lane, pushed) in &lives.pushed {
        check_statuses(pushed, &heard, &format!("{lane}/"));
        check_calls(pushed, &done, &host);
    }
    assert!(host.rejected().is_empty());
}

const fn mishap(roll: u64) -> Option<Mishap> {
    Some(match roll {
        0 => Mishap::Instead(503, r#"{"detail":"away"}"#),
        1 => Mishap::After(503, r#"{"detail":"away"}"#),
        2 => Mishap::Lost,
        3 => Mishap::Instead(500, "Internal Server Error"),
        _ => return None,
    })
}

async fn one_life(host: &Host, config: BrokerConfig, lives: &mut Lives, dice: &Dice) {
    let agent = host.agent_at(&host.api.url(), config);
    for _ in 0..dice.below(PUSHED_PER_LIFE) {
        let lane = dice.below(LANES);
        let number = i32::try_from(lane).unwrap();
        drop(agent.push(Lane::Config(number), lives.next(lane, dice)));
        // So that the end comes at any point of the deliveries.
        tokio::time::sleep(Duration::from_micros(dice.below(8_000))).await;
    }
}

fn distinct(heard: &[Heard]) -> usize {
    let mut ids: Vec<_> = heard.iter().map(|heard| &heard.message_id).collect();
    ids.sort();
    ids.dedup();
    ids.len()
}

/// What was first heard, in order; a repetition must have the same id.
fn check_statuses(pushed: &[Told], heard: &[Heard], of_lane: &str) {
    let mut ids: HashMap<&str, &str> = HashMap::new();
    let mut first = Vec::new();
    let mut latest = None;
    for heard in heard.iter().filter(|heard| heard.reason().starts_with(of_lane)) {
        match ids.insert(heard.reason(), &heard.message_id) {
            Some(id) => assert_eq!(id, heard.message_id, "{heard:?}"),
            None => {
                first.push(Told::Remark(heard.reason().to_owned()));
                let as_of = parse_value(&heard.body["as_of"]);
                assert!(as_of > latest, "{heard:?}");
                latest = as_of;
            }
        }
    }
    let expected: Vec<_> =
        pushed.iter().filter(|told| matches!(told, Told::Remark(_))).cloned().collect();
    assert_eq!(first, expected);
}

/// What was first carried out, in order; a repetition must have the same key.
fn check_calls(pushed: &[Told], done: &[Asked], host: &Host) {
    let runs = pushed.iter().filter_map(|told| match told {
        Told::Created(run_id) => Some(*run_id),
        _ => None,
    });
    let instances = runs.filter_map(|run_id| {
        Some((host.api.instance_of(&run_id.to_string())?.to_string(), run_id))
    });
    let instances: HashMap<String, RunId> = instances.collect();
    let mut keys: HashMap<Told, Option<String>> = HashMap::new();
    let mut first = Vec::new();
    for call in done {
        let Some(told) = told_by(call, &instances, pushed) else { continue };
        match keys.insert(told.clone(), call.key.clone()) {
            Some(key) => assert_eq!(key, call.key, "{call:?}"),
            None => first.push(told),
        }
    }
    let expected: Vec<_> =
        pushed.iter().filter(|told| !matches!(told, Told::Remark(_))).cloned().collect();
    assert_eq!(first, expected);
}

fn told_by(call: &Asked, instances: &HashMap<String, RunId>, pushed: &[Told]) -> Option<Told> {
    let told = if call.what.ends_with("/create") {
        Told::Created(RunId(call.key.as_deref()?.parse().ok()?))
    } else if call.what.ends_with("/instance/shutdown") {
        Told::Closed(*instances.get(&call.body["game_server_instance_id"].to_string())?)
    } else {
        let command_id = call.what.split('/').nth_back(1)?;
        Told::Outcome(command_id.parse().ok()?)
    };
    pushed.contains(&told).then_some(told)
}
