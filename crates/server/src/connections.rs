//! Connections: how long a request may take to come in, how large its head may be, and how they end.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{app::App, patient::Patient};

/// How long the head of a request may take; an idle connection is closed after it too.
const HEAD: Duration = Duration::from_secs(15);
/// How long a body may pause.
const BODY: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// How long to wait when the system has no file descriptor left for another connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// How long requests that are under way may take once the server was told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// One address: what is served there, and with what TLS, if any.
pub struct Door {
    /// Where.
    pub listener: TcpListener,
    /// What is served.
    pub app: App,
    /// With what certificate, where with any.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
}

/// Serves until it is told to stop, then lets what is under way finish.
pub async fn serve(doors: Vec<Door>, stop: impl Future<Output = ()>) {
    let (connections, stopping) = (TaskTracker::new(), CancellationToken::new());
    let mut accepting = JoinSet::new();
    for door in doors {
        accepting.spawn(accept(door, connections.clone(), stopping.clone()));
    }
    stop.await;
    tracing::info!("stopping: requests that are under way may finish");
    stopping.cancel();
    accepting.join_all().await;
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!("some connections did not end in time and are cut");
    }
}

/// Takes connections until it is told to stop.
async fn accept(door: Door, connections: TaskTracker, stopping: CancellationToken) {
    let Door { listener, app, tls } = door;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                refused(&error).await;
                continue;
            }
        };
        // Small answers must not wait for more to be said.
        let _ = stream.set_nodelay(true);
        let (app, stopping) = (app.clone(), stopping.clone());
        let acceptor = tls
            .as_ref()
            .map(|tls| TlsAcceptor::from(tls.borrow().clone()));
        connections.spawn(async move {
            let Some(acceptor) = acceptor else {
                return talk(stream, peer, app, stopping).await;
            };
            // Whoever is slow to agree on a key holds a connection as one who is slow to ask.
            match tokio::time::timeout(HEAD, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => talk(stream, peer, app, stopping).await,
                Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
            }
        });
    }
}

/// Answers the requests of one connection.
async fn talk<S>(stream: S, peer: SocketAddr, app: App, stopping: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = app
            .clone()
            .answer(request.map(|body| Patient::new(body, BODY)), peer);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        // What becomes a WebSocket is no connection of HTTP any more: who serves it closes it.
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

/// What one peer did wrong is its own affair; a lack of descriptors passes when others end.
async fn refused(error: &io::Error) {
    use io::ErrorKind as Kind;
    if matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    ) {
        return;
    }
    tracing::error!(%error, "a connection could not be accepted");
    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
}
