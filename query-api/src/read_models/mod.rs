//! What v1 shows, as rows and as JSON: one file per object, with the statements that find it.
//!
//! Statements are text at run time, not `query!`: no database is needed to build, and the tests run
//! every one of them. Keys and nulls are v1's to the letter, because its clients refuse an object
//! with one key more or less.

pub(crate) mod game_server;
pub(crate) mod game_server_command;
pub(crate) mod game_server_config;
pub(crate) mod game_server_instance;
pub(crate) mod status;
pub(crate) mod worker;

pub use game_server::GameServer;
pub use game_server_command::{
    GameServerCommand, GameServerCommandDefaultWithCommand, GameServerConfigCommandWithCommand,
};
pub use game_server_config::GameServerConfig;
pub use game_server_instance::GameServerInstance;
pub use status::{ExternalStatusInfo, StatusType};
pub use worker::{Worker, current_worker, other_open_v1_workers};

/// A consistent view for an answer of several statements. It only reads, so dropping it is the way
/// to end it.
pub(crate) async fn snapshot(
    reads: &sqlx::PgPool,
) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Postgres>> {
    reads.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}
