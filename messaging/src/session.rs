//! One AMQP connection, from the TCP handshake to its end.

use std::{
    fs, io,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::StreamExt;
use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties, ConnectionStatus, Event,
    tcp::{RustlsConnector, RustlsConnectorConfig},
    types::ShortString,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{net::lookup_host, task::AbortHandle, time::timeout};

use crate::{Broker, BrokerConfig, BrokerError, config::Tls};

/// How often the end of a connection is looked for: the client library does not announce each.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// How long a graceful close may take before the socket is cut.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// An open connection. Dropping it cuts the socket, whatever state the connection is in.
#[derive(Debug)]
pub(crate) struct Session {
    broker: Broker,
    connection: Connection,
    generation: u64,
    watcher: AbortHandle,
    _socket: CutOnDrop,
}

/// A second handle to the socket. A blocked or half-dead connection cannot be closed politely:
/// nothing is written to it any more, and the library's thread would wait for ever.
#[derive(Debug, Clone, Default)]
struct Socket(Arc<OnceLock<TcpStream>>);

impl Socket {
    fn cut(&self) {
        if let Some(socket) = self.0.get() {
            // It fails only where the socket is already disconnected.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Cuts the socket of a session, and of an attempt that was abandoned halfway.
#[derive(Debug)]
struct CutOnDrop(Socket);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.cut();
    }
}

impl Session {
    /// Connects and logs in, within the configured time.
    pub(crate) async fn open(broker: Broker) -> Result<Self, BrokerError> {
        let config = broker.config();
        let socket = Socket::default();
        let attempt = CutOnDrop(socket.clone());
        let connection = timeout(config.connect_timeout, connect(config, broker.name(), socket))
            .await
            .map_err(|_| silent(config))?
            .map_err(|source| BrokerError::Connect {
                address: config.address(),
                source: Box::new(source),
            })?;
        let generation = broker.up();
        let watcher = tokio::spawn(watch(broker.clone(), generation, &connection)).abort_handle();
        Ok(Self { broker, connection, generation, watcher, _socket: attempt })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether the broker has asked us to stop publishing (it is short of memory or disk).
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    pub(crate) async fn channel(&self) -> Result<Channel, BrokerError> {
        self.within("open a channel", self.connection.create_channel()).await
    }

    /// Awaits an answer of the broker, but not for ever.
    pub(crate) async fn within<T>(
        &self,
        operation: impl Into<String>,
        answer: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, BrokerError> {
        let config = self.broker.config();
        timeout(config.connect_timeout, answer).await.map_err(|_| silent(config))?.map_err(
            |source| BrokerError::Operation {
                operation: operation.into(),
                source: Box::new(source),
            },
        )
    }

    /// Says goodbye to the broker, so that it logs no abrupt end.
    pub(crate) async fn close(self) {
        let goodbye = self.connection.close(200, ShortString::from("OK"));
        if let Err(error) = timeout(CLOSE_TIMEOUT, goodbye).await {
            tracing::debug!(link = self.broker.name(), %error, "broker did not answer the goodbye");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.watcher.abort();
        self.broker.down(self.generation);
    }
}

fn silent(config: &BrokerConfig) -> BrokerError {
    BrokerError::Silent { address: config.address(), after: config.connect_timeout }
}

/// Reports blocking to the log and the end of the connection to its link.
fn watch(
    broker: Broker,
    generation: u64,
    connection: &Connection,
) -> impl Future<Output = ()> + Send + 'static {
    let mut events = Box::pin(connection.events_listener());
    let status: ConnectionStatus = connection.status().clone();
    async move {
        while status.connected() {
            match timeout(WATCH_INTERVAL, events.next()).await {
                Ok(Some(Event::ConnectionBlocked(reason))) => {
                    tracing::warn!(link = broker.name(), reason, "broker blocks publishing");
                }
                Ok(Some(Event::ConnectionUnblocked)) => {
                    tracing::info!(link = broker.name(), "broker allows publishing again");
                }
                Ok(None) => tokio::time::sleep(WATCH_INTERVAL).await,
                Ok(Some(_)) | Err(_) => {}
            }
        }
        broker.down(generation);
    }
}

async fn connect(config: &BrokerConfig, name: &str, socket: Socket) -> lapin::Result<Connection> {
    let config = config.clone();
    let uri = uri(&config);
    let properties =
        ConnectionProperties::default().with_connection_name(format!("manman {name}").into());
    // The library resolves and verifies one and the same name. Opening the stream ourselves lets
    // the certificate carry another name than the address, and gives us the socket to cut.
    Connection::connector(
        uri,
        lapin::runtime::default_runtime()?,
        async move |_, runtime| {
            let tls = config.tls.as_ref().map(tls_connector).transpose()?;
            let addresses: Vec<_> =
                lookup_host((config.host.as_str(), config.port)).await?.collect();
            let stream =
                timeout(config.connect_timeout, AsyncTcpStream::connect(&runtime, addresses))
                    .await
                    .map_err(io::Error::from)??;
            if let AsyncTcpStream::Plain(plain) = &stream {
                let handle = plain.get_ref().as_fd().try_clone_to_owned()?;
                let _ = socket.0.set(TcpStream::from(handle));
            }
            match (tls, &config.tls) {
                (Some(connector), Some(tls)) => {
                    Ok(stream.into_rustls(&connector, &tls.server_name).await?)
                }
                _ => Ok(stream),
            }
        },
        properties,
    )
    .await
}

fn uri(config: &BrokerConfig) -> AMQPUri {
    AMQPUri {
        // Only the stream decides about TLS, see above.
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: config.user.clone(),
                password: config.password.clone(),
            },
            host: config.host.clone(),
            port: config.port,
        },
        vhost: config.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(config.heartbeat_seconds),
            ..AMQPQueryString::default()
        },
    }
}

/// Read at every connect, so that a renewed authority needs no restart.
fn tls_connector(tls: &Tls) -> io::Result<RustlsConnector> {
    let roots = match &tls.ca_file {
        Some(path) => {
            RustlsConnectorConfig::default().with_parsable_certificates(authorities(path)?)
        }
        None => RustlsConnectorConfig::new_with_native_certs()?,
    };
    roots.connector_with_no_client_auth()
}

fn authorities(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let invalid = |reason: String| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("certificate authorities in {}: {reason}", path.display()),
        )
    };
    let pem = fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| invalid(error.to_string()))?;
    if certificates.is_empty() {
        return Err(invalid("none found".to_owned()));
    }
    Ok(certificates)
}
