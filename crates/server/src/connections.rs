//! Connections: how long a request may take to come in, how large its head may be, and how they end.

use std::{future::poll_fn, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use chancery_telemetry::Repeated;
use http::{Response, StatusCode};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::App,
    held::Held,
    late::Late,
    patient::{Patience, Patient},
    places::{MadeRoom, Place, Places, Seated, UnderWay, Word},
    plain,
    unread::Impatient,
};

/// How long the head of a request may take; an idle connection is closed after it too.
const HEAD: Duration = Duration::from_secs(15);
/// How often it is looked for those who take longer.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a body may pause, and how long the whole of it may take.
pub(crate) const BODY: Patience = Patience {
    pause: Duration::from_secs(10),
    whole: Duration::from_secs(30),
};
/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// How long to wait when the system has no file descriptor left for another connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// Said now and then: whoever connects decides how often it happens.
static REFUSED: Repeated = Repeated::new(1);
/// How long an answer may wait for its peer to read some of it.
const UNREAD: Duration = Duration::from_secs(30);
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

/// Serves until it is told to stop, then lets what is under way finish: for some time, or until it is told to
/// `cut` it.
pub async fn serve(
    doors: Vec<Door>,
    stop: impl Future<Output = ()>,
    cut: impl Future<Output = ()>,
) {
    let (connections, stopping) = (TaskTracker::new(), CancellationToken::new());
    let places: Vec<Arc<Places>> = doors.iter().map(|door| door.app.places().clone()).collect();
    let tell = |word| places.iter().for_each(|places| places.tell(word));
    let mut accepting = JoinSet::new();
    for door in doors {
        accepting.spawn(accept(door, connections.clone(), stopping.clone()));
    }
    let mut sweeping = std::pin::pin!(sweep(&places));
    tokio::select! {
        () = stop => {}
        () = &mut sweeping => {}
    }
    tracing::info!("stopping: requests that are under way may finish");
    stopping.cancel();
    tell(Word::Finish);
    accepting.join_all().await;
    connections.close();
    let all_ended = tokio::select! {
        () = connections.wait() => true,
        () = tokio::time::sleep(DRAIN) => false,
        () = cut => false,
        () = sweeping => false,
    };
    if !all_ended {
        let left = connections.len();
        tracing::warn!(left, "some connections did not end in time and are cut");
        tell(Word::Leave);
        connections.wait().await;
    }
}

/// Looks for ever for those who are idle for too long.
async fn sweep(all: &[Arc<Places>]) {
    let mut sweeps = interval(SWEEP);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        sweeps.tick().await;
        for places in all {
            places.sweep(HEAD);
        }
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
        // Whoever comes next waits in the system's queue.
        let place = tokio::select! {
            place = app.places().take() => place,
            () = stopping.cancelled() => return,
        };
        // Small answers must not wait for more to be said.
        let _ = stream.set_nodelay(true);
        let app = app.clone();
        let acceptor = tls
            .as_ref()
            .map(|tls| TlsAcceptor::from(tls.borrow().clone()));
        connections.spawn(async move {
            let seat = place.seat().clone();
            let talk = talk_by(acceptor, stream, place, peer, app);
            if seat.until_told_to_leave(talk).await.is_none() {
                tracing::debug!(%peer, "a connection was closed: it was idle, or the server stops");
            }
        });
    }
}

/// Answers the requests of one connection, by TLS where that is spoken here.
async fn talk_by(
    acceptor: Option<TlsAcceptor>,
    stream: TcpStream,
    place: Place,
    peer: SocketAddr,
    app: App,
) {
    let Some(acceptor) = acceptor else {
        return talk(stream, place, peer, app).await;
    };
    // Whoever is slow to agree on a key holds a connection as one who is slow to ask.
    match tokio::time::timeout(HEAD, secured(&acceptor, stream, peer)).await {
        Ok(Ok(Some(stream))) => {
            place.seat().rests();
            talk(stream, place, peer, app).await;
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

/// TLS on this connection; none where somebody spoke HTTP and was told so.
async fn secured(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    if plain::is_spoken(&stream).await? {
        plain::refuse(stream, peer).await?;
        return Ok(None);
    }
    acceptor.accept(stream).await.map(Some)
}

/// Answers the requests of one connection. It listens to nobody by itself: whoever polls it is woken by what it is
/// told.
async fn talk<S>(stream: S, place: Place, peer: SocketAddr, app: App)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (seat, requests) = (place.seat().clone(), place.seat().clone());
    let service = service_fn(move |request| answer(app.clone(), request, peer, requests.clone()));
    let stream = Impatient::new(stream, UNREAD, place);
    let connection = http1::Builder::new()
        // How long a head may take is seen by its place, for which no request needs a timer.
        .header_read_timeout(None)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        // What becomes a WebSocket is no connection of HTTP any more: who serves it closes it.
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut finishing = false;
    let ended = poll_fn(|cx| {
        if !finishing && seat.told() == Word::Finish {
            finishing = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

async fn answer(
    app: App,
    request: Request<Incoming>,
    peer: SocketAddr,
    seat: Seated,
) -> Result<Response<Held<Body, UnderWay>>, MadeRoom> {
    let mut under_way = seat.begin()?;
    let late = Late::default();
    let request = request.map(|body| Patient::new(body, BODY, late.clone()));
    let response = app.answer(request, late, peer).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        under_way.goes_on();
    }
    Ok(response.map(|body| Held::new(body, under_way)))
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
    if let Some(left_out) = REFUSED.say() {
        tracing::error!(%error, left_out, "a connection could not be accepted");
    }
    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::{
        Router,
        extract::rejection::BytesRejection,
        routing::{get, post},
    };
    use chancery_telemetry::{Points, http::Http};
    use hyper::body::Bytes;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split},
        sync::Notify,
        task::JoinHandle,
        time::{Instant, sleep},
    };

    use super::*;

    /// What is answered to this head and a body of which one byte comes each second, and when; and the
    /// statuses that were counted.
    async fn dripped(head: &str) -> (String, Duration, Vec<String>) {
        let read = async |body: Result<Bytes, BytesRejection>| match body {
            Ok(body) => format!("{} bytes", body.len()),
            Err(error) => error.to_string(),
        };
        let http = Arc::new(Http::untraced(Box::new(|| [7; 24])));
        let places = Places::new(1);
        let routes = Router::new().route("/", post(read));
        let app = App::new(None, http.clone(), routes, places.clone());
        let (client, server) = duplex(1024);
        let peer = ([127, 0, 0, 1], 1).into();
        let place = places.take().await;
        let talk = tokio::spawn(talk(server, place, peer, app));
        let (mut answers, mut asks) = split(client);
        let begun = Instant::now();
        asks.write_all(head.as_bytes()).await.unwrap();
        let drips = tokio::spawn(async move {
            while asks.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut answer = String::new();
        answers.read_to_string(&mut answer).await.unwrap();
        let took = begun.elapsed();
        talk.await.unwrap();
        drips.abort();
        let Points::Histograms(answered) = &http.families()[0].points else {
            panic!("durations are spread");
        };
        let status = answered.iter().map(|(labels, _)| labels[2].1.to_string());
        (answer, took, status.collect())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_answered_in_time_and_ends_its_connection() {
        let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";
        let (answer, took, counted) = dripped(head).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("traceparent: "), "{answer}");
        assert!(answer.contains("\"status\":408"), "{answer}");
        assert_eq!(took, BODY.whole);
        assert_eq!(counted, ["408"]);
    }

    /// An answer of 20,000 bytes, asked for through a pipe of 1,024; and when it was asked for.
    async fn large() -> (DuplexStream, JoinHandle<()>, Instant) {
        let http = Arc::new(Http::untraced(Box::new(|| [7; 24])));
        let large = get(async || vec![b'x'; 20_000]);
        let places = Places::new(1);
        let routes = Router::new().route("/", large);
        let app = App::new(None, http, routes, places.clone());
        let (mut client, server) = duplex(1024);
        let peer = ([127, 0, 0, 1], 1).into();
        let place = places.take().await;
        let talk = tokio::spawn(talk(server, place, peer, app));
        let asked = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        client.write_all(asked).await.unwrap();
        (client, talk, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_nothing_is_not_waited_for() {
        let (_client, talk, begun) = large().await;
        talk.await.unwrap();
        assert_eq!(begun.elapsed(), UNREAD);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_slowly_gets_the_whole() {
        let (mut client, talk, begun) = large().await;
        let mut answer = Vec::new();
        let mut piece = [0; 1_024];
        loop {
            sleep(UNREAD / 2).await;
            match client.read(&mut piece).await.unwrap() {
                0 => break,
                read => answer.extend_from_slice(&piece[..read]),
            }
        }
        talk.await.unwrap();
        assert!(answer.ends_with(&[b'x'; 10_000]));
        assert!(begun.elapsed() > 5 * UNREAD, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_in_time_is_read() {
        let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 20\r\n\r\n";
        let (answer, _, counted) = dripped(head).await;
        assert!(answer.ends_with("20 bytes"), "{answer}");
        assert_eq!(counted, ["200"]);
    }

    /// A door on a port of its own, behind which these are.
    async fn door_to(routes: Router) -> (SocketAddr, Door) {
        let http = Arc::new(Http::untraced(Box::new(|| [7; 24])));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door {
            listener,
            app: App::new(None, http, routes, Places::new(8)),
            tls: None,
        };
        (address, door)
    }

    /// A server on a port of its own, which nobody stops.
    async fn served() -> SocketAddr {
        let (address, door) = door_to(Router::new().route("/", get(async || "here"))).await;
        tokio::spawn(serve(vec![door], pending(), pending()));
        address
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_has_so_long_once_the_server_was_told_to_stop() {
        let asked = Arc::new(Notify::new());
        let asks = asked.clone();
        let never = async move || {
            asks.notify_one();
            pending::<&str>().await
        };
        let (address, door) = door_to(Router::new().route("/", get(never))).await;
        let stop = Arc::new(Notify::new());
        let told = stop.clone();
        let stopped = async move { told.notified().await };
        let serving = tokio::spawn(serve(vec![door], stopped, pending()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        stream.write_all(request).await.unwrap();
        asked.notified().await;
        let begun = Instant::now();
        stop.notify_one();
        serving.await.unwrap();
        let took = begun.elapsed();
        assert!(DRAIN <= took && took <= DRAIN + SWEEP, "{took:?}");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_half_a_head_or_nothing_has_to_leave_in_time() {
        let address = served().await;
        for said in ["", "GET / HTTP/1.1\r\nhost"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let begun = Instant::now();
            stream.write_all(said.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "");
            let took = begun.elapsed();
            assert!(HEAD <= took && took <= HEAD + 3 * SWEEP, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_now_and_then_stays() {
        let mut stream = TcpStream::connect(served().await).await.unwrap();
        for _ in 0..4 {
            let asked = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
            stream.write_all(asked).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"here") {
                assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
            }
            sleep(HEAD * 3 / 4).await;
        }
        let begun = Instant::now();
        assert_eq!(
            stream.read_u8().await.unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        assert!(begun.elapsed() <= HEAD / 2, "{:?}", begun.elapsed());
    }
}
