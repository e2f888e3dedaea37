//! The Worker DAL API as the agent asks it: what goes over the wire, and what is made of the answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/stub_api.rs"]
mod stub_api;

use std::sync::Arc;

use messaging::contract::time::parse_instant;
use serde_json::{Value, json};
use stub_api::{Asked, Mishap, StubApi};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig as TlsConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use uuid::Uuid;
use worker::api::{
    Api, ApiError, Attachment, CommandKind, InstanceBeat, OutcomeBody, OutcomeWord, RestartPolicy,
    ServerType,
};
use worker::process::OutputTail;

const AGENT: Uuid = Uuid::from_u128(7);

async fn stub() -> (StubApi, Api) {
    let stub = StubApi::start().await;
    let api = Api::try_new(&stub.url(), true).unwrap();
    (stub, api)
}

/// An API that gives this answer to everything.
async fn answering(status: u16, body: &'static str) -> (StubApi, Api) {
    let (stub, api) = stub().await;
    stub.is(move |_| Some(Mishap::Instead(status, body)));
    (stub, api)
}

fn only(stub: &StubApi) -> Asked {
    let [asked] = stub.asked().try_into().unwrap();
    asked
}

#[tokio::test]
async fn a_registration_says_who_and_learns_as_what() {
    let body = r#"{"worker_id":"6","name":"host-1","created_at":"2026-01-02T03:04:05Z","attached":"taken_over"}"#;
    let (stub, api) = answering(200, body).await;
    let registration = api.register("host-1", AGENT, "0.1.0").await.unwrap();
    assert_eq!((registration.worker_id, registration.attached), (6, Attachment::TakenOver));
    let asked = only(&stub);
    assert_eq!(asked.what, "POST /v1/workers");
    assert_eq!(asked.agent.as_deref(), Some("manman-worker/0.1.0"));
    let expected = json!({"name": "host-1", "agent_id": AGENT, "agent_version": "0.1.0"});
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn a_refused_registration_says_why_and_by_which_code() {
    let body = r#"{"title":"Conflict","status":409,"code":"worker_name_in_use","detail":"worker 6 was heard of 1 s ago"}"#;
    let (_stub, api) = answering(409, body).await;
    let error = api.register("host-1", AGENT, "0.1.0").await.unwrap_err();
    assert_eq!(error.code(), Some("worker_name_in_use"));
    assert_eq!(error.to_string(), "refused: 409 worker 6 was heard of 1 s ago");
    assert!(!error.is_worth_retrying());
}

#[tokio::test]
async fn a_heartbeat_names_all_instances_in_one_call() {
    let (stub, api) = answering(204, "").await;
    let output = OutputTail { lines_total: 120, lines: vec!["tick 120".to_owned()] };
    let beats = [
        InstanceBeat { instance_id: 12, output: Some(output) },
        InstanceBeat { instance_id: 13, output: None },
    ];
    api.heartbeat(6, AGENT, &beats).await.unwrap();
    let asked = only(&stub);
    assert_eq!(asked.what, "POST /v1/workers/6/heartbeat");
    let instances = json!([
        {"game_server_instance_id": "12", "output": {"lines_total": 120, "tail": ["tick 120"]}},
        {"game_server_instance_id": "13"},
    ]);
    assert_eq!(asked.body, json!({"agent_id": AGENT, "game_server_instances": instances}));
}

#[tokio::test]
async fn pending_commands_are_read() {
    let body = r#"{"commands":[{"command_id":"00000000-0000-0000-0000-000000000009","worker_id":"6","kind":"stdin",
        "game_server_config_id":"3","game_server_instance_id":"12","words":["say","hi"],"requested_at":"2026-01-02T03:04:05Z",
        "requested_by":null,"deadline":"2026-01-02T03:05:05.5Z","outcome":"pending","reason":null,"resolved_at":null}],"next":null}"#;
    let (stub, api) = answering(200, body).await;
    let commands = api.pending_commands(6).await.unwrap();
    assert_eq!(only(&stub).what, "GET /v1/workers/6/commands?outcome=pending");
    let command = &commands[0];
    assert_eq!((command.command_id, command.kind), (Uuid::from_u128(9), CommandKind::Stdin));
    assert_eq!(command.words, ["say", "hi"]);
    assert_eq!(
        (command.game_server_config_id, command.game_server_instance_id),
        (Some(3), Some(12))
    );
    assert_eq!(command.deadline, parse_instant("2026-01-02T03:05:05.5Z"));
}

#[tokio::test]
async fn open_instances_are_read_page_after_page() {
    const FIRST: &str = r#"{"game_server_instances":[{"game_server_instance_id":"12","game_server_config_id":"3","status":"RUNNING"}],"next":"12"}"#;
    const LAST: &str = r#"{"game_server_instances":[{"game_server_instance_id":"15","game_server_config_id":"4","status":null}],"next":null}"#;
    let (stub, api) = stub().await;
    stub.is(|asked| {
        let is_first = asked.what.ends_with("after=0");
        Some(Mishap::Instead(200, if is_first { FIRST } else { LAST }))
    });
    let open = api.open_instances(6).await.unwrap();
    let ids: Vec<_> = open.iter().map(|open| (open.instance_id, open.config_id)).collect();
    assert_eq!(ids, [(12, 3), (15, 4)]);
    let asked: Vec<_> = stub.asked().into_iter().map(|asked| asked.what).collect();
    let expected = [0, 12]
        .map(|after| format!("GET /v1/game-server-instances?worker_id=6&open=true&after={after}"));
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_config_is_read_with_how_it_is_supervised() {
    let body = r#"{"game_server_config_id":"3","game_server_id":"2","game_server_name":"demo","server_type":"STEAM","app_id":730,
        "name":"demo","executable":"bin/demo","args":["-x"],"env_var":["A=1"],"post_install_commands":["true"],"is_default":true,
        "is_visible":false,"supervision":{"stop_line":"quit","stop_grace_seconds":3,"restart":"on_failure","restart_limit":2,
        "restart_window_seconds":60}}"#;
    let (stub, api) = answering(200, body).await;
    let config = api.config(3).await.unwrap();
    assert_eq!(only(&stub).what, "GET /v1/game-server-configs/3");
    assert_eq!((config.server_type, config.app_id), (ServerType::Steam, 730));
    assert_eq!(config.supervision.restart, RestartPolicy::OnFailure);
    assert_eq!(config.supervision.stop_line.as_deref(), Some("quit"));
}

#[tokio::test]
async fn instances_begin_and_end_in_the_words_of_v1_and_under_a_key() {
    let (stub, api) = stub().await;
    let keys = [Uuid::from_u128(1), Uuid::from_u128(2)];
    let instance_id = api.create_instance(keys[0], 6, 3).await.unwrap();
    assert_eq!(api.create_instance(keys[0], 6, 3).await.unwrap(), instance_id);
    api.close_instance(keys[1], instance_id).await.unwrap();
    api.close_worker(6).await.unwrap();
    api.shut_down_others(6).await.unwrap();
    let asked = stub.asked();
    let said: Vec<_> = asked.iter().map(|asked| (asked.what.as_str(), &asked.body)).collect();
    let created = json!({"game_server_config_id": 3, "worker_id": 6});
    let worker = json!({"worker_id": 6});
    let expected = [
        ("POST /server/instance/create", &created),
        ("POST /server/instance/create", &created),
        ("PUT /server/instance/shutdown", &json!({"game_server_instance_id": instance_id})),
        ("PUT /worker/shutdown", &worker),
        ("PUT /worker/shutdown/other", &worker),
    ];
    assert_eq!(said, expected);
    assert_eq!(asked[0].key, Some(keys[0].to_string()));
    assert_eq!(asked[2].key, Some(keys[1].to_string()));
}

#[tokio::test]
async fn what_has_ended_before_may_end_again() {
    let (_stub, api) = answering(409, r#"{"detail":"Worker 6 was already closed"}"#).await;
    api.close_instance(Uuid::from_u128(1), 12).await.unwrap();
    api.close_worker(6).await.unwrap();
    let error = api.create_instance(Uuid::from_u128(1), 6, 3).await.unwrap_err();
    assert_eq!(error.refused_with(), Some(409));
}

#[tokio::test]
async fn an_outcome_is_told_with_its_instance_or_its_reason() {
    let (stub, api) = stub().await;
    let command_id = Uuid::from_u128(9);
    for (outcome, game_server_instance_id, reason, expected) in [
        (
            OutcomeWord::Fulfilled,
            Some(12),
            None,
            json!({"outcome": "fulfilled", "game_server_instance_id": "12"}),
        ),
        (
            OutcomeWord::Failed,
            None,
            Some("no".to_owned()),
            json!({"outcome": "failed", "reason": "no"}),
        ),
    ] {
        let body = OutcomeBody { outcome, game_server_instance_id, reason };
        api.resolve(6, command_id, &body).await.unwrap();
        let asked = stub.asked().pop().unwrap();
        assert_eq!(asked.what, format!("PUT /v1/workers/6/commands/{command_id}/outcome"));
        assert_eq!(asked.body, expected);
    }
}

#[tokio::test]
async fn the_path_of_the_address_is_kept() {
    let stub = StubApi::start().await;
    for (base, expected) in [("", "/worker/shutdown"), ("/", "/worker/shutdown")]
        .into_iter()
        .chain(["/workerdal", "/workerdal/"].map(|base| (base, "/workerdal/worker/shutdown")))
    {
        let api = Api::try_new(&format!("{}{base}", stub.url()), true).unwrap();
        api.close_worker(6).await.unwrap();
        assert_eq!(stub.asked().pop().unwrap().what, format!("PUT {expected}"), "{base:?}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_understood_is_no_success() {
    for (status, body) in [(200, "<html>"), (200, r#"{"game_server_instance_id":null}"#), (204, "")]
    {
        let (_stub, api) = answering(status, body).await;
        let error = api.create_instance(Uuid::from_u128(1), 6, 3).await.unwrap_err();
        assert!(matches!(error, ApiError::Unexpected(_)), "{error}");
        assert!(error.is_worth_retrying());
    }
}

#[tokio::test]
async fn an_api_that_is_not_there_is_unreachable() {
    let api = Api::try_new("http://127.0.0.1:1", true).unwrap();
    let error = api.open_instances(6).await.unwrap_err();
    assert!(matches!(error, ApiError::Unreachable(_)), "{error}");
    assert!(error.in_full().contains("refused"), "{}", error.in_full());
}

/// A server whose certificate nobody has vouched for.
async fn self_signed() -> String {
    const PEM: &[u8] = include_bytes!("../../messaging/tests/tls/server.pem");
    const KEY: &[u8] = include_bytes!("../../messaging/tests/tls/server.key");
    let certificates = CertificateDer::pem_slice_iter(PEM).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config =
        TlsConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("https://{address}")
}

#[tokio::test]
async fn a_certificate_is_verified_unless_it_is_not_to_be() {
    let url = self_signed().await;
    let strict = Api::try_new(&url, true).unwrap();
    let error = strict.close_worker(6).await.unwrap_err();
    assert!(matches!(error, ApiError::Unreachable(_)), "{error}");
    let lenient = Api::try_new(&url, false).unwrap();
    lenient.close_worker(6).await.unwrap();
}

#[tokio::test]
async fn only_a_redirect_that_keeps_the_method_is_followed() {
    let there = StubApi::start().await;
    for (status, follows) in [(307, true), (308, true), (301, false), (303, false)] {
        let location = format!("{}/worker/shutdown", there.url());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api =
            Api::try_new(&format!("http://{}", listener.local_addr().unwrap()), true).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let answer =
                format!("HTTP/1.1 {status} x\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let before = there.done().len();
        let result = api.close_worker(6).await;
        assert_eq!(result.is_ok(), follows, "{status}");
        assert_eq!(there.done().len() - before, usize::from(follows), "{status}");
    }
    let bodies: Vec<Value> = there.done().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, vec![json!({"worker_id": 6}); 2]);
}
