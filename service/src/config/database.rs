//! The database and its connection pool.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::{ConfigError, Env, Secret, Setting};

const URL: &str = "postgresql://user:password@host:port/database";
const COUNT: &str = "a whole number of connections";

/// PostgreSQL: where it is and how many connections are kept to it.
///
/// The variables are v1's. Two defaults differ: `SQLALCHEMY_MAX_OVERFLOW` is 0, because several
/// replicas of several programs with 50 connections each exceed a default PostgreSQL, and
/// `SQLALCHEMY_POOL_TIMEOUT` is 3 s, because a caller is better off with a 503 soon than with an
/// answer after it gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// The database. `MANMAN_POSTGRES_URL`, then `POSTGRES_URL`; required. `SQLAlchemy`'s
    /// `postgresql+psycopg2://` and the like are accepted and stored here without the driver.
    pub url: Secret,
    /// A streaming replica for reads. `MANMAN_POSTGRES_READ_URL`; reads go to
    /// [`DatabaseConfig::url`] without it.
    pub read_url: Option<Secret>,
    /// Connections per pool: `SQLALCHEMY_POOL_SIZE` (20) + `SQLALCHEMY_MAX_OVERFLOW` (0).
    pub max_connections: u32,
    /// How long a request waits for a connection. `SQLALCHEMY_POOL_TIMEOUT`, seconds, default 3.
    pub acquire_timeout: Duration,
    /// Age at which a connection is replaced. `SQLALCHEMY_POOL_RECYCLE`, seconds, default 3600; -1
    /// means never.
    pub max_lifetime: Option<Duration>,
    /// Limit for one statement. `SQLALCHEMY_STATEMENT_TIMEOUT`, milliseconds; no limit without it.
    pub statement_timeout: Option<Duration>,
}

impl DatabaseConfig {
    /// Reads the settings. Fails without an address, or when one of the values cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let url = env
            .read(&["MANMAN_POSTGRES_URL", "POSTGRES_URL"])
            .ok_or(ConfigError::Missing { variable: "MANMAN_POSTGRES_URL", expected: URL })?;
        let read_url = env.read(&["MANMAN_POSTGRES_READ_URL"]);
        let size: u32 = number(env, "SQLALCHEMY_POOL_SIZE", COUNT)?.unwrap_or(20);
        let overflow: u32 = number(env, "SQLALCHEMY_MAX_OVERFLOW", COUNT)?.unwrap_or(0);
        let timeout: u64 =
            number(env, "SQLALCHEMY_POOL_TIMEOUT", "a whole number of seconds")?.unwrap_or(3);
        let statement: Option<u64> =
            number(env, "SQLALCHEMY_STATEMENT_TIMEOUT", "a whole number of milliseconds")?;
        Ok(Self {
            url: connection_url(url)?,
            read_url: read_url.map(connection_url).transpose()?,
            max_connections: size.saturating_add(overflow).max(1),
            acquire_timeout: Duration::from_secs(timeout),
            max_lifetime: recycle(env)?,
            // PostgreSQL reads 0 as "no limit", and so did v1.
            statement_timeout: statement.filter(|&ms| ms > 0).map(Duration::from_millis),
        })
    }
}

fn number<T: FromStr>(
    env: &Env,
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, ConfigError> {
    env.read(&[name]).map(|setting| setting.parse(expected)).transpose()
}

fn recycle(env: &Env) -> Result<Option<Duration>, ConfigError> {
    let expected = "a whole number of seconds, or -1 for never";
    let Some(setting) = env.read(&["SQLALCHEMY_POOL_RECYCLE"]) else {
        return Ok(Some(Duration::from_secs(3600)));
    };
    match setting.parse::<i64>(expected)? {
        -1 => Ok(None),
        seconds => u64::try_from(seconds)
            .map(|seconds| Some(Duration::from_secs(seconds)))
            .map_err(|_| setting.malformed(expected)),
    }
}

/// Takes `SQLAlchemy`'s driver out of the scheme and checks that what is left can be connected to.
fn connection_url(setting: Setting<'_>) -> Result<Secret, ConfigError> {
    let (scheme, rest) =
        setting.text.trim().split_once("://").ok_or_else(|| setting.malformed_secret(URL))?;
    let dialect = scheme.split_once('+').map_or(scheme, |(dialect, _)| dialect);
    if !matches!(dialect, "postgres" | "postgresql") {
        return Err(setting.malformed_secret(URL));
    }
    let url = format!("postgresql://{rest}");
    PgConnectOptions::from_str(&url).map_err(|_| setting.malformed_secret(URL))?;
    Ok(Secret::new(url))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DatabaseConfig, Env};

    fn config(variables: &[(&str, &str)]) -> Result<DatabaseConfig, String> {
        let env = Env::of([("POSTGRES_URL", "postgresql://u:p@h/d")]);
        let env = variables.iter().fold(env, |env, (name, value)| env.with_override(*name, *value));
        DatabaseConfig::from_env(&env).map_err(|error| error.to_string())
    }

    #[test]
    fn sqlalchemy_drivers_are_taken_out_of_the_address() {
        for scheme in ["postgresql+psycopg2", "postgresql+asyncpg", "postgres"] {
            let url = format!("{scheme}://u:p%40ss@h:5433/d?sslmode=require");
            let config = config(&[("MANMAN_POSTGRES_URL", &url)]).unwrap();
            assert_eq!(config.url.expose(), "postgresql://u:p%40ss@h:5433/d?sslmode=require");
        }
    }

    #[test]
    fn the_address_is_required() {
        let error = DatabaseConfig::from_env(&Env::default()).unwrap_err();
        insta::assert_snapshot!(error, @"MANMAN_POSTGRES_URL is not set: expected postgresql://user:password@host:port/database");
    }

    #[test]
    fn a_malformed_address_is_named_and_not_shown() {
        for url in ["mysql://u:hunter2@h/d", "hunter2", "postgresql://h:port/hunter2"] {
            let error = config(&[("POSTGRES_URL", url)]).unwrap_err();
            assert!(error.starts_with("POSTGRES_URL is malformed"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn pool_settings_are_those_of_sqlalchemy() {
        let config = config(&[
            ("SQLALCHEMY_POOL_SIZE", "7"),
            ("SQLALCHEMY_MAX_OVERFLOW", "3"),
            ("SQLALCHEMY_POOL_TIMEOUT", "11"),
            ("SQLALCHEMY_POOL_RECYCLE", "-1"),
            ("SQLALCHEMY_STATEMENT_TIMEOUT", "1500"),
        ])
        .unwrap();
        assert_eq!(config.max_connections, 10);
        assert_eq!(config.acquire_timeout, Duration::from_secs(11));
        assert_eq!(config.max_lifetime, None);
        assert_eq!(config.statement_timeout, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_malformed_pool_setting_is_an_error() {
        let error = config(&[("SQLALCHEMY_POOL_SIZE", "lots")]).unwrap_err();
        insta::assert_snapshot!(error, @r#"SQLALCHEMY_POOL_SIZE is "lots": expected a whole number of connections"#);
        assert!(config(&[("SQLALCHEMY_POOL_RECYCLE", "-2")]).is_err());
    }

    #[test]
    fn debug_output_hides_the_address() {
        assert!(!format!("{:?}", config(&[]).unwrap()).contains("u:p"));
    }
}
