//! The schema a rebuild fills: the live tables' shape, taken from the live tables themselves, so that
//! a migration is the only place where it is written down.

use sqlx::{Executor, PgConnection};

pub(super) const LIVE: &str = "read_models";

/// Where tables of a rebuild in progress are.
pub(super) const NEXT: &str = "read_models_next";
/// Where tables are that a switch has replaced, until they are dropped.
pub(super) const OLD: &str = "read_models_old";
/// Whoever creates or drops one of these schemas has this lock of the database.
const LOCK: i64 = 0x6d61_6e6d_616e;

/// Creates tables with their primary keys, as the live ones are.
pub(super) async fn create_tables(
    connection: &mut PgConnection,
    schema: &str,
    tables: &[&str],
) -> sqlx::Result<()> {
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

/// Creates the tables of a rebuild anew, with the owners and the privileges of the live ones.
pub(super) async fn create_next(
    transaction: &mut PgConnection,
    tables: &[&str],
) -> sqlx::Result<()> {
    drop_tables(transaction, NEXT, tables).await?;
    create_schema(transaction, NEXT).await?;
    create_tables(transaction, NEXT, tables).await?;
    for table in tables {
        for statement in grants(transaction, NEXT, table).await? {
            execute(transaction, statement).await?;
        }
        for statement in owner(transaction, NEXT, table).await? {
            execute(transaction, statement).await?;
        }
    }
    Ok(())
}

/// Keeps others from creating and dropping schemas until the transaction ends.
pub(super) async fn lock(transaction: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(transaction).await?;
    Ok(())
}

/// Makes sure that a schema exists.
pub(super) async fn create_schema(
    transaction: &mut PgConnection,
    schema: &str,
) -> sqlx::Result<()> {
    lock(transaction).await?;
    execute(transaction, format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await
}

/// Drops tables, those of them that there are, and the schema with the last one.
pub(super) async fn drop_tables(
    transaction: &mut PgConnection,
    schema: &str,
    tables: &[&str],
) -> sqlx::Result<()> {
    lock(transaction).await?;
    let exists = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    let schemas: i64 = sqlx::query_scalar(exists).bind(schema).fetch_one(&mut *transaction).await?;
    if schemas == 0 {
        return Ok(());
    }
    for table in tables {
        execute(transaction, format!("DROP TABLE IF EXISTS {schema}.{table}")).await?;
    }
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($1)",
    )
    .bind(schema)
    .fetch_one(&mut *transaction)
    .await?;
    if left == 0 {
        execute(transaction, format!("DROP SCHEMA {schema}")).await?;
    }
    Ok(())
}

/// Locks live tables until the transaction ends.
pub(super) async fn lock_live(
    transaction: &mut PgConnection,
    tables: &[&str],
    mode: &str,
) -> sqlx::Result<()> {
    execute(transaction, format!("LOCK TABLE {} IN {mode} MODE", names(LIVE, tables))).await
}

/// Locks live tables for oneself alone, or fails after `timeout`. They are locked one after the other, and
/// `lock_timeout` is each one's.
pub(super) async fn lock_live_within(
    transaction: &mut PgConnection,
    tables: &[&str],
    timeout: &str,
) -> sqlx::Result<()> {
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names(LIVE, tables));
    execute(transaction, format!("SET LOCAL statement_timeout = '{timeout}'; {lock}")).await
}

/// Locks live tables and those of a rebuild until the transaction ends.
pub(super) async fn lock_both(
    transaction: &mut PgConnection,
    tables: &[&str],
    mode: &str,
) -> sqlx::Result<()> {
    let (live, next) = (names(LIVE, tables), names(NEXT, tables));
    execute(transaction, format!("LOCK TABLE {live}, {next} IN {mode} MODE")).await
}

/// Locks a table of a rebuild until the transaction ends.
pub(super) async fn lock_next(transaction: &mut PgConnection, table: &str) -> sqlx::Result<()> {
    execute(transaction, format!("LOCK TABLE {NEXT}.{table} IN ACCESS EXCLUSIVE MODE")).await
}

/// Puts the tables of a rebuild in the place of the live ones, which are locked, with a note on each of the
/// old.
pub(super) async fn exchange(
    transaction: &mut PgConnection,
    tables: &[(&str, String)],
) -> sqlx::Result<()> {
    // What was only for the locks.
    let mut statements = String::from("SET LOCAL statement_timeout = 0;");
    for (table, note) in tables {
        let note = note.replace('\'', "''");
        statements.push_str(&format!(
            "ALTER TABLE {LIVE}.{table} SET SCHEMA {OLD};
             ALTER TABLE {NEXT}.{table} SET SCHEMA {LIVE};
             COMMENT ON TABLE {LIVE}.{table} IS NULL;
             COMMENT ON TABLE {OLD}.{table} IS '{note}';"
        ));
    }
    // In one round trip: readers wait for it.
    execute(transaction, statements).await
}

/// Leaves a note on a table of a rebuild, for whoever goes on with it.
pub(super) async fn note_on_next(
    transaction: &mut PgConnection,
    table: &str,
    note: &str,
) -> sqlx::Result<()> {
    let note = note.replace('\'', "''");
    execute(transaction, format!("COMMENT ON TABLE {NEXT}.{table} IS '{note}'")).await
}

/// The note on a table of a rebuild or on one that a switch has replaced, empty when it has none; `None` when
/// there is no such table.
pub(super) async fn note_on(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "SELECT coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class
          WHERE oid = to_regclass($1)",
    )
    .bind(format!("{schema}.{table}"))
    .fetch_optional(connection)
    .await
}

fn names(schema: &str, tables: &[&str]) -> String {
    tables.iter().map(|table| format!("{schema}.{table}")).collect::<Vec<_>>().join(", ")
}

/// What others may do with a live table, as grants for another one.
async fn grants(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT format('GRANT %s ON %I.%I TO %s%s', acl.privilege_type, $1, c.relname,
                       CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END,
                       CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
           FROM pg_class c CROSS JOIN aclexplode(c.relacl) AS acl
          WHERE c.oid = $2::text::regclass AND acl.grantee <> c.relowner",
    )
    .bind(schema)
    .bind(format!("{LIVE}.{table}"))
    .fetch_all(connection)
    .await
}

/// What makes another table that of the live one's owner, where that is not who rebuilds; to be done after
/// the grants, which only an owner can make.
async fn owner(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT format(statement, $1, c.relname, pg_get_userbyid(c.relowner))
           FROM pg_class c
          CROSS JOIN unnest(ARRAY['GRANT USAGE, CREATE ON SCHEMA %1$I TO %3$I',
                                  'ALTER TABLE %1$I.%2$I OWNER TO %3$I']) WITH ORDINALITY AS s (statement, place)
          WHERE c.oid = $2::text::regclass AND pg_get_userbyid(c.relowner) <> current_user
          ORDER BY place",
    )
    .bind(schema)
    .bind(format!("{LIVE}.{table}"))
    .fetch_all(connection)
    .await
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

/// Builds the other indexes of a table, those that it does not have yet, and lets the planner know it.
/// Building an index at once is cheaper than keeping it up to date row by row.
pub(super) async fn index(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
) -> sqlx::Result<()> {
    let live = format!("{LIVE}.{table}");
    let definitions: Vec<String> = sqlx::query_scalar(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
          WHERE indrelid = $1::text::regclass
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
            AND to_regclass(format('%I.%I', $2, c.relname)) IS NULL",
    )
    .bind(&live)
    .bind(schema)
    .fetch_all(&mut *connection)
    .await?;
    for definition in definitions {
        let here = format!(" ON {schema}.{table} ");
        execute(connection, definition.replace(&format!(" ON {live} "), &here)).await?;
    }
    analyze(connection, schema, table).await
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

/// Identifiers cannot be parameters; all that come here are ours.
async fn execute(connection: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    connection.execute(statement.as_str()).await?;
    Ok(())
}
