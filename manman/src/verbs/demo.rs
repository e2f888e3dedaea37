//! The demo of `up --demo`: a game server that an agent with the stand-in for SteamCMD can install, and how to try it.

use anyhow::{Context, Result};
use domain::game_server::{GameServerCommand, ServerType};
use domain::game_server_config::{GameServerConfigCommand, Supervision};
use domain::{GameServerConfigId, GameServerId};
use event_store::{
    Actor, Answer, CommandContext, EventStore, ExecuteError, Executed, IdAllocator, IdSequence,
};
use serde_json::value::to_raw_value;
use uuid::{Uuid, uuid};

use crate::cli::UpOptions;

/// The commands that add the demo: always the same two, so that it is added once.
const ADD_GAME_SERVER: Uuid = uuid!("5d3c1c6e-6f4b-5c39-9a39-6a1d6b7f0d01");
const ADD_CONFIG: Uuid = uuid!("5d3c1c6e-6f4b-5c39-9a39-6a1d6b7f0d02");

/// Steam's own example application; the stand-in installs its demo server whatever it is asked for.
const APP_ID: i32 = 480;

/// Adds the demo to the catalogue, unless an earlier start did; returns its config.
pub async fn add(store: &EventStore) -> Result<GameServerConfigId> {
    let new_id = |sequence| async move {
        let ids = IdAllocator::start(store.log.pool().clone(), sequence);
        ids.next().await.context("no id for the demo")
    };
    let id = new_id(IdSequence::GameServer).await?;
    let game_server = GameServerCommand::Add {
        game_server_id: GameServerId(id),
        name: "demo".to_owned(),
        server_type: ServerType::Steam,
        app_id: APP_ID,
    };
    let context_of = context(ADD_GAME_SERVER, id)?;
    let done = store.game_servers.create(&id.to_string(), game_server, &context_of).await;
    let game_server_id = GameServerId(created(done, id)?);

    let id = new_id(IdSequence::GameServerConfig).await?;
    let config = GameServerConfigCommand::Add {
        game_server_config_id: GameServerConfigId(id),
        game_server_id,
        name: "demo".to_owned(),
        is_default: true,
        is_visible: true,
        server_type: ServerType::Steam,
        executable: "demo-server".to_owned(),
        args: Vec::new(),
        env_var: Vec::new(),
        post_install_commands: Vec::new(),
        supervision: Some(Supervision {
            stop_line: Some("quit".to_owned()),
            ..Supervision::default()
        }),
    };
    let context_of = context(ADD_CONFIG, id)?;
    let done = store.configs.create(&id.to_string(), config, &context_of).await;
    Ok(GameServerConfigId(created(done, id)?))
}

/// Of a command that is answered with the id it created.
fn context(command_id: Uuid, id: i32) -> Result<CommandContext> {
    let answer = Answer { fingerprint: "demo".to_owned(), response: to_raw_value(&id)? };
    Ok(CommandContext {
        answer: Some(answer),
        reason: Some("manman up --demo".to_owned()),
        ..CommandContext::new(Actor::system("demo"), command_id)
    })
}

/// The id that was created now, or when the command was carried out before.
fn created<A, E>(done: Result<Executed<A>, ExecuteError<E>>, id: i32) -> Result<i32>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match done.context("the demo could not be added to the catalogue")? {
        Executed::Done { .. } => Ok(id),
        Executed::Repeated { response, .. } => Ok(serde_json::from_str(response.get())?),
    }
}

/// What to try, line by line.
pub fn try_this(options: &UpOptions, config_id: GameServerConfigId) -> String {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let (experience, status) = (url(options.experience_port), url(options.status_port));
    let json = "-H 'Content-Type: application/json'";
    let stdin = format!("curl -fsS -X POST {experience}/gameserver/{config_id}/stdin {json}");
    format!(
        "Try this (each line works by itself, in this order):

  # what can be started, and who would run it
  curl -fsS {experience}/gameserver
  curl -fsS {experience}/worker/current
  # start the demo; say who you are and why, it is kept
  curl -fsS -X POST {experience}/gameserver/{config_id}/start -H 'Manman-Actor: anna' -H 'Manman-Reason: trying it out'
  # it is being installed, with progress; then it runs
  curl -fsS '{status}/v1/servers/{config_id}?until=INITIALIZING&wait=10'
  curl -fsS '{status}/v1/servers/{config_id}?until=RUNNING&wait=25'
  # talk to it, and read what it answers
  {stdin} -d '{{\"commands\":[\"say hello\"]}}'
  curl -fsS '{status}/v1/servers/{config_id}/output?contains=hello&wait=10'
  # stop it
  curl -fsS -X POST {experience}/gameserver/{config_id}/stop -H 'Manman-Actor: anna' -H 'Manman-Reason: enough'
  curl -fsS '{status}/v1/servers/{config_id}?until=COMPLETE&wait=25'
  # start it again and let it crash: exit code, last lines
  curl -fsS -X POST {experience}/gameserver/{config_id}/start -H 'Manman-Actor: anna'
  curl -fsS '{status}/v1/servers/{config_id}?until=RUNNING&wait=25'
  {stdin} -d '{{\"commands\":[\"crash\"]}}'
  curl -fsS '{status}/v1/servers/{config_id}?until=CRASHED&wait=25'
  # all of it, with who, when and why
  curl -fsS {status}/v1/servers/{config_id}/events
  # what dashboards see
  curl -fsS {status}/status/workers
  curl -fsS {status}/status/system"
    )
}
