//! The embedded migrations. Services refuse to start while one is pending.

use std::collections::BTreeSet;

use sqlx::PgPool;
use sqlx::migrate::Migrator;

/// All migrations of this version of `ManMan`, in order; `migrations/` at the root.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// What is applied against what is embedded. Compares versions only: role and schema names do not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Embedded but not applied, as `20261123100000 the log`, in order.
    pub pending: Vec<String>,
    /// Applied but unknown here: the database was migrated by a newer version.
    pub unknown: Vec<i64>,
}

/// What is applied, as version and description, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn applied_migrations(pool: &PgPool) -> Result<Vec<(i64, String)>, sqlx::Error> {
    let has_table: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(pool)
        .await?;
    if !has_table {
        return Ok(Vec::new());
    }
    sqlx::query_as(
        "SELECT version, description FROM _sqlx_migrations WHERE success ORDER BY version",
    )
    .fetch_all(pool)
    .await
}

/// Compares the database with the embedded migrations.
///
/// # Errors
/// When the database does not answer.
pub async fn migration_state(pool: &PgPool) -> Result<MigrationState, sqlx::Error> {
    let applied = applied_migrations(pool).await?;
    let applied: BTreeSet<i64> = applied.into_iter().map(|(version, _)| version).collect();
    let embedded: Vec<_> =
        MIGRATOR.iter().filter(|migration| migration.migration_type.is_up_migration()).collect();
    Ok(MigrationState {
        pending: embedded
            .iter()
            .filter(|migration| !applied.contains(&migration.version))
            .map(|migration| format!("{} {}", migration.version, migration.description))
            .collect(),
        unknown: applied
            .into_iter()
            .filter(|version| !embedded.iter().any(|migration| migration.version == *version))
            .collect(),
    })
}
