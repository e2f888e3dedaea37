//! What can be started, added as users add it.

use std::path::Path;

use serde_json::{Value, json};

use super::Api;

/// Adds a game server that is on the host already, with one config; returns the config.
pub async fn add_local(
    experience: &Api,
    name: &str,
    executable: &Path,
    args: &[&str],
    supervision: Value,
) -> i32 {
    let server = json!({"name": name, "server_type": "LOCAL"});
    let config =
        json!({"executable": executable, "args": args, "supervision": supervision, "name": name});
    add(experience, &server, config).await
}

/// Adds a game server with one config; returns the config.
pub async fn add(experience: &Api, server: &Value, mut config: Value) -> i32 {
    let server = experience.post_json("/v1/game-servers", server).await.created();
    config["game_server_id"] = server["game_server_id"].clone();
    let config = experience.post_json("/v1/game-server-configs", &config).await.created();
    config["game_server_config_id"].as_str().unwrap().parse().unwrap()
}
