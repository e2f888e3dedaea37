//! Users of the Experience API, each doing one thing after the other.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ledger::{Command, Ledger};
use crate::support::Api;

/// Between one command of a client and the next: there is to be traffic, and not more than a busy machine bears.
const PAUSE: Duration = Duration::from_millis(60);
/// The same, of what becomes ten events and as many requests.
const LONG_PAUSE: Duration = Duration::from_millis(150);

/// How many clients do the same thing.
const OF_EACH_KIND: usize = 3;

/// Clients that ask and ask.
pub struct Clients {
    tasks: JoinSet<()>,
    enough: CancellationToken,
}

/// A prepared command to a console, and whose.
#[derive(Clone, Copy)]
pub struct Console {
    pub instance: i32,
    pub command: i32,
}

impl Clients {
    pub fn start(experience: &Api, ledger: &Arc<Ledger>, console: Console) -> Self {
        let mut clients = Self { tasks: JoinSet::new(), enough: CancellationToken::new() };
        for client in 1..=OF_EACH_KIND {
            let name = move |number: usize| format!("{client}-{number}");
            clients.spawn(experience, ledger, PAUSE, move |number| adding(&name(number)));
            clients.spawn(experience, ledger, LONG_PAUSE, move |number| starting(&name(number)));
            let chatting = move |number| chatting(console, &name(number));
            clients.spawn(experience, ledger, LONG_PAUSE, chatting);
        }
        clients
    }

    fn spawn(
        &mut self,
        experience: &Api,
        ledger: &Arc<Ledger>,
        pause: Duration,
        command: impl Fn(usize) -> Command + Send + 'static,
    ) {
        let (experience, ledger) = (experience.clone(), Arc::clone(ledger));
        let enough = self.enough.clone();
        self.tasks.spawn(async move {
            for number in 1.. {
                ledger.ask(&experience, command(number)).await;
                if enough.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Ends when each has been acknowledged what it asked for last.
    pub async fn finish(mut self) {
        self.enough.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// Nobody else has its name, but that is not what keeps it from being added twice.
fn adding(name: &str) -> Command {
    let key = format!("server-{name}");
    Command {
        method: Method::POST,
        path: "/v1/game-servers".to_owned(),
        body: json!({"name": key, "server_type": "LOCAL"}),
        key,
        becomes: "GameServerAdded",
    }
}

/// For the current worker.
fn starting(name: &str) -> Command {
    Command {
        method: Method::POST,
        path: "/gameserver/1/start".to_owned(),
        body: Value::Null,
        key: format!("start-{name}"),
        becomes: "StartRequested",
    }
}

fn chatting(console: Console, name: &str) -> Command {
    let key = format!("line-{name}");
    let Console { instance, command } = console;
    Command {
        method: Method::POST,
        path: format!("/gameserver/instance/{instance}/command"),
        body: json!({"command_type": "config", "command_id": command, "custom_value": key}),
        key,
        becomes: "StdinSent",
    }
}
