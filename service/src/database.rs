//! Connections to PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, Error};

use crate::config::{DatabaseConfig, Secret};

/// A connection that lay idle for longer is tried before it is used. Trying each one would double
/// the round trips of a read; never trying would turn the first requests after a restart of
/// PostgreSQL into errors.
const SUSPECT_AFTER: Duration = Duration::from_secs(1);

/// A pool for the database that takes writes. `application_name` is what `pg_stat_activity` shows.
///
/// Nothing is connected yet: a service starts, and says that it is not ready, while its database is
/// away. Must be called inside a Tokio runtime. Fails if the address cannot be read, which
/// [`DatabaseConfig::from_env`] has ruled out.
pub fn pool(config: &DatabaseConfig, application_name: &str) -> Result<PgPool, Error> {
    connect(config, &config.url, application_name)
}

/// As [`pool`], for reads: the replica if there is one.
pub fn read_pool(config: &DatabaseConfig, application_name: &str) -> Result<PgPool, Error> {
    let url = config.read_url.as_ref().unwrap_or(&config.url);
    connect(config, url, application_name)
}

/// A readiness check for [`crate::health::Health::check`]. Why the database is away is logged, not
/// shown.
pub async fn reachable(pool: PgPool) -> Result<(), &'static str> {
    match sqlx::query("SELECT 1").execute(&pool).await {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::debug!(%error, "database check failed");
            Err("PostgreSQL does not answer")
        }
    }
}

fn connect(config: &DatabaseConfig, url: &Secret, application_name: &str) -> Result<PgPool, Error> {
    let mut options = PgConnectOptions::from_str(url.expose())?.application_name(application_name);
    if let Some(limit) = config.statement_timeout {
        options = options.options([("statement_timeout", limit.as_millis().to_string())]);
    }
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout)
        .max_lifetime(config.max_lifetime)
        .test_before_acquire(false)
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if usage.idle_for > SUSPECT_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
    Ok(pool.connect_lazy_with(options))
}

#[cfg(test)]
mod tests {
    use super::{DatabaseConfig, pool, reachable, read_pool};
    use crate::config::Env;

    fn config(variables: &[(&str, &str)]) -> DatabaseConfig {
        let url = std::env::var("MANMAN_TEST_POSTGRES_URL")
            .expect("MANMAN_TEST_POSTGRES_URL is not set; run the tests with ./dev test");
        let env = Env::of([("MANMAN_POSTGRES_URL", url)]);
        let env = variables.iter().fold(env, |env, (name, value)| env.with_override(*name, *value));
        DatabaseConfig::from_env(&env).unwrap()
    }

    #[tokio::test]
    async fn a_session_has_its_name_and_its_statement_timeout() {
        let config = config(&[("SQLALCHEMY_STATEMENT_TIMEOUT", "1500")]);
        let pool = pool(&config, "manman-test").unwrap();
        let query =
            "SELECT current_setting('application_name'), current_setting('statement_timeout')";
        let session: (String, String) = sqlx::query_as(query).fetch_one(&pool).await.unwrap();
        assert_eq!(session, ("manman-test".to_owned(), "1500ms".to_owned()));
        assert_eq!(reachable(pool).await, Ok(()));
    }

    #[tokio::test]
    async fn a_pool_exists_before_its_database_and_says_so() {
        let away = "postgresql://nobody@127.0.0.1:1/nothing";
        let config =
            config(&[("MANMAN_POSTGRES_READ_URL", away), ("SQLALCHEMY_POOL_TIMEOUT", "1")]);
        let pool = read_pool(&config, "manman-test").unwrap();
        assert_eq!(reachable(pool).await, Err("PostgreSQL does not answer"));
    }
}
