//! TLS: the certificate must carry the configured name and come from a trusted authority.
//!
//! The certificates in `tests/tls` are valid for a hundred years, the server's for the name
//! `broker.example`; the authority's key was thrown away.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{error::Error, path::PathBuf, sync::Arc};

use messaging::{Broker, BrokerConfig, PublishError, Publisher, Tls};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use support::{config, message, with_topology};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring},
};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "tls", name].iter().collect()
}

/// Ends TLS in front of the broker, on a port of its own.
async fn tls_in_front_of(config: &BrokerConfig) -> u16 {
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let broker = (config.host.clone(), config.port);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, broker) = (acceptor.clone(), broker.clone());
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(broker).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

async fn config_with(tls: Tls) -> BrokerConfig {
    let mut config = config();
    config.port = tls_in_front_of(&config).await;
    config.host = "127.0.0.1".to_owned();
    config.tls = Some(tls);
    config
}

async fn refusal(tls: Tls) -> String {
    let broker = Broker::new("test.tls", config_with(tls).await);
    let mut publisher = Publisher::new(broker, messaging::Topology::in_namespace("unused."));
    let error = publisher.connect().await.unwrap_err();
    assert!(matches!(error, PublishError::Away(_)), "{error}");
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_private_authority_may_carry_another_name_than_the_address() {
    with_topology(|topology| async move {
        let tls = Tls::try_new(Some("broker.example"), Some(file("ca.pem"))).unwrap();
        let broker = Broker::new("test.tls", config_with(tls).await);
        let mut publisher = Publisher::new(broker, topology.clone());
        let batch = [message(&topology, "worker.1.status", "1")];
        assert_eq!(publisher.publish(&batch).await.unwrap().len(), 1);
        publisher.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused() {
    let tls = Tls::try_new(Some("other.example"), Some(file("ca.pem"))).unwrap();
    let refusal = refusal(tls).await;
    assert!(refusal.contains("other.example"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_authority_the_system_does_not_know_is_refused() {
    let tls = Tls::try_new(Some("broker.example"), None).unwrap();
    let refusal = refusal(tls).await;
    assert!(refusal.to_lowercase().contains("certificate"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_file_that_cannot_be_used_is_named() {
    for unusable in ["absent.pem", "server.key"] {
        let tls = Tls::try_new(Some("broker.example"), Some(file(unusable))).unwrap();
        let refusal = refusal(tls).await;
        assert!(refusal.contains(unusable), "{refusal}");
    }
}
