//! All roles in one process, as on a laptop.

use serde_json::Value;
use tokio::process::Command;

use super::{Api, Broker, Database, Program, environment, free_port, run, soon};

const PORTS: [&str; 4] =
    ["--experience-port", "--worker-dal-port", "--status-port", "--processor-port"];

/// `manman up` that has said that it is ready.
pub struct Up {
    program: Program,
    ports: [u16; 4],
}

impl Up {
    pub async fn start(database: &Database, broker: &Broker, flags: &[&str]) -> Self {
        let environment = environment(&database.url(), Some(broker));
        run(&["run-migration"], &environment).await.done();
        let ports = PORTS.map(|_| free_port());
        let texts = ports.map(|port| port.to_string());
        let mut arguments = vec!["up"];
        arguments.extend(flags);
        for (flag, port) in PORTS.iter().zip(&texts) {
            arguments.extend([*flag, port.as_str()]);
        }
        let mut program = Program::start(&arguments, &environment);
        program.says("ready").await;
        program.says("Ctrl-C stops.").await;
        Self { program, ports }
    }

    /// Experience, Worker DAL, Status, and the processor's health.
    pub fn apis(&self) -> [Api; 4] {
        self.ports.map(Api::at)
    }

    /// Runs the lines it offers to try, one after the other, as printed; returns each with its answer.
    pub async fn offers_what_works(&self) -> Vec<(String, Value)> {
        let said = self.program.said();
        let lines = said.iter().map(|line| line.trim()).filter(|line| line.starts_with("curl "));
        let mut answers = Vec::new();
        for line in lines {
            // Only what curl would read from the user's home is left out.
            let curl =
                Command::new("bash").args(["-c", line]).env("CURL_HOME", "/nowhere").output();
            let output = soon(line, curl).await.unwrap();
            let answer = String::from_utf8_lossy(&output.stdout);
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{line}\n{answer}{complaint}");
            answers.push((line.to_owned(), serde_json::from_str(&answer).unwrap()));
        }
        answers
    }

    pub async fn interrupt(self) {
        self.program.signal("INT").await;
        let ended = self.program.ends().await;
        assert!(ended.success(), "{ended}");
    }
}
