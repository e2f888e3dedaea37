//! All roles in one process, as on a laptop.

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Api, Broker, Database, Program, environment, free_port, run, soon};

const PORTS: [&str; 4] =
    ["--experience-port", "--worker-dal-port", "--status-port", "--processor-port"];

/// `manman up` that has said that it is ready.
struct Up {
    program: Program,
    ports: [u16; 4],
}

impl Up {
    async fn start(database: &Database, broker: &Broker) -> Self {
        let environment = environment(&database.url(), Some(broker));
        run(&["run-migration"], &environment).await.done();
        let ports = PORTS.map(|_| free_port());
        let texts = ports.map(|port| port.to_string());
        let mut arguments = vec!["up"];
        for (flag, port) in PORTS.iter().zip(&texts) {
            arguments.extend([*flag, port.as_str()]);
        }
        let mut program = Program::start(&arguments, &environment);
        program.says("ready").await;
        program.says("Ctrl-C stops.").await;
        Self { program, ports }
    }

    fn apis(&self) -> [Api; 4] {
        self.ports.map(Api::at)
    }

    async fn interrupt(self) {
        self.program.signal("INT").await;
        let ended = self.program.ends().await;
        assert!(ended.success(), "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_up_offers_to_try_works_as_printed() {
    let (database, broker) = (Database::create().await, Broker::start().await);
    let up = Up::start(&database, &broker).await;
    let said = up.program.said();
    let lines: Vec<_> =
        said.iter().map(|line| line.trim()).filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() >= 8, "{said:?}");
    for line in lines {
        // As printed; only what curl would read from the user's home is left out.
        let curl = Command::new("bash").args(["-c", line]).env("CURL_HOME", "/nowhere").output();
        let output = soon(line, curl).await.unwrap();
        let answer = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{line}\n{answer}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str::<Value>(&answer).unwrap();
    }
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_up_goes_on_where_the_first_stopped() {
    let (database, broker) = (Database::create().await, Broker::start().await);
    let up = Up::start(&database, &broker).await;
    let [experience, dal, ..] = up.apis();
    let catalogue = experience.get("/gameserver").await.ok();
    assert_eq!(catalogue.as_array().unwrap().len(), 2);
    let first = dal.post("/worker/create").await.ok();
    up.interrupt().await;

    let up = Up::start(&database, &broker).await;
    let [experience, dal, status, processor] = up.apis();
    assert_eq!(experience.get("/gameserver").await.ok(), catalogue);
    assert_eq!(experience.get("/worker/current").await.ok()["worker_id"], first["worker_id"]);
    let second = dal.post("/worker/create").await.ok();
    assert!(second["worker_id"].as_i64() > first["worker_id"].as_i64(), "{second}");
    for api in [experience, dal, status, processor] {
        assert!(api.is_well("/readyz").await && api.is_well("/health").await);
    }
    up.interrupt().await;
}
