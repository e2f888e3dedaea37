//! A server as its users see it: a config, the newest instance of it, and what became of what they asked.

use std::path::Path;

use serde_json::{Value, json};

use super::{Api, System, add, add_local, demo, found};

/// One config's server. Users ask the current worker, whichever that is.
#[derive(Clone)]
pub struct Server {
    pub config_id: i32,
    experience: Api,
}

impl Server {
    /// The demo's game server, already on the host. It prints only what it is asked for.
    pub async fn demo(system: &System, name: &str, supervision: Value) -> Self {
        Self::local(system, name, &demo("demo-server"), &["--tick", "0"], supervision).await
    }

    /// A program that is on the host already.
    pub async fn local(
        system: &System,
        name: &str,
        executable: &Path,
        args: &[&str],
        supervision: Value,
    ) -> Self {
        let experience = system.experience.clone();
        let config_id = add_local(&experience, name, executable, args, supervision).await;
        Self { config_id, experience }
    }

    /// An app of Steam. `config` says what differs from the demo's, for SteamCMD's stand-in installs that.
    pub async fn steam(system: &System, name: &str, app_id: i32, config: Value) -> Self {
        let server = json!({"name": name, "server_type": "STEAM", "app_id": app_id});
        let mut whole = json!({"name": name, "executable": "demo-server"});
        let changes = config.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(changes);
        let experience = system.experience.clone();
        let config_id = add(&experience, &server, whole).await;
        Self { config_id, experience }
    }

    pub async fn start(&self) {
        self.ask("start").await;
    }

    pub async fn stop(&self) {
        self.ask("stop").await;
    }

    /// Types a line on its console.
    pub async fn type_line(&self, line: &str) {
        let body = json!({"commands": [line]});
        let path = format!("/gameserver/{}/stdin", self.config_id);
        self.experience.post_json(&path, &body).await.ok();
    }

    async fn ask(&self, what: &str) {
        self.experience.post(&format!("/gameserver/{}/{what}", self.config_id)).await.ok();
    }

    /// Waits until the newest instance has this status, and returns that instance.
    pub async fn reaches(&self, status: &str) -> Value {
        self.is(&format!("{status} {}", self.config_id), status, |_| true).await
    }

    /// Waits until an instance after this one has this status, and returns it.
    pub async fn reaches_anew(&self, before: &Value, status: &str) -> Value {
        let before = id_of(before);
        self.is(&format!("{status} {} after {before}", self.config_id), status, |instance| {
            id_of(instance) > before
        })
        .await
    }

    /// Waits until the newest instance has crashed with these words in its reason, and returns it.
    pub async fn crashes_with(&self, words: &str) -> Value {
        self.is(&format!("{} crashes with {words}", self.config_id), "CRASHED", |instance| {
            instance["reason"].as_str().is_some_and(|reason| reason.contains(words))
        })
        .await
    }

    /// Waits until the newest instance is being installed and has come as far as this.
    pub async fn comes_to(&self, phase: &str) -> Value {
        self.is(&format!("{phase} {}", self.config_id), "INITIALIZING", |instance| {
            instance["progress"]["phase"] == phase
        })
        .await
    }

    async fn is(&self, what: &str, status: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/servers/{}?until={status}&wait=5", self.config_id);
        found(what, async || {
            let instance = self.experience.get(&path).await.ok()["instance"].take();
            (instance["status"] == status && fits(&instance)).then_some(instance)
        })
        .await
    }

    /// Waits until it prints a line with this word.
    pub async fn prints(&self, text: &str) {
        let path = format!("/v1/servers/{}/output?wait=5&contains={text}", self.config_id);
        found(&format!("{} prints {text}", self.config_id), async || {
            let answer = self.experience.get(&path).await;
            let lines = if answer.status == 404 { Value::Null } else { answer.ok() };
            let prints = |line: &Value| line.as_str().unwrap().contains(text);
            lines["tail"].as_array()?.iter().any(prints).then_some(())
        })
        .await;
    }

    /// How the `number`th command of this kind, counted from 1, ended. Waits for it.
    pub async fn outcome(&self, worker_id: i32, kind: &str, number: usize) -> Value {
        let config_id = self.config_id.to_string();
        let path = format!("/v1/workers/{worker_id}/commands");
        found(&format!("{kind} {number} of {config_id} ends"), async || {
            let commands = self.experience.get(&path).await.ok()["commands"].take();
            let mut its = commands.as_array().unwrap().iter().filter(|command| {
                command["kind"] == kind && command["game_server_config_id"] == config_id
            });
            let id = its.nth(number - 1)?["command_id"].as_str().unwrap().to_owned();
            let command = self.experience.get(&format!("/v1/commands/{id}")).await.ok();
            (command["outcome"] != "pending").then_some(command)
        })
        .await
    }
}

/// An instance's id.
pub fn id_of(instance: &Value) -> i32 {
    instance["game_server_instance_id"].as_str().unwrap().parse().unwrap()
}

/// The outcome of a command, and the reason.
pub fn shown(command: &Value) -> (&str, Option<&str>) {
    (command["outcome"].as_str().unwrap(), command["reason"].as_str())
}
