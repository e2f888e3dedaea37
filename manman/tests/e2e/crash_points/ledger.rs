//! What was acknowledged to clients, and what that took.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Answer, Api, Reporter, soon};

/// How long a client waits before it repeats what was not acknowledged.
const REPEAT: Duration = Duration::from_millis(50);

/// A command as a client means it, however often it has to send it.
#[derive(Debug)]
pub struct Command {
    pub method: Method,
    pub path: String,
    pub body: Value,
    /// Its `Idempotency-Key`, and the reason given for it: that is stored with every event, whatever the key does.
    pub key: String,
    /// The event that it must have become.
    pub becomes: &'static str,
}

/// A command that was answered with success.
#[derive(Debug)]
pub struct Acknowledged {
    pub key: String,
    pub becomes: &'static str,
    /// Where it is on the log, by the answer.
    pub position: i64,
    /// The last one was answered.
    pub attempts: Vec<Attempt>,
}

/// When a command was sent, and in which round.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub at: DateTime<Utc>,
    pub round: usize,
}

impl Acknowledged {
    /// The round in which it was sent for the last time.
    pub fn round(&self) -> usize {
        self.attempts.last().unwrap().round
    }

    /// The round in which it was first sent in vain, if it was.
    pub fn repeated(&self) -> Option<usize> {
        (self.attempts.len() > 1).then(|| self.attempts[0].round)
    }

    /// The round in which it was stored and not answered, if it was: whoever answered had it from the log.
    pub fn answered_from_the_log(&self, stored_at: DateTime<Utc>) -> Option<usize> {
        let stored = self.attempts.iter().rposition(|attempt| attempt.at <= stored_at).unwrap();
        (stored + 1 < self.attempts.len()).then(|| self.attempts[stored].round)
    }
}

/// Written by everybody who sends something.
#[derive(Default)]
pub struct Ledger {
    round: AtomicUsize,
    commands: Mutex<Vec<Acknowledged>>,
    /// The message ids of status reports that the broker confirmed.
    reports: Mutex<Vec<Uuid>>,
}

impl Ledger {
    /// What happens from here on belongs to this round.
    pub fn begin(&self, round: usize) {
        self.round.store(round, Ordering::SeqCst);
    }

    pub fn round(&self) -> usize {
        self.round.load(Ordering::SeqCst)
    }

    /// Sends a command until it is acknowledged.
    pub async fn ask(&self, api: &Api, command: Command) -> Answer {
        let what = format!("{} is acknowledged", command.key);
        soon(&what, self.ask_until_acknowledged(api, command)).await
    }

    async fn ask_until_acknowledged(&self, api: &Api, command: Command) -> Answer {
        let Command { method, path, body, key, becomes } = command;
        let headers = [("idempotency-key", key.as_str()), ("manman-reason", &key)];
        let mut attempts = Vec::new();
        loop {
            attempts.push(Attempt { at: Utc::now(), round: self.round() });
            let answer = api.try_send_json(method.clone(), &path, &headers, &body).await;
            if let Some(answer) = answer {
                if answer.status.is_success() {
                    let position = answer.position();
                    let acknowledged = Acknowledged { key, becomes, position, attempts };
                    self.commands.lock().unwrap().push(acknowledged);
                    return answer;
                }
                let status = answer.status;
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{key}: {}", answer.text);
            }
            tokio::time::sleep(REPEAT).await;
        }
    }

    /// Tells a status of an instance.
    pub async fn report(&self, reporter: &Reporter, instance: i32, status: &str) {
        let message_id = reporter.report_instance(instance, status).await;
        self.reports.lock().unwrap().push(message_id);
    }

    /// How many commands of this kind were acknowledged.
    pub fn count(&self, becomes: &str) -> usize {
        let commands = self.commands.lock().unwrap();
        commands.iter().filter(|command| command.becomes == becomes).count()
    }

    /// All that is in it. To be called when nobody writes any more.
    pub fn close(&self) -> (Vec<Acknowledged>, Vec<Uuid>) {
        let commands = std::mem::take(&mut *self.commands.lock().unwrap());
        (commands, std::mem::take(&mut *self.reports.lock().unwrap()))
    }
}
