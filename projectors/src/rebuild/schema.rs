//! The schema a rebuild fills: the live tables' shape, taken from the live tables themselves, so that
//! a migration is the only place where it is written down.

use sqlx::PgConnection;

use crate::projection::PROJECTIONS;

pub(super) const LIVE: &str = "read_models";

pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    PROJECTIONS.iter().flat_map(|projection| projection.tables.iter().copied())
}

/// Creates the schema with all tables.
pub(super) async fn create(connection: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    execute(connection, format!("CREATE SCHEMA {schema}")).await?;
    create_tables(connection, schema, &tables().collect::<Vec<_>>()).await
}

/// Creates tables with their primary keys, and the row that says how far they are filled.
pub(super) async fn create_tables(
    connection: &mut PgConnection,
    schema: &str,
    tables: &[&str],
) -> sqlx::Result<()> {
    execute(connection, format!("CREATE TABLE {schema}.rebuilt AS SELECT 0::bigint AS position"))
        .await?;
    for table in tables {
        execute(
            connection,
            format!(
                "CREATE TABLE {schema}.{table} (LIKE {LIVE}.{table} INCLUDING ALL EXCLUDING INDEXES)"
            ),
        )
        .await?;
        for statement in like_live(connection, schema, table).await? {
            execute(connection, statement).await?;
        }
    }
    Ok(())
}

/// What `LIKE` leaves out and filling needs: storage options and constraints with an index.
async fn like_live(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT format('ALTER TABLE %I.%I SET (%s)', $1, relname, array_to_string(reloptions, ', '))
           FROM pg_class WHERE oid = $2::text::regclass AND reloptions IS NOT NULL
          UNION ALL
         SELECT format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', $1, r.relname, c.conname,
                       pg_get_constraintdef(c.oid))
           FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
          WHERE c.conrelid = $2::text::regclass AND c.contype IN ('p', 'u')",
    )
    .bind(schema)
    .bind(format!("{LIVE}.{table}"))
    .fetch_all(connection)
    .await
}

/// Builds the other indexes and lets the planner know the tables.
pub(super) async fn index(connection: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    for table in tables() {
        let live = format!("{LIVE}.{table}");
        let definitions: Vec<String> = sqlx::query_scalar(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index
              WHERE indrelid = $1::text::regclass
                AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
        )
        .bind(&live)
        .fetch_all(&mut *connection)
        .await?;
        for definition in definitions {
            let here = format!(" ON {schema}.{table} ");
            execute(connection, definition.replace(&format!(" ON {live} "), &here)).await?;
        }
        analyze(connection, schema, table).await?;
    }
    Ok(())
}

/// Lets the planner know what a table holds.
pub(super) async fn analyze(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
) -> sqlx::Result<()> {
    execute(connection, format!("ANALYZE {schema}.{table}")).await
}

/// The columns of a live table's primary key.
pub(super) async fn primary_key(
    connection: &mut PgConnection,
    table: &str,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT a.attname::text
           FROM pg_constraint c CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k (attnum, place)
           JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
          WHERE c.conrelid = $1::text::regclass AND c.contype = 'p' ORDER BY k.place",
    )
    .bind(format!("{LIVE}.{table}"))
    .fetch_all(connection)
    .await
}

pub(super) async fn remove(connection: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    execute(connection, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await
}

/// How far the schema on the connection's search path is filled.
pub(super) async fn position(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT position FROM rebuilt").fetch_one(connection).await
}

pub(super) async fn advance(connection: &mut PgConnection, to: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE rebuilt SET position = $1").bind(to).execute(connection).await?;
    Ok(())
}

/// Identifiers cannot be parameters; the schema's name was checked before it came here.
async fn execute(connection: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    sqlx::raw_sql(&statement).execute(connection).await?;
    Ok(())
}
