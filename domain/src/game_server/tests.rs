//! Given events, when a command, then events or a refusal.

use super::*;
use crate::testing::{assert_stored_as_sampled, given, in_every_state, replayed};
use crate::{
    Claim, ClaimChange, ClaimScope, Claims, Event, GameServerCommandDefaultId, GameServerCommandId,
    GameServerId, Refusal, RefusalKind,
};

const CS2: GameServerId = GameServerId(1);
const CHANGELEVEL: GameServerCommandId = GameServerCommandId(5);

/// Every state in which rules differ.
#[derive(Debug, Clone, Copy)]
enum State {
    Unborn,
    WithoutCommands,
    WithCommand,
    WithDefault,
}

use State::{Unborn, WithCommand, WithDefault, WithoutCommands};

const STATES: [State; 4] = [Unborn, WithoutCommands, WithCommand, WithDefault];

fn history(state: State) -> Vec<GameServerEvent> {
    match state {
        Unborn => vec![],
        WithoutCommands => vec![added()],
        WithCommand => vec![added(), command_added(CHANGELEVEL, "changelevel")],
        WithDefault => [history(WithCommand), vec![default_added(1)]].concat(),
    }
}

fn when_in_every_state(
    command: impl Fn() -> GameServerCommand,
    expected: impl Fn(State) -> Result<Vec<GameServerEvent>, GameServerRefusal>,
) {
    in_every_state::<GameServer, _, _>(&STATES, history, command, expected);
}

fn add(name: &str) -> GameServerCommand {
    GameServerCommand::Add {
        game_server_id: CS2,
        name: name.to_owned(),
        server_type: ServerType::Steam,
        app_id: 730,
    }
}

fn added() -> GameServerEvent {
    GameServerEvent::GameServerAdded {
        game_server_id: CS2,
        name: "cs2".to_owned(),
        server_type: ServerType::Steam,
        app_id: 730,
    }
}

fn add_command(name: &str, command: &str, description: Option<&str>) -> GameServerCommand {
    GameServerCommand::AddCommand {
        game_server_command_id: GameServerCommandId(6),
        name: name.to_owned(),
        command: command.to_owned(),
        description: description.map(str::to_owned),
        is_visible: true,
    }
}

fn command_added(game_server_command_id: GameServerCommandId, name: &str) -> GameServerEvent {
    GameServerEvent::GameServerCommandAdded {
        game_server_command_id,
        name: name.to_owned(),
        command: "changelevel {map}".to_owned(),
        description: None,
        is_visible: true,
    }
}

fn add_default(value: &str, description: Option<&str>) -> GameServerCommand {
    GameServerCommand::AddCommandDefault {
        game_server_command_default_id: GameServerCommandDefaultId(2),
        game_server_command_id: CHANGELEVEL,
        command_value: value.to_owned(),
        description: description.map(str::to_owned),
        is_visible: true,
    }
}

fn default_added(game_server_command_default_id: i32) -> GameServerEvent {
    GameServerEvent::GameServerCommandDefaultAdded {
        game_server_command_default_id: GameServerCommandDefaultId(game_server_command_default_id),
        game_server_command_id: CHANGELEVEL,
        command_value: "de_nuke".to_owned(),
        description: None,
        is_visible: true,
    }
}

#[test]
fn a_game_server_joins_the_catalogue_once_under_an_id() {
    when_in_every_state(
        || add("cs2"),
        |state| match state {
            Unborn => Ok(vec![added()]),
            WithoutCommands | WithCommand | WithDefault => {
                Err(GameServerRefusal::AlreadyExists { game_server_id: CS2 })
            }
        },
    );
}

#[test]
fn a_command_with_a_new_name_is_added_to_any_game_server() {
    when_in_every_state(
        || add_command("map", "changelevel {map}", None),
        |state| match state {
            Unborn => Err(GameServerRefusal::NotFound),
            WithoutCommands | WithCommand | WithDefault => {
                Ok(vec![command_added(GameServerCommandId(6), "map")])
            }
        },
    );
}

#[test]
fn two_commands_of_a_game_server_never_share_a_name() {
    when_in_every_state(
        || add_command("changelevel", "changelevel {map}", None),
        |state| match state {
            Unborn => Err(GameServerRefusal::NotFound),
            WithoutCommands => Ok(vec![command_added(GameServerCommandId(6), "changelevel")]),
            WithCommand | WithDefault => {
                Err(GameServerRefusal::CommandNameTaken { name: "changelevel".to_owned() })
            }
        },
    );
}

#[test]
fn a_default_value_needs_its_command_and_need_not_be_the_only_one() {
    when_in_every_state(
        || add_default("de_nuke", None),
        |state| match state {
            Unborn => Err(GameServerRefusal::NotFound),
            WithoutCommands => {
                Err(GameServerRefusal::CommandNotFound { game_server_command_id: CHANGELEVEL })
            }
            WithCommand | WithDefault => Ok(vec![default_added(2)]),
        },
    );
}

#[test]
fn empty_texts_are_accepted_as_in_v1() {
    let catalogue = replayed::<GameServer>(history(WithCommand));
    assert!(replayed::<GameServer>(vec![]).decide(add("")).is_ok());
    assert!(catalogue.decide(add_command("", "", Some(""))).is_ok());
    assert!(catalogue.decide(add_default("", Some(""))).is_ok());
}

#[test]
fn a_nul_is_refused_because_no_read_model_can_hold_it() {
    let refused = |state, command, field| {
        given::<GameServer>(history(state))
            .when(command)
            .then_expect_error(GameServerRefusal::NulCharacter { field });
    };
    refused(Unborn, add("cs\0"), "name");
    refused(WithoutCommands, add_command("\0", "c", None), "name");
    refused(WithoutCommands, add_command("n", "\0", None), "command");
    refused(WithoutCommands, add_command("n", "c", Some("\0")), "description");
    refused(WithCommand, add_default("\0", None), "command value");
    refused(WithCommand, add_default("v", Some("\0")), "description");
}

#[test]
fn a_new_game_server_claims_its_name_and_app_id_within_its_type() {
    let claim = |scope, key: &str| ClaimChange::Take(Claim { scope, key: key.to_owned() });
    assert_eq!(
        added().claims(),
        [
            claim(ClaimScope::GameServerName, "STEAM/cs2"),
            claim(ClaimScope::GameServerAppId, "STEAM/730"),
        ]
    );
    assert_eq!(command_added(CHANGELEVEL, "changelevel").claims(), []);
    assert_eq!(default_added(1).claims(), []);
}

#[test]
fn a_value_takes_the_place_of_every_placeholder_and_of_nothing_else() {
    for (template, value, text) in [
        ("changelevel {map}", "de_nuke", "changelevel de_nuke"),
        ("say {value}, {value} and {map}", "hi", "say hi, hi and hi"),
        ("{map}{value}", "x", "xx"),
        ("status", "unused", "status"),
        ("", "unused", ""),
        ("say {value}", "", "say "),
        ("load {map_name} {Map} {} {", "x", "load {map_name} {Map} {} {"),
        ("{{map}} {value", "x", "{x} {value"),
        ("é{map}é{", "ü", "éüé{"),
    ] {
        assert_eq!(resolve(template, value).as_deref(), Ok(text), "{template:?}");
    }
}

#[test]
fn what_was_put_in_is_not_expanded_again() {
    assert_eq!(resolve("say {value}", "{map}").as_deref(), Ok("say {map}"));
    assert_eq!(resolve("{value}map}", "{").as_deref(), Ok("{map}"));
}

#[test]
fn a_value_cannot_smuggle_a_second_line_into_the_console() {
    for value in ["de_nuke\nquit", "\r", "\0", "\u{1b}", "\u{7f}"] {
        let refusal = resolve("changelevel {map}", value).unwrap_err();
        assert_eq!(refusal, TemplateRefusal::ControlCharacters { value: value.to_owned() });
        assert_eq!(refusal.kind(), RefusalKind::Invalid);
    }
}

#[test]
fn a_refusal_tells_what_the_caller_can_do() {
    let missing = GameServerRefusal::CommandNotFound { game_server_command_id: CHANGELEVEL };
    let taken = GameServerRefusal::CommandNameTaken { name: "changelevel".to_owned() };
    let exists = GameServerRefusal::AlreadyExists { game_server_id: CS2 };
    assert_eq!(GameServerRefusal::NotFound.kind(), RefusalKind::NotFound);
    assert_eq!(missing.kind(), RefusalKind::NotFound);
    assert_eq!(taken.kind(), RefusalKind::Conflict);
    assert_eq!(exists.kind(), RefusalKind::Conflict);
    assert_eq!(GameServerRefusal::NulCharacter { field: "name" }.kind(), RefusalKind::Invalid);
}

#[test]
fn every_event_is_stored_as_its_sample_says() {
    assert_stored_as_sampled::<GameServer>(
        vec![
            added(),
            GameServerEvent::GameServerAdded {
                game_server_id: GameServerId(4),
                name: "Garry's Mod! 2".to_owned(),
                server_type: ServerType::Local,
                app_id: 0,
            },
            command_added(CHANGELEVEL, "changelevel"),
            GameServerEvent::GameServerCommandAdded {
                game_server_command_id: GameServerCommandId(6),
                name: "say".to_owned(),
                command: "say {value}".to_owned(),
                description: Some("to all players".to_owned()),
                is_visible: false,
            },
            default_added(1),
        ],
        Event::GameServer,
    );
}
