//! A way to the database that can be cut.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Forwards connections until it is cut; then they are lost and new ones are refused.
pub struct Proxy {
    pub port: u16,
    target: (String, u16),
    forwarding: JoinSet<()>,
}

impl Proxy {
    pub async fn to(target: (String, u16)) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut proxy = Self { port, target, forwarding: JoinSet::new() };
        proxy.forward(listener);
        proxy
    }

    pub async fn cut(&mut self) {
        self.forwarding.shutdown().await;
    }

    pub async fn restore(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.forward(listener);
    }

    fn forward(&mut self, listener: TcpListener) {
        let target = self.target.clone();
        self.forwarding.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = TcpStream::connect(&target).await.unwrap();
                connections.spawn(async move { copy_bidirectional(&mut near, &mut far).await });
            }
        });
    }
}
