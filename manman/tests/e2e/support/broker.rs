//! A broker of one's own: the executable has fixed names on it, and it can be killed.

use std::path::PathBuf;
use std::process::{Command, Output};

use uuid::Uuid;

use super::free_port;

/// Runs until it is dropped.
pub struct Broker {
    pub port: u16,
    directory: PathBuf,
}

impl Broker {
    pub async fn start() -> Self {
        let directory = std::env::temp_dir().join(format!("manman-{}", Uuid::now_v7().simple()));
        let broker = Self { port: free_port(), directory };
        broker.start_again().await;
        broker
    }

    /// Where it was, with what it kept.
    pub async fn start_again(&self) {
        self.control("start", &[&self.port.to_string()]).await;
    }

    /// As a power cut ends it.
    pub async fn kill9(&self) {
        self.control("kill9", &[]).await;
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    async fn control(&self, verb: &'static str, arguments: &[&str]) {
        let mut command = self.command(verb);
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "broker {verb}: {}", said(&output));
    }

    fn command(&self, verb: &str) -> Command {
        let script = std::env::var("MANMAN_TEST_BROKER_CTL").expect(
            "MANMAN_TEST_BROKER_CTL must be the path of deploy/dev/broker.sh, which starts and ends brokers; \
             `./dev test` sets it",
        );
        let mut command = Command::new(script);
        command.arg(verb).arg(&self.directory);
        command
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        match self.command("kill9").output() {
            Ok(output) if output.status.success() => {
                drop(std::fs::remove_dir_all(&self.directory));
            }
            Ok(output) => eprintln!("broker not ended: {}", said(&output)),
            Err(error) => eprintln!("broker not ended: {error}"),
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
