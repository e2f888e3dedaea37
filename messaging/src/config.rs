//! Where the broker is and how to get in.

use std::{fmt, path::PathBuf, time::Duration};

use lapin::uri::{AMQPScheme, AMQPUri};

use crate::Backoff;

/// Where the broker is, who we are there, and how patient we are.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Host name or address to connect to.
    pub host: String,
    /// 5672, or 5671 with TLS, on a broker left at its defaults.
    pub port: u16,
    /// User name.
    pub user: String,
    /// Never printed, see the `Debug` implementation.
    pub password: String,
    /// Virtual host; `/` is the default one, the empty string another one.
    pub vhost: String,
    /// Plain TCP when absent.
    pub tls: Option<Tls>,
    /// Waits between attempts to connect.
    pub backoff: Backoff,
    /// How long connecting, logging in and declaring may take together.
    pub connect_timeout: Duration,
    /// How long a publish may wait for the broker's confirms before its outcome counts as unknown.
    pub confirm_timeout: Duration,
    /// AMQP heartbeat in whole seconds: a silent peer is given up after twice this.
    pub heartbeat_seconds: u16,
}

/// TLS with verification of the server's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The name the certificate must carry; also sent as SNI. It may differ from the host.
    pub server_name: String,
    /// PEM file with the only authorities to trust; the system's store when absent.
    pub ca_file: Option<PathBuf>,
}

/// A configuration that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The URL could not be understood. It is not repeated: it may carry a password.
    #[error("not an AMQP URL (amqp://user:password@host:port/vhost): {0}")]
    Url(String),
    /// TLS is on, but there is no name to verify.
    #[error(
        "TLS to the broker is enabled without a server name to verify: set RABBITMQ_SSL_HOSTNAME \
         to the name in the broker's certificate"
    )]
    TlsNameMissing,
}

impl Tls {
    /// TLS that verifies `server_name` against `ca_file` or the system's authorities.
    ///
    /// # Errors
    /// [`ConfigError::TlsNameMissing`] without a name: unverified TLS would be no protection.
    pub fn try_new(
        server_name: Option<&str>,
        ca_file: Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        let server_name = server_name.map(str::trim).unwrap_or_default();
        if server_name.is_empty() {
            return Err(ConfigError::TlsNameMissing);
        }
        Ok(Self { server_name: server_name.to_owned(), ca_file })
    }
}

impl BrokerConfig {
    /// A broker reached over plain TCP, with our default patience.
    #[must_use]
    pub fn new(
        host: impl Into<String>,
        port: u16,
        user: impl Into<String>,
        password: impl Into<String>,
        vhost: impl Into<String>,
    ) -> Self {
        Self {
            host: host.into(),
            port,
            user: user.into(),
            password: password.into(),
            vhost: vhost.into(),
            tls: None,
            backoff: Backoff::default(),
            connect_timeout: Duration::from_secs(10),
            confirm_timeout: Duration::from_secs(10),
            heartbeat_seconds: 20,
        }
    }

    /// Reads `amqp://user:password@host:port/vhost`; the vhost is percent-encoded, `%2f` is the
    /// default one. With `amqps://` the host is the name to verify.
    ///
    /// # Errors
    /// [`ConfigError::Url`].
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let uri: AMQPUri = url.parse().map_err(ConfigError::Url)?;
        let tls = match uri.scheme {
            AMQPScheme::AMQP => None,
            AMQPScheme::AMQPS => Some(Tls::try_new(Some(&uri.authority.host), None)?),
        };
        let mut config = Self::new(
            uri.authority.host,
            uri.authority.port,
            uri.authority.userinfo.username,
            uri.authority.userinfo.password,
            uri.vhost,
        );
        config.tls = tls;
        Ok(config)
    }

    /// `host:port/vhost`, for logs and errors.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}/{}", self.host, self.port, self.vhost.trim_start_matches('/'))
    }
}

impl fmt::Debug for BrokerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("password", &"***")
            .field("vhost", &self.vhost)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let config = BrokerConfig::from_url("amqp://me:s%40crt@rabbit:5673/manman-dev").unwrap();
        assert_eq!(config, BrokerConfig::new("rabbit", 5673, "me", "s@crt", "manman-dev"));
        let config = BrokerConfig::from_url("amqp://guest:guest@127.0.0.1/%2f").unwrap();
        assert_eq!((config.port, config.vhost.as_str()), (5672, "/"));
        let config = BrokerConfig::from_url("amqps://rabbit.example/%2f").unwrap();
        assert_eq!(config.port, 5671);
        assert_eq!(config.tls.unwrap().server_name, "rabbit.example");
    }

    #[test]
    fn a_password_is_never_printed() {
        let config = BrokerConfig::new("rabbit", 5672, "me", "s3cret", "/");
        assert!(!format!("{config:?} {}", config.address()).contains("s3cret"));
        let error = BrokerConfig::from_url("http://me:s3cret@rabbit").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"), "{error}");
        let error = BrokerConfig::from_url("amqp//me:s3cret@rabbit").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"), "{error}");
    }

    #[test]
    fn tls_without_a_name_to_verify_is_refused_by_the_variable_that_is_missing() {
        for name in [None, Some(""), Some("  ")] {
            let error = Tls::try_new(name, None).unwrap_err();
            assert!(error.to_string().contains("RABBITMQ_SSL_HOSTNAME"), "{error}");
        }
    }
}
