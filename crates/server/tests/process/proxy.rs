use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// How the way to the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// Every connection is cut and none is made: a server that was stopped.
    Cut,
    /// Nothing comes through and nobody says so: a network that lost its way.
    Lost,
}

/// Stands between the server and its database.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    way: watch::Sender<Way>,
}

impl Proxy {
    pub(crate) async fn to(database: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, changes) = watch::channel(Way::Open);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, database, changes.clone()));
            }
        });
        Self { port, way }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

/// Waits while the way is lost, and says whether it is open then.
async fn passes(way: &mut watch::Receiver<Way>) -> bool {
    let found = way.wait_for(|way| *way != Way::Lost).await;
    found.is_ok_and(|way| *way == Way::Open)
}

async fn connect(client: TcpStream, database: SocketAddr, mut way: watch::Receiver<Way>) {
    // Whoever comes while nothing gets through waits, as for a packet that was lost.
    if !passes(&mut way).await {
        return;
    }
    let server = TcpStream::connect(database).await.unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::spawn(pump(from_client, to_server, way.clone()));
    pump(from_server, to_client, way).await;
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = way.wait_for(|way| *way == Way::Cut) => return,
        };
        if !passes(&mut way).await {
            return;
        }
        match read {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
