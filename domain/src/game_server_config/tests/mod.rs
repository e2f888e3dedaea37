//! Given events, when a command, then events or a refusal.
//!
//! `supervision`: how its process is supervised.

mod supervision;

use super::*;
use crate::game_server::ServerType;
use crate::testing::{assert_stored_as_sampled, given, in_every_state, replayed};
use crate::{
    Claim, ClaimChange, ClaimScope, Claims, Event, GameServerCommandId, GameServerConfigCommandId,
    GameServerConfigId, GameServerConfigOptionId, GameServerId, Refusal, RefusalKind,
};

const CONFIG: GameServerConfigId = GameServerConfigId(1);
const CHANGELEVEL: GameServerCommandId = GameServerCommandId(5);

/// Every state in which rules differ.
#[derive(Debug, Clone, Copy)]
enum State {
    Unborn,
    Bare,
    WithCommand,
    WithOption,
}

use State::{Bare, Unborn, WithCommand, WithOption};

const STATES: [State; 4] = [Unborn, Bare, WithCommand, WithOption];

fn history(state: State) -> Vec<GameServerConfigEvent> {
    match state {
        Unborn => vec![],
        Bare => vec![added(settings())],
        WithCommand => vec![added(settings()), command_added(1, "de_nuke")],
        WithOption => vec![added(settings()), option_added(1, OptionType::Arg, "-dedicated")],
    }
}

fn when_in_every_state(
    command: impl Fn() -> GameServerConfigCommand,
    expected: impl Fn(State) -> Result<Vec<GameServerConfigEvent>, ConfigRefusal>,
) {
    in_every_state::<GameServerConfig, _, _>(&STATES, history, command, expected);
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// The first config that v1 brings along.
fn settings() -> ConfigSettings {
    ConfigSettings {
        game_server_config_id: CONFIG,
        game_server_id: GameServerId(3),
        name: "testcs2".to_owned(),
        is_default: true,
        is_visible: true,
        executable: "game/bin/linuxsteamrt64/cs2".to_owned(),
        args: texts(&["-dedicated", "-port", "27015", "+map", "de_ancient"]),
        env_var: texts(&["LD_LIBRARY_PATH=./linux64:$LD_LIBRARY_PATH", "EMPTY=", "TWO=a=b"]),
        post_install_commands: texts(&["echo installed > log.txt"]),
    }
}

fn add(settings: ConfigSettings) -> GameServerConfigCommand {
    add_to(ServerType::Steam, settings, None)
}

fn add_to(
    server_type: ServerType,
    settings: ConfigSettings,
    supervision: Option<Supervision>,
) -> GameServerConfigCommand {
    GameServerConfigCommand::Add {
        game_server_config_id: settings.game_server_config_id,
        game_server_id: settings.game_server_id,
        name: settings.name,
        is_default: settings.is_default,
        is_visible: settings.is_visible,
        server_type,
        executable: settings.executable,
        args: settings.args,
        env_var: settings.env_var,
        post_install_commands: settings.post_install_commands,
        supervision,
    }
}

fn added(settings: ConfigSettings) -> GameServerConfigEvent {
    GameServerConfigEvent::GameServerConfigAdded {
        game_server_config_id: settings.game_server_config_id,
        game_server_id: settings.game_server_id,
        name: settings.name,
        is_default: settings.is_default,
        is_visible: settings.is_visible,
        executable: settings.executable,
        args: settings.args,
        env_var: settings.env_var,
        post_install_commands: settings.post_install_commands,
    }
}

fn add_command(value: &str, description: Option<&str>) -> GameServerConfigCommand {
    GameServerConfigCommand::AddCommand {
        game_server_config_command_id: GameServerConfigCommandId(2),
        game_server_command_id: CHANGELEVEL,
        command_value: value.to_owned(),
        description: description.map(str::to_owned),
        is_visible: true,
    }
}

fn command_added(id: i32, value: &str) -> GameServerConfigEvent {
    GameServerConfigEvent::ConfigCommandAdded {
        game_server_config_command_id: GameServerConfigCommandId(id),
        game_server_command_id: CHANGELEVEL,
        command_value: value.to_owned(),
        description: None,
        is_visible: true,
    }
}

fn add_option(
    option_type: OptionType,
    value: &str,
    description: Option<&str>,
) -> GameServerConfigCommand {
    GameServerConfigCommand::AddOption {
        game_server_config_option_id: GameServerConfigOptionId(2),
        option_type,
        value: value.to_owned(),
        order: -1,
        is_enabled: true,
        description: description.map(str::to_owned),
    }
}

fn option_added(id: i32, option_type: OptionType, value: &str) -> GameServerConfigEvent {
    GameServerConfigEvent::ConfigOptionAdded {
        game_server_config_option_id: GameServerConfigOptionId(id),
        option_type,
        value: value.to_owned(),
        order: -1,
        is_enabled: true,
        description: None,
    }
}

fn refused(state: State, command: GameServerConfigCommand, refusal: ConfigRefusal) {
    given::<GameServerConfig>(history(state)).when(command).then_expect_error(refusal);
}

#[test]
fn a_config_is_added_once_under_an_id() {
    when_in_every_state(
        || add(settings()),
        |state| match state {
            Unborn => Ok(vec![added(settings())]),
            Bare | WithCommand | WithOption => {
                Err(ConfigRefusal::AlreadyExists { game_server_config_id: CONFIG })
            }
        },
    );
}

#[test]
fn a_command_with_a_new_value_is_added_to_any_config() {
    when_in_every_state(
        || add_command("de_ancient", None),
        |state| match state {
            Unborn => Err(ConfigRefusal::NotFound),
            Bare | WithCommand | WithOption => Ok(vec![command_added(2, "de_ancient")]),
        },
    );
}

#[test]
fn a_config_has_a_command_with_a_value_once() {
    when_in_every_state(
        || add_command("de_nuke", None),
        |state| match state {
            Unborn => Err(ConfigRefusal::NotFound),
            Bare | WithOption => Ok(vec![command_added(2, "de_nuke")]),
            WithCommand => Err(ConfigRefusal::CommandTaken {
                game_server_command_id: CHANGELEVEL,
                command_value: "de_nuke".to_owned(),
            }),
        },
    );
}

#[test]
fn two_commands_may_have_the_same_value() {
    let other = GameServerConfigCommand::AddCommand {
        game_server_config_command_id: GameServerConfigCommandId(2),
        game_server_command_id: GameServerCommandId(6),
        command_value: "de_nuke".to_owned(),
        description: None,
        is_visible: true,
    };
    assert!(replayed::<GameServerConfig>(history(WithCommand)).decide(other).is_ok());
}

#[test]
fn options_are_added_to_any_config_and_may_repeat() {
    for option_type in [OptionType::Arg, OptionType::EnvVar, OptionType::PostInstallScript] {
        when_in_every_state(
            || add_option(option_type, "-dedicated=1", None),
            |state| match state {
                Unborn => Err(ConfigRefusal::NotFound),
                Bare | WithCommand | WithOption => {
                    Ok(vec![option_added(2, option_type, "-dedicated=1")])
                }
            },
        );
    }
}

#[test]
fn an_environment_variable_needs_a_key_and_an_equals_sign() {
    for entry in ["SteamAppId", "", "=892970"] {
        let refusal = ConfigRefusal::NotKeyValue { entry: entry.to_owned() };
        let env_var = texts(&["SteamAppId=892970", entry]);
        refused(Unborn, add(ConfigSettings { env_var, ..settings() }), refusal.clone());
        refused(Bare, add_option(OptionType::EnvVar, entry, None), refusal);
    }
}

#[test]
fn neither_name_nor_executable_leads_out_of_the_install_directory() {
    for path in ["/bin/sh", "..", "../cs2", "game/../../sh", "game/.."] {
        let path = || path.to_owned();
        let outside = |field| ConfigRefusal::OutsideInstallDirectory { field, path: path() };
        let executable = ConfigSettings { executable: path(), ..settings() };
        let name = ConfigSettings { name: path(), ..settings() };
        refused(Unborn, add(executable), outside("executable"));
        refused(Unborn, add(name), outside("name"));
    }
}

#[test]
fn the_executable_of_a_local_game_server_may_be_anywhere_but_not_lead_up() {
    let local = |executable: &str| {
        let settings = ConfigSettings { executable: executable.to_owned(), ..settings() };
        add_to(ServerType::Local, settings, None)
    };
    for executable in ["/opt/demo/server", "demo-server", "bin/demo..server"] {
        assert!(replayed::<GameServerConfig>(vec![]).decide(local(executable)).is_ok());
    }
    for path in ["/opt/../etc/passwd", "/..", "..", "../server"] {
        let path = path.to_owned();
        let refusal = |path| ConfigRefusal::OutsideInstallDirectory { field: "executable", path };
        refused(Unborn, local(&path), refusal(path));
    }
    refused(Unborn, local("/\0"), ConfigRefusal::NulCharacter { field: "executable" });
}

#[test]
fn dots_that_lead_nowhere_are_fine() {
    for executable in ["./cs2", "game/bin...64/cs2..", ".hidden/..cs2"] {
        let fine = ConfigSettings { executable: executable.to_owned(), ..settings() };
        assert!(replayed::<GameServerConfig>(vec![]).decide(add(fine)).is_ok(), "{executable}");
    }
}

#[test]
fn a_nul_is_refused_because_no_read_model_can_hold_it() {
    let (text, list) = ("K=\0".to_owned(), texts(&["fine=1", "K=\0"]));
    let nul = |field| ConfigRefusal::NulCharacter { field };
    for (settings, field) in [
        (ConfigSettings { name: text.clone(), ..settings() }, "name"),
        (ConfigSettings { executable: text, ..settings() }, "executable"),
        (ConfigSettings { args: list.clone(), ..settings() }, "arguments"),
        (ConfigSettings { env_var: list.clone(), ..settings() }, "environment variables"),
        (ConfigSettings { post_install_commands: list, ..settings() }, "post-install commands"),
    ] {
        refused(Unborn, add(settings), nul(field));
    }
    refused(Bare, add_command("\0", None), nul("command value"));
    refused(Bare, add_command("v", Some("\0")), nul("description"));
    refused(Bare, add_option(OptionType::Arg, "\0", None), nul("option value"));
    refused(Bare, add_option(OptionType::EnvVar, "K=\0", None), nul("environment variables"));
    refused(Bare, add_option(OptionType::Arg, "v", Some("\0")), nul("description"));
}

#[test]
fn a_new_config_claims_its_name_and_a_default_one_its_place() {
    let claim = |scope, key: &str| ClaimChange::Take(Claim { scope, key: key.to_owned() });
    let name = claim(ClaimScope::ConfigName, "3/testcs2");
    let place = claim(ClaimScope::DefaultConfig, "3");
    assert_eq!(added(settings()).claims(), [name.clone(), place]);

    let not_default = ConfigSettings { is_default: false, ..settings() };
    assert_eq!(added(not_default).claims(), [name]);
    assert_eq!(command_added(1, "de_nuke").claims(), []);
    assert_eq!(option_added(1, OptionType::Arg, "-dedicated").claims(), []);
}

#[test]
fn a_refusal_tells_what_the_caller_can_do() {
    let exists = ConfigRefusal::AlreadyExists { game_server_config_id: CONFIG };
    let taken = ConfigRefusal::CommandTaken {
        game_server_command_id: CHANGELEVEL,
        command_value: "de_nuke".to_owned(),
    };
    let entry = ConfigRefusal::NotKeyValue { entry: "SteamAppId".to_owned() };
    let path = ConfigRefusal::OutsideInstallDirectory { field: "name", path: "..".to_owned() };
    let control = ConfigRefusal::ControlCharacters { field: "stop line" };
    let range = ConfigRefusal::OutOfRange { field: "limit", value: -1, least: 0, most: 9 };
    assert_eq!(control.kind(), RefusalKind::Invalid);
    assert_eq!(range.kind(), RefusalKind::Invalid);
    assert_eq!(ConfigRefusal::NotFound.kind(), RefusalKind::NotFound);
    assert_eq!(exists.kind(), RefusalKind::Conflict);
    assert_eq!(taken.kind(), RefusalKind::Conflict);
    assert_eq!(entry.kind(), RefusalKind::Invalid);
    assert_eq!(path.kind(), RefusalKind::Invalid);
    assert_eq!(ConfigRefusal::NulCharacter { field: "name" }.kind(), RefusalKind::Invalid);
}

#[test]
fn every_event_is_stored_as_its_sample_says() {
    assert_stored_as_sampled::<GameServerConfig>(
        vec![
            added(settings()),
            supervision::set(supervision::patient()),
            supervision::set(Supervision {
                stop_line: None,
                restart: RestartPolicy::OnFailure,
                ..supervision::patient()
            }),
            supervision::set(Supervision::default()),
            command_added(1, "de_nuke"),
            option_added(1, OptionType::Arg, "-dedicated"),
            option_added(2, OptionType::EnvVar, "SteamAppId=892970"),
            option_added(3, OptionType::PostInstallScript, "echo installed > log.txt"),
        ],
        Event::Config,
    );
}
