//! What users do, at random.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Api, Random};

/// What can be asked of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    Start,
    Stop,
    Say,
    Crash,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Say, Self::Crash];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Say => "stdin",
            Self::Crash => "crash",
        }
    }

    fn any(random: &mut Random) -> Self {
        match random.below(20) {
            0..8 => Self::Start,
            8..13 => Self::Stop,
            13..16 => Self::Say,
            _ => Self::Crash,
        }
    }
}

/// A request that was answered with 200.
#[derive(Debug, Clone, Copy)]
pub struct Accepted {
    pub config_id: i32,
    pub operation: Operation,
    /// How often there were too many changes at once before.
    pub refusals: usize,
    /// When it was accepted.
    pub at: Instant,
    /// Of its event on the log.
    pub position: i64,
}

/// A few operations on one config, some at once after each other and some after a while.
pub struct Schedule {
    steps: Vec<(Duration, Operation)>,
}

impl Schedule {
    pub fn any(random: &mut Random) -> Self {
        let length = 2 + random.below(5);
        let step = |_| {
            let longest = [0, 30, 300, 1_500][usize::try_from(random.below(4)).unwrap()];
            (random.pause(0, longest), Operation::any(random))
        };
        Self { steps: (0..length).map(step).collect() }
    }

    /// Asks for one after the other, without waiting for what comes of it.
    pub async fn play(&self, experience: &Api, config_id: i32) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        for (pause, operation) in &self.steps {
            tokio::time::sleep(*pause).await;
            accepted.push(ask(experience, config_id, *operation).await);
        }
        accepted
    }
}

/// Asks until it is accepted: a worker takes so many changes at once, and a client is told when there are too many.
async fn ask(experience: &Api, config_id: i32, operation: Operation) -> Accepted {
    let mut refusals = 0;
    loop {
        let answer = ask_once(experience, config_id, operation).await;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            refusals += 1;
            let seconds = answer.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            continue;
        }
        answer.ok();
        let position = answer.position();
        return Accepted { config_id, operation, refusals, at: Instant::now(), position };
    }
}

async fn ask_once(experience: &Api, config_id: i32, operation: Operation) -> Answer {
    let path = |what: &str| format!("/gameserver/{config_id}/{what}");
    let line = |words: Value| json!({"commands": words});
    match operation {
        Operation::Start => experience.post(&path("start")).await,
        Operation::Stop => experience.post(&path("stop")).await,
        Operation::Say => {
            experience.post_json(&path("stdin"), &line(json!(["say", Uuid::now_v7()]))).await
        }
        Operation::Crash => experience.post_json(&path("stdin"), &line(json!(["crash"]))).await,
    }
}
