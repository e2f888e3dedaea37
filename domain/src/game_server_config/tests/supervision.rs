//! How its process is supervised.

use super::*;

pub fn patient() -> Supervision {
    Supervision {
        stop_line: Some("quit".to_owned()),
        stop_grace_seconds: 120,
        restart: RestartPolicy::Always,
        restart_limit: 3,
        restart_window_seconds: 3_600,
    }
}

pub fn set(supervision: Supervision) -> GameServerConfigEvent {
    GameServerConfigEvent::SupervisionSet {
        stop_line: supervision.stop_line,
        stop_grace_seconds: supervision.stop_grace_seconds,
        restart: supervision.restart,
        restart_limit: supervision.restart_limit,
        restart_window_seconds: supervision.restart_window_seconds,
    }
}

#[test]
fn a_config_is_supervised_as_v1_did_until_something_else_is_set() {
    let config = replayed::<GameServerConfig>(history(Bare));
    assert_eq!(config.supervision.restart, RestartPolicy::Never);
    assert_eq!(config.supervision, Supervision::default());
    let config = replayed::<GameServerConfig>(vec![added(settings()), set(patient())]);
    assert_eq!(config.supervision, patient());
}

#[test]
fn supervision_is_set_on_any_config() {
    when_in_every_state(
        || GameServerConfigCommand::SetSupervision(patient()),
        |state| match state {
            Unborn => Err(ConfigRefusal::NotFound),
            Bare | WithCommand | WithOption => Ok(vec![set(patient())]),
        },
    );
}

#[test]
fn supervision_that_is_so_already_is_no_event() {
    for (history, same) in [
        (vec![added(settings())], Supervision::default()),
        (vec![added(settings()), set(patient())], patient()),
    ] {
        given::<GameServerConfig>(history)
            .when(GameServerConfigCommand::SetSupervision(same))
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_config_is_added_with_its_supervision_where_that_is_not_the_default() {
    let add = |supervision| add_to(ServerType::Steam, settings(), Some(supervision));
    given::<GameServerConfig>(vec![])
        .when(add(patient()))
        .then_expect_events(vec![added(settings()), set(patient())]);
    given::<GameServerConfig>(vec![])
        .when(add(Supervision::default()))
        .then_expect_events(vec![added(settings())]);
}

#[test]
fn supervision_is_within_bounds() {
    for fine in [
        Supervision { stop_grace_seconds: 0, restart_limit: 0, ..patient() },
        Supervision { stop_grace_seconds: 120, restart_limit: 1_000, ..patient() },
        Supervision { restart_window_seconds: 1, ..patient() },
        Supervision { restart_window_seconds: 86_400, ..patient() },
        Supervision { stop_line: Some("say tsch\u{fc}ss".to_owned()), ..patient() },
    ] {
        let command = GameServerConfigCommand::SetSupervision(fine);
        assert!(replayed::<GameServerConfig>(history(Bare)).decide(command).is_ok());
    }
    let range = |field, value, least, most| ConfigRefusal::OutOfRange { field, value, least, most };
    let grace = |value| range("stop grace in seconds", value, 0, 120);
    let limit = |value| range("restart limit", value, 0, 1_000);
    let window = |value| range("restart window in seconds", value, 1, 86_400);
    for (supervision, refusal) in [
        (Supervision { stop_grace_seconds: -1, ..patient() }, grace(-1)),
        (Supervision { stop_grace_seconds: 121, ..patient() }, grace(121)),
        (Supervision { restart_limit: -1, ..patient() }, limit(-1)),
        (Supervision { restart_limit: 1_001, ..patient() }, limit(1_001)),
        (Supervision { restart_window_seconds: 0, ..patient() }, window(0)),
        (Supervision { restart_window_seconds: 86_401, ..patient() }, window(86_401)),
    ] {
        refused(
            Bare,
            GameServerConfigCommand::SetSupervision(supervision.clone()),
            refusal.clone(),
        );
        refused(Unborn, add_to(ServerType::Local, settings(), Some(supervision)), refusal);
    }
}

#[test]
fn a_stop_line_is_one_line() {
    for stop_line in ["quit\n", "say\0", "\u{1b}[2J"] {
        let odd = Supervision { stop_line: Some(stop_line.to_owned()), ..patient() };
        let refusal = ConfigRefusal::ControlCharacters { field: "stop line" };
        refused(Bare, GameServerConfigCommand::SetSupervision(odd), refusal);
    }
}

#[test]
fn supervision_claims_nothing_and_a_snapshot_of_before_it_is_read() {
    assert_eq!(set(patient()).claims(), []);
    let config = replayed::<GameServerConfig>(history(Bare));
    let mut snapshot = serde_json::to_value(&config).unwrap();
    snapshot.as_object_mut().unwrap().remove("supervision").unwrap();
    assert_eq!(serde_json::from_value::<GameServerConfig>(snapshot).unwrap(), config);
}
