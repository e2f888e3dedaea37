//! What cannot be installed or started is told, with the reason.

use std::fs;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Host, Server, System, add, demo, eventually, id_of};

/// Apps for which the stand-in for SteamCMD does not do what it is asked.
const NOT_OURS: i32 = 501;
const SHAKY: i32 = 502;
/// An app whose directory cannot be made.
const BLOCKED: i32 = 503;

/// A stand-in that fails for some apps.
const STEAMCMD: &str = r#"#!/bin/sh
case " $* " in
  *" 501 "*) export DEMO_STEAMCMD_FAIL=no_subscription ;;
  *" 502 "*) export DEMO_STEAMCMD_FAIL=transient DEMO_STEAMCMD_FAIL_TIMES=1 ;;
esac
"#;

/// A server that cannot run, and words of the reason.
struct Hopeless {
    server: Server,
    reason: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_is_crashed_with_the_reason_and_its_start_failed() {
    let system = System::start().await;
    let mut host = Host::new(&system, "host-1");
    host.set("DEMO_STEAMCMD_SECONDS", "0.3");
    let steamcmd = format!("{STEAMCMD}exec {} \"$@\"\n", demo("demo-steamcmd").display());
    host.set("STEAMCMD_EXECUTABLE", host.script("steamcmd.sh", &steamcmd).to_str().unwrap());
    fs::create_dir_all(host.directory.join("games/steam")).unwrap();
    // Root may write everywhere, so that permissions would keep nobody out.
    fs::write(host.directory.join(format!("games/steam/{BLOCKED}")), "").unwrap();
    host.register().await;
    let worker_id = host.worker_id().unwrap();

    let mut hopeless = hopeless_local(&system, &host).await;
    hopeless.extend(hopeless_steam(&system).await);
    let shaky = Server::steam(&system, "shaky", SHAKY, json!({})).await;
    shaky.start().await;
    join_all(hopeless.iter().map(|it| it.server.start())).await;
    for it in &hopeless {
        it.has_crashed(&system, worker_id).await;
    }
    let runs = shaky.reaches("RUNNING").await;
    it_was_tried_again(&system, id_of(&runs)).await;

    // SIGTERM: what runs goes on.
    let agent = host.take_agent();
    agent.signal("TERM").await;
    assert!(agent.ends().await.success());
    host.set("STEAMCMD_EXECUTABLE", "/nowhere/steamcmd.sh");
    host.start_agent();
    let server = Server::steam(&system, "no steamcmd", 504, json!({})).await;
    server.start().await;
    let reason = "/nowhere/steamcmd.sh".to_owned();
    Hopeless { server, reason }.has_crashed(&system, worker_id).await;
    assert_eq!(host.processes().len(), 2, "nothing but the one that runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_config_says_does_not_lead_out_of_the_install_directory() {
    let system = System::start().await;
    let experience = &system.experience;
    let steam = json!({"name": "steam", "server_type": "STEAM", "app_id": 510});
    let steam = experience.post_json("/v1/game-servers", &steam).await.created();
    for (key, value, code) in [
        ("env_var", json!(["NO_VALUE"]), "invalid_env_var"),
        ("executable", json!("/bin/sh"), "outside_install_directory"),
        ("executable", json!("a/../../../b"), "outside_install_directory"),
        ("name", json!("../../../../etc"), "outside_install_directory"),
    ] {
        let mut config = json!({
            "game_server_id": steam["game_server_id"], "name": "config", "executable": "game",
        });
        config[key] = value;
        let answer = experience.post_json("/v1/game-server-configs", &config).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        let problem: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(problem["code"], code, "{problem}");
    }

    let host = Host::start(&system, "host-1").await;
    let server = json!({"name": "../../../../tmp/$(touch evil)", "server_type": "LOCAL"});
    let config = json!({"name": "config", "executable": demo("demo-server")});
    let config_id = add(experience, &server, config).await;
    experience.post(&format!("/gameserver/{config_id}/start")).await.ok();
    eventually("it runs in a directory of its own", async || host.pids_of(config_id).len() == 1)
        .await;
    let own = host.directory.join(format!("games/local/{config_id}-____________tmp___touch_evil_"));
    assert_eq!(fs::read_dir(own).unwrap().count(), 0);
}

async fn hopeless_local(system: &System, host: &Host) -> Vec<Hopeless> {
    let plain = host.directory.join("plain");
    fs::write(&plain, "no program").unwrap();
    let broken = host.script("broken", "#!/nowhere/interpreter\n");
    let mut hopeless = Vec::new();
    for (name, executable, reason) in [
        ("missing", host.directory.join("missing"), "there is no "),
        ("directory", host.directory.clone(), "is not a file"),
        ("not executable", plain, "is not executable"),
        ("no interpreter", broken, "is a script for \"/nowhere/interpreter\""),
    ] {
        let server = Server::local(system, name, &executable, &[], Value::Null).await;
        hopeless.push(Hopeless { server, reason: reason.to_owned() });
    }
    hopeless
}

async fn hopeless_steam(system: &System) -> Vec<Hopeless> {
    let escape =
        json!({"post_install_commands": ["ln -sf /bin/sh way-out"], "executable": "way-out"});
    let fails =
        json!({"post_install_commands": ["true", "echo patching; echo no patch >&2; exit 9"]});
    let mut hopeless = Vec::new();
    for (name, app_id, config, reason) in [
        ("not ours", NOT_OURS, json!({}), "app 501 cannot be downloaded without an account"),
        ("blocked", BLOCKED, json!({}), "cannot write to the directory "),
        ("escape", 505, escape, "\"way-out\" leads out of the install directory"),
        ("post-install", 506, fails, "exit 9\" failed: exit status: 9"),
    ] {
        let server = Server::steam(system, name, app_id, config).await;
        hopeless.push(Hopeless { server, reason: reason.to_owned() });
    }
    hopeless
}

impl Hopeless {
    /// Everybody is told: those who look at the instance, at the command, and v1's clients.
    async fn has_crashed(&self, system: &System, worker_id: i32) {
        let crashed = self.server.reaches("CRASHED").await;
        let reason = crashed["reason"].as_str().unwrap();
        assert!(reason.contains(&self.reason), "{reason}");
        assert!(crashed["ended_at"].is_string() && crashed["pid"].is_null(), "{crashed}");
        let start = self.server.outcome(worker_id, "start", 1).await;
        assert_eq!((&start["outcome"], &start["reason"]), (&json!("failed"), &crashed["reason"]));
        let v1 = system.status.get(&format!("/status/instance/{}", id_of(&crashed))).await.ok();
        assert_eq!(v1["status_type"], "CRASHED");
        if self.reason.contains("exit 9") {
            assert_eq!(crashed["last_lines"], json!(["patching", "no patch"]));
        }
    }
}

async fn it_was_tried_again(system: &System, instance_id: i32) {
    let path = format!("/v1/game-server-instances/{instance_id}/events");
    let history = system.status.get(&path).await.ok();
    let events = history["events"].as_array().unwrap().iter();
    let phases: Vec<_> = events.map(|event| &event["payload"]["phase"]).collect();
    assert!(phases.contains(&&json!("retrying")), "{history}");
}
