//! Everything a test needs around the executable.

mod api;
mod broker;
mod catalogue;
mod database;
mod history;
mod host;
mod inbox;
mod program;
mod proxy;
mod random;
mod reporter;
mod server;
mod subscriber;
mod system;
mod up;
mod v1_worker;

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use uuid::Uuid;

pub use api::{Answer, Api};
pub use broker::Broker;
pub use catalogue::{add, add_local};
pub use database::Database;
pub use history::{Instance, Recorded, Told};
pub use host::{Host, Running, demo};
pub use inbox::{Inbox, Message};
pub use program::{Environment, Finished, Program, run};
pub use proxy::Proxy;
pub use random::{Random, SEED, seed, setting};
pub use reporter::Reporter;
pub use server::{Server, id_of, shown};
pub use subscriber::Subscriber;
pub use system::{PROCESSES, System, broker_environment, environment};
pub use up::Up;
pub use v1_worker::V1Worker;

/// Longer than anything here takes on a busy machine; only a failing test gets that far.
const DEADLINE: Duration = Duration::from_secs(45);

/// How long to wait before asking again.
const AGAIN: Duration = Duration::from_millis(20);

/// Awaits what must happen, and says what did not.
pub async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, happens).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Asks again and again until there is an answer.
pub async fn found<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(AGAIN).await;
        }
    })
    .await
}

/// Asks again and again until the answer is yes.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    found(what, async || holds().await.then_some(())).await;
}

/// A port nobody listens on, from below those that the kernel hands to outgoing connections, and at random: tests run
/// side by side.
pub fn free_port() -> u16 {
    loop {
        let bits = Uuid::now_v7().as_u128();
        let port = 20_000 + (bits % 10_000) as u16;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}
