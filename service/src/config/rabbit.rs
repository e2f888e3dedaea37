//! The message broker.

use std::path::PathBuf;

use super::{ConfigError, Env, Secret, Setting};

const HOST: [&str; 2] = ["MANMAN_RABBITMQ_HOST", "RABBITMQ_HOST"];
const PORT: [&str; 2] = ["MANMAN_RABBITMQ_PORT", "RABBITMQ_PORT"];
const USER: [&str; 2] = ["MANMAN_RABBITMQ_USER", "RABBITMQ_USER"];
const PASSWORD: [&str; 2] = ["MANMAN_RABBITMQ_PASSWORD", "RABBITMQ_PASSWORD"];
const VHOST: [&str; 2] = ["MANMAN_RABBITMQ_VHOST", "RABBITMQ_VHOST"];
const ENABLE_SSL: [&str; 2] = ["MANMAN_RABBITMQ_ENABLE_SSL", "RABBITMQ_ENABLE_SSL"];
const SSL_HOSTNAME: [&str; 2] = ["MANMAN_RABBITMQ_SSL_HOSTNAME", "RABBITMQ_SSL_HOSTNAME"];
const SSL_CA_FILE: [&str; 2] = ["MANMAN_RABBITMQ_SSL_CA_FILE", "RABBITMQ_SSL_CA_FILE"];

/// RabbitMQ: where it is and who we are there. Each variable is read as `MANMAN_RABBITMQ_*`, then
/// as `RABBITMQ_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RabbitConfig {
    /// `…_HOST`, default `localhost`.
    pub host: String,
    /// `…_PORT`, default 5672.
    pub port: u16,
    /// `…_USER`, default `guest`.
    pub user: String,
    /// `…_PASSWORD`, default `guest`.
    pub password: Secret,
    /// `…_VHOST` if given. Else `manman-<APP_ENV>` for an environment that speaks the
    /// `MANMAN_RABBITMQ_*` family and sets `APP_ENV`, as the programs of that family did. Else `/`,
    /// as the later ones did.
    pub vhost: String,
    /// TLS, when `…_ENABLE_SSL` is on.
    pub tls: Option<RabbitTls>,
}

/// How the broker's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RabbitTls {
    /// The name the certificate must carry. `…_SSL_HOSTNAME`, required with TLS.
    pub hostname: String,
    /// A PEM file with a private certificate authority, used beside the system's. `…_SSL_CA_FILE`.
    pub ca_file: Option<PathBuf>,
}

impl RabbitConfig {
    /// Reads the settings. Fails on a port that is no port, a switch that is neither on nor off, or
    /// TLS without a host name to check.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let text = |names: &[&'static str], default: &str| {
            env.read(names).map_or(default, |setting| setting.text).to_owned()
        };
        let port = match env.read(&PORT) {
            Some(setting) => setting.parse("a port from 0 to 65535")?,
            None => 5672,
        };
        Ok(Self {
            host: text(&HOST, "localhost"),
            port,
            user: text(&USER, "guest"),
            password: Secret::new(text(&PASSWORD, "guest")),
            vhost: vhost(env),
            tls: tls(env)?,
        })
    }
}

fn vhost(env: &Env) -> String {
    if let Some(setting) = env.read(&VHOST) {
        return setting.text.to_owned();
    }
    // Flags are left out: they are spelled the same for both families and so tell nothing.
    let manman_family = env.has_variable(&[HOST[0], PORT[0], USER[0], PASSWORD[0]]);
    match env.read(&["APP_ENV"]) {
        Some(app_env) if manman_family => format!("manman-{}", app_env.text),
        _ => "/".to_owned(),
    }
}

fn tls(env: &Env) -> Result<Option<RabbitTls>, ConfigError> {
    let enabled = env.read(&ENABLE_SSL).map(Setting::switch).transpose()?.unwrap_or(false);
    if !enabled {
        return Ok(None);
    }
    let hostname = env.read(&SSL_HOSTNAME).ok_or(ConfigError::Missing {
        variable: SSL_HOSTNAME[0],
        expected: "the host name in the broker's certificate, because TLS is on",
    })?;
    Ok(Some(RabbitTls {
        hostname: hostname.text.to_owned(),
        ca_file: env.read(&SSL_CA_FILE).map(|setting| PathBuf::from(setting.text)),
    }))
}

#[cfg(test)]
mod tests {
    use super::{Env, RabbitConfig};

    fn config<const N: usize>(variables: [(&str, &str); N]) -> RabbitConfig {
        RabbitConfig::from_env(&Env::of(variables)).unwrap()
    }

    #[test]
    fn without_variables_it_is_the_local_broker() {
        let config = config([]);
        assert_eq!((config.host.as_str(), config.port), ("localhost", 5672));
        assert_eq!((config.user.as_str(), config.vhost.as_str()), ("guest", "/"));
        assert_eq!(config.password.expose(), "guest");
        assert_eq!(config.tls, None);
    }

    #[test]
    fn the_manman_family_derives_its_vhost_from_the_environment_name() {
        let config = config([("MANMAN_RABBITMQ_HOST", "mq"), ("APP_ENV", "dev")]);
        assert_eq!(config.vhost, "manman-dev");
    }

    #[test]
    fn the_later_family_ignores_the_environment_name() {
        let config = config([("RABBITMQ_HOST", "mq"), ("APP_ENV", "dev")]);
        assert_eq!(config.vhost, "/");
    }

    #[test]
    fn an_explicit_vhost_wins_in_both_families() {
        let config = config([
            ("MANMAN_RABBITMQ_HOST", "mq"),
            ("RABBITMQ_VHOST", "games"),
            ("APP_ENV", "dev"),
        ]);
        assert_eq!(config.vhost, "games");
    }

    #[test]
    fn tls_needs_a_name_to_check() {
        let error = RabbitConfig::from_env(&Env::of([("RABBITMQ_ENABLE_SSL", "true")]));
        insta::assert_snapshot!(error.unwrap_err(), @"MANMAN_RABBITMQ_SSL_HOSTNAME is not set: expected the host name in the broker's certificate, because TLS is on");
    }

    #[test]
    fn a_malformed_port_is_named() {
        let error = RabbitConfig::from_env(&Env::of([("RABBITMQ_PORT", "70000")]));
        insta::assert_snapshot!(error.unwrap_err(), @r#"RABBITMQ_PORT is "70000": expected a port from 0 to 65535"#);
    }

    #[test]
    fn debug_output_hides_the_password() {
        let config = config([("RABBITMQ_PASSWORD", "hunter2")]);
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
