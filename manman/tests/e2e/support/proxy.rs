//! A way to a server that can be cut, or go silent.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Works,
    /// Connections end, and new ones are refused.
    Cut,
    /// Nothing ends and nothing arrives: a firewall forgot about us.
    Silent,
}

/// Forwards connections to a server while it is told to.
pub struct Proxy {
    pub port: u16,
    network: watch::Sender<Network>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub async fn to(server: (String, u16)) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, super::free_port())).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let network = watch::Sender::new(Network::Works);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(port, listener, server, network.subscribe()));
        Self { port, network, _tasks: tasks }
    }

    pub fn cut(&self) {
        self.network.send_replace(Network::Cut);
    }

    pub fn silence(&self) {
        self.network.send_replace(Network::Silent);
    }

    pub fn restore(&self) {
        self.network.send_replace(Network::Works);
    }
}

async fn accept(
    port: u16,
    listener: TcpListener,
    server: (String, u16),
    mut network: watch::Receiver<Network>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        if *network.borrow_and_update() == Network::Cut {
            listener = None;
            network.changed().await.unwrap();
            continue;
        }
        let listening = match listener.take() {
            Some(listening) => listening,
            None => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap(),
        };
        tokio::select! {
            accepted = listening.accept() => {
                let near = accepted.unwrap().0;
                connections.spawn(forward(near, server.clone(), network.clone()));
            }
            changed = network.changed() => changed.unwrap(),
        }
        listener = Some(listening);
    }
}

/// Forwards while the network works. What was on its way when it fell silent is lost with the connection.
async fn forward(
    mut near: TcpStream,
    server: (String, u16),
    mut network: watch::Receiver<Network>,
) {
    if *network.borrow() == Network::Works {
        let Ok(mut far) = TcpStream::connect(server).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = network.wait_for(|network| *network != Network::Works) => {}
        }
    }
    // Ends with the silence.
    drop(network.wait_for(|network| *network != Network::Silent).await);
}
