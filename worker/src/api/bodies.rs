//! What is said to the API and what it says.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::ids;
use crate::process::OutputTail;

/// How a game server comes onto the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ServerType {
    /// SteamCMD installs it.
    Steam,
    /// It is there already.
    Local,
}

/// A config: what runs, and how it is kept running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// Its id.
    #[serde(with = "ids")]
    pub game_server_config_id: i32,
    /// The game server it is a config of.
    #[serde(with = "ids")]
    pub game_server_id: i32,
    /// That game server's name.
    pub game_server_name: String,
    /// How it is installed.
    pub server_type: ServerType,
    /// What SteamCMD calls it; for a local one a number without meaning to anybody else.
    #[serde(with = "ids")]
    pub app_id: i32,
    /// The config's own name.
    pub name: String,
    /// Relative to the install directory, for a local one maybe absolute.
    pub executable: String,
    /// Arguments, verbatim.
    #[serde(default)]
    pub args: Vec<String>,
    /// `KEY=VALUE` each.
    #[serde(default)]
    pub env_var: Vec<String>,
    /// Shell commands between install and start.
    #[serde(default)]
    pub post_install_commands: Vec<String>,
    /// Whether it is its game server's default.
    #[serde(default)]
    pub is_default: bool,
    /// Whether it is listed for users.
    #[serde(default)]
    pub is_visible: bool,
    /// How it is stopped and whether it is started again.
    #[serde(default)]
    pub supervision: Supervision,
}

/// How a game server is stopped, and what is done when it ends unasked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Supervision {
    /// The line on its console that asks it to end; without one SIGTERM comes first.
    pub stop_line: Option<String>,
    /// How long each of stop line and SIGTERM may take, in seconds.
    pub stop_grace_seconds: u32,
    /// Whether it is started again.
    pub restart: RestartPolicy,
    /// How many restarts there may be within the window.
    pub restart_limit: u32,
    /// How long a restart counts against the limit, in seconds.
    pub restart_window_seconds: u32,
}

impl Default for Supervision {
    /// v1's behaviour, with ten seconds between SIGTERM and SIGKILL.
    fn default() -> Self {
        Self {
            stop_line: None,
            stop_grace_seconds: 10,
            restart: RestartPolicy::Never,
            restart_limit: 5,
            restart_window_seconds: 600,
        }
    }
}

/// Whether a game server that ended unasked is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// It stays ended.
    Never,
    /// Unless it exited with code 0.
    OnFailure,
    /// However it ended.
    Always,
}

/// That this agent is a worker now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Registration {
    /// As which one.
    #[serde(with = "ids")]
    pub worker_id: i32,
    /// What that was until now.
    pub attached: Attachment,
}

/// What a worker was before an agent registered as it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attachment {
    /// It did not exist.
    Registered,
    /// It was this agent's already.
    Reattached,
    /// It was another agent's, which fell silent.
    TakenOver,
}

/// One instance in a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceBeat {
    /// The instance.
    #[serde(rename = "game_server_instance_id", with = "ids")]
    pub instance_id: i32,
    /// What it printed last, when that changed since the heartbeat before.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "output")]
    pub output: Option<OutputTail>,
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn output<S: Serializer>(output: &Option<OutputTail>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Output<'a> {
        lines_total: u64,
        tail: &'a [String],
    }
    let output = output.as_ref();
    output
        .map(|OutputTail { lines_total, lines }| Output { lines_total: *lines_total, tail: lines })
        .serialize(serializer)
}

/// Parts of a heartbeat whose text is no longer than so many bytes, unless one instance alone is; at least one part.
pub(super) fn parts(beats: &[InstanceBeat], most: usize) -> Vec<&[InstanceBeat]> {
    let mut parts = Vec::new();
    let (mut begin, mut size) = (0, 0);
    for (end, beat) in beats.iter().enumerate() {
        let lines = beat.output.iter().flat_map(|output| &output.lines);
        let more: usize = lines.map(String::len).sum();
        if size + more > most && end > begin {
            parts.push(&beats[begin..end]);
            (begin, size) = (end, 0);
        }
        size += more;
    }
    parts.push(&beats[begin..]);
    parts
}

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Create and run an instance of a config.
    Start,
    /// End a config's instance.
    Stop,
    /// Write a line to a config's instance.
    Stdin,
    /// End all instances and the worker.
    Shutdown,
    /// Something that an agent of this version does not know.
    #[serde(other)]
    Unknown,
}

/// A command that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PendingCommand {
    /// The request, by which its outcome is reported.
    pub command_id: Uuid,
    /// What it asks for.
    pub kind: CommandKind,
    /// The config it is about; none for a shutdown.
    #[serde(default, with = "ids::optional")]
    pub game_server_config_id: Option<i32>,
    /// The instance, where the request named one.
    #[serde(default, with = "ids::optional")]
    pub game_server_instance_id: Option<i32>,
    /// The words of a line.
    #[serde(default)]
    pub words: Vec<String>,
    /// When it was asked for, on the server's clock.
    pub requested_at: DateTime<Utc>,
    /// After this it counts as timed out.
    #[serde(default)]
    pub deadline: Option<DateTime<Utc>>,
}

/// An instance that has not ended, as ManMan sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct OpenInstance {
    /// The instance.
    #[serde(rename = "game_server_instance_id", with = "ids")]
    pub instance_id: i32,
    /// What it runs.
    #[serde(rename = "game_server_config_id", with = "ids")]
    pub config_id: i32,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutcomeBody {
    /// How.
    pub outcome: OutcomeWord,
    /// The instance it began or changed.
    #[serde(with = "ids::optional", skip_serializing_if = "Option::is_none")]
    pub game_server_instance_id: Option<i32>,
    /// Why it was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeWord {
    /// What was asked for is done.
    Fulfilled,
    /// It was not tried, and why.
    Refused,
    /// It was tried in vain, and why.
    Failed,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_is_written_as_it_is_read_and_needs_no_supervision() {
        let body = json!({
            "game_server_config_id": "3", "game_server_id": "2", "game_server_name": "demo",
            "server_type": "LOCAL", "app_id": 2, "name": "demo", "executable": "/usr/bin/demo",
            "args": ["--tick"], "env_var": [], "post_install_commands": [],
            "is_default": true, "is_visible": true, "something_new": {},
        });
        let config: ServerConfig = serde_json::from_value(body).unwrap();
        assert_eq!((config.game_server_config_id, config.app_id), (3, 2));
        assert_eq!(config.supervision, Supervision::default());
        let kept = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ServerConfig>(&kept).unwrap(), config);
    }

    #[test]
    fn a_command_of_an_unknown_kind_does_not_hide_its_neighbours() {
        let command = |kind: &str| {
            json!({
                "command_id": "0198c0de-0000-7000-8000-000000000001", "kind": kind,
                "game_server_config_id": null, "game_server_instance_id": "12", "words": [],
                "requested_at": "2026-01-02T03:04:05Z", "deadline": null, "outcome": "pending",
            })
        };
        let commands: Vec<PendingCommand> =
            serde_json::from_value(json!([command("dance"), command("shutdown")])).unwrap();
        assert_eq!(commands[0].kind, CommandKind::Unknown);
        assert_eq!(commands[1].kind, CommandKind::Shutdown);
        assert_eq!(commands[1].game_server_config_id, None);
        assert_eq!(commands[1].game_server_instance_id, Some(12));
    }

    fn beat(instance_id: i32, printed: usize) -> InstanceBeat {
        let output = OutputTail { lines_total: 7, lines: vec!["x".repeat(printed)] };
        InstanceBeat { instance_id, output: (printed > 0).then_some(output) }
    }

    #[test]
    fn a_beat_names_its_instance_and_its_output_only_when_there_is_news() {
        let told = json!([beat(12, 2), beat(13, 0)]);
        let output = json!({"lines_total": 7, "tail": ["xx"]});
        assert_eq!(
            told,
            json!([
                {"game_server_instance_id": "12", "output": output},
                {"game_server_instance_id": "13"},
            ])
        );
    }

    #[test]
    fn a_large_heartbeat_goes_in_parts_and_an_empty_one_goes_too() {
        let beats = [beat(1, 60), beat(2, 0), beat(3, 60), beat(4, 200), beat(5, 1)];
        let parts_of = |beats| -> Vec<Vec<i32>> {
            let ids = |part: &[InstanceBeat]| part.iter().map(|beat| beat.instance_id).collect();
            parts(beats, 100).into_iter().map(ids).collect()
        };
        assert_eq!(parts_of(&beats), [vec![1, 2], vec![3], vec![4], vec![5]]);
        assert_eq!(parts_of(&beats[..2]), [vec![1, 2]]);
        assert_eq!(parts_of(&[]), [Vec::<i32>::new()]);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in [json!("twelve"), json!(null), json!(1.5), json!("2147483648")] {
            let body = json!({"game_server_instance_id": id, "game_server_config_id": "1"});
            assert!(serde_json::from_value::<OpenInstance>(body).is_err(), "{id}");
        }
    }
}
