//! The database goes away: whoever writes is told soon, and everything goes on when it is back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses a part of support")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use event_store::{AppendError, EventStore, ExecuteError, LogOptions};
use futures::future::join_all;
use sqlx::postgres::PgPoolOptions;
use support::{Database, context, register, report};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine; only a failing test gets that far.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a pool waits for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// A way to the database on which everything stops, without an end, when it is told to.
struct Line {
    address: SocketAddr,
    works: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Line {
    async fn to(database: &Database) -> Self {
        let server = (database.options.get_host().to_owned(), database.options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let works = watch::Sender::new(true);
        let switch = works.subscribe();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let mut near = listener.accept().await.unwrap().0;
                let (server, mut switch) = (server.clone(), switch.clone());
                connections.spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => return,
                        _ = switch.wait_for(|works| !works) => {}
                    }
                    drop(switch.wait_for(|works| *works).await);
                });
            }
        });
        Self { address, works, _tasks: tasks }
    }

    async fn store(&self, database: &Database) -> EventStore {
        let options = database.options.clone();
        let options = options.host("127.0.0.1").port(self.address.port());
        let pool = PgPoolOptions::new().acquire_timeout(PATIENCE).connect_with(options);
        let log = LogOptions {
            statement_deadline: Duration::from_secs(1),
            outcome_deadline: Duration::from_secs(1),
            ..LogOptions::default()
        };
        EventStore::start(pool.await.unwrap(), log)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_on_a_line_that_fell_silent_ends_and_the_next_one_is_written() {
    let database = Database::create().await;
    let line = Line::to(&database).await;
    let store = line.store(&database).await;
    store.workers.create("1", register(1), &context()).await.unwrap();

    line.works.send_replace(false);
    let context_of_it = context();
    let written = store.workers.execute("1", report(1), &context_of_it);
    let error = timeout(DEADLINE, written).await.unwrap().unwrap_err();
    let ExecuteError::Append(AppendError::OutcomeUnknown(_) | AppendError::Unavailable(_)) = error
    else {
        panic!("{error}");
    };

    line.works.send_replace(true);
    let again = async { while store.workers.execute("1", report(2), &context()).await.is_err() {} };
    timeout(DEADLINE, again).await.unwrap();
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_wait_for_each_other_learn_together_that_the_database_is_away() {
    let database = Database::create().await;
    let line = Line::to(&database).await;
    let store = line.store(&database).await;
    store.workers.create("1", register(1), &context()).await.unwrap();

    line.works.send_replace(false);
    let contexts = [(); 30].map(|()| context());
    let commands = contexts.iter().zip(1..);
    let commands =
        commands.map(|(context, number)| store.workers.execute("1", report(number), context));
    // One after the other they would wait for a connection for a minute.
    let outcomes = timeout(DEADLINE, join_all(commands)).await.unwrap();
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(matches!(error, ExecuteError::Append(_)), "{error}");
    }
    line.works.send_replace(true);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_is_readable_while_a_command_on_it_waits_and_when_that_has_failed() {
    let database = Database::create().await;
    let line = Line::to(&database).await;
    let store = line.store(&database).await;
    store.workers.create("1", register(1), &context()).await.unwrap();

    line.works.send_replace(false);
    let context_of_it = context();
    let waiting = store.workers.execute("1", report(1), &context_of_it);
    tokio::pin!(waiting);
    // Polled once, it is on its way; nobody was told that it was written, so the state before it counts.
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_eq!(store.workers.load("1").await.unwrap().version, 1);

    timeout(DEADLINE, waiting).await.unwrap().unwrap_err();
    store.workers.load("1").await.expect_err("whether it was written is not known");
    assert_eq!(store.workers.load_or_last("1").await.unwrap().version, 1);

    line.works.send_replace(true);
    let read = async { while store.workers.load("1").await.is_err() {} };
    timeout(DEADLINE, read).await.unwrap();
    database.drop().await;
}
