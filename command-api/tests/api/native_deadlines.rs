//! How long a native worker has for what the Experience API asks of it: it answers when it is done.

use crate::support::{App, context, now, payload, with_app};
use domain::worker::{Surface, WorkerCommand};
use domain::{Instant, WorkerId};
use serde_json::json;

async fn open_native_worker(app: &App) {
    let native = WorkerCommand::Register {
        worker_id: WorkerId(50),
        surface: Surface::Native,
        name: Some("attic".to_owned()),
        agent: None,
        at: now(),
    };
    app.store.workers.execute("50", native, &context()).await.unwrap();
    app.project_worker(50, "native").await;
}

#[tokio::test]
async fn a_native_worker_may_install_for_hours_and_stop_for_minutes() {
    with_app(async |app| {
        open_native_worker(app).await;
        for (path, event, seconds) in [
            ("/gameserver/1/start", "StartRequested", 7_200),
            ("/gameserver/1/stop", "StopRequested", 300),
            ("/gameserver/1/stdin", "StdinSent", 30),
            ("/worker/shutdown", "ShutdownRequested", 300),
        ] {
            let answer = app.ask(path, &json!({"commands": ["say"]})).await;
            let asked = app.last_event().await;
            assert_eq!((asked.event_type.as_str(), asked.aggregate_id.as_str()), (event, "50"));
            assert_eq!(answer.position(), Some(asked.position.0));
            let request = payload(&asked);
            let instant = |name: &str| request[name].as_str().unwrap().parse::<Instant>().unwrap();
            let given = instant("deadline") - instant("requested_at");
            assert_eq!(given.num_seconds(), seconds, "{path}");
        }
    })
    .await;
}
