//! The load: connections that are kept open, each with one request under way, on one thread.
//!
//! A closed loop sends the next request when an answer is there, and shows what the server can do. An
//! open loop sends them at a fixed rate, and counts from the moment at which a request was due, so
//! that a server that stalls cannot hide how long others waited.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

use crate::error::Error;

/// Whole requests over HTTP/1.1.
pub(crate) type Requests = Arc<[Vec<u8>]>;

/// The next request of a connection, made from the answer to its last; none when the answer is not right.
pub(crate) type Follow = Arc<dyn Fn(usize, &[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// What is sent, and how.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// Sent in turn.
    pub(crate) requests: Requests,
    pub(crate) connections: usize,
    pub(crate) lasts: Duration,
    /// Requests a second of an open loop; none: a closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) expected: Expected,
    /// Whether a request is good for once: then the load is over when there is none left.
    pub(crate) once: bool,
    /// Where each connection begins with the request of its number, and every further one follows from an
    /// answer.
    pub(crate) follow: Option<Follow>,
}

/// What an answer has to be, or the run ends: a fast error is not a token.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) begins: &'static str,
    /// What is somewhere in it.
    pub(crate) holds: &'static str,
}

impl Expected {
    /// 200.
    pub(crate) const OK: Self = Self::ok_with("");

    /// 200, with this somewhere in it.
    pub(crate) const fn ok_with(holds: &'static str) -> Self {
        Self {
            begins: "HTTP/1.1 200 OK",
            holds,
        }
    }

    /// The answer to a wrong secret: 401, and soon 429.
    pub(crate) const REFUSAL: Self = Self {
        begins: "HTTP/1.1 4",
        holds: "",
    };

    fn is(self, answer: &[u8]) -> bool {
        let holds = self.holds.as_bytes();
        answer.starts_with(self.begins.as_bytes())
            && (holds.is_empty() || answer.windows(holds.len()).any(|part| part == holds))
    }
}

/// What a load saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// How long each answer took, sorted.
    pub(crate) took: Vec<Duration>,
    /// How long the load went on.
    pub(crate) lasted: Duration,
}

impl Seen {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of answers is far below 2^52"
        )]
        let answers = self.took.len() as f64;
        answers / self.lasted.as_secs_f64()
    }

    /// The time in which this share of the answers came, in milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length is an index within it"
        )]
        let index = (self.took.len() as f64 * share) as usize;
        let last = self.took.len().saturating_sub(1);
        self.took
            .get(index.min(last))
            .map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
    }
}

impl Load {
    /// A closed loop of requests that are answered 200.
    pub(crate) fn of(address: SocketAddr, requests: Requests, connections: usize) -> Self {
        Self {
            address,
            requests,
            connections,
            lasts: Duration::ZERO,
            rate: None,
            expected: Expected::OK,
            once: false,
            follow: None,
        }
    }

    /// Sends it from a thread of its own.
    pub(crate) fn send(&self) -> Result<Seen, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("start the load"))?;
        LocalSet::new().block_on(&runtime, self.drive())
    }

    async fn drive(&self) -> Result<Seen, Error> {
        let begin = Instant::now();
        let pace = Rc::new(Pace {
            begin,
            end: begin + self.lasts,
            rate: self.rate,
            next: Cell::new(0),
            last: self.once.then_some(self.requests.len()),
        });
        let took = Rc::new(RefCell::new(Vec::with_capacity(1 << 20)));
        let connections: Vec<_> = (0..self.connections)
            .map(|number| {
                let connection = Connection {
                    number,
                    load: self.clone(),
                    pace: pace.clone(),
                    took: took.clone(),
                };
                tokio::task::spawn_local(connection.run())
            })
            .collect();
        for connection in connections {
            connection
                .await
                .map_err(|error| Error::Wrong(error.to_string()))??;
        }
        let mut took = took.take();
        took.sort_unstable();
        Ok(Seen {
            took,
            lasted: begin.elapsed(),
        })
    }
}

/// Which request comes next, and when.
struct Pace {
    begin: Instant,
    end: Instant,
    rate: Option<f64>,
    next: Cell<u32>,
    /// How many requests there are, where each is good for once.
    last: Option<usize>,
}

impl Pace {
    /// The next request and the moment at which it is due; none when the load is over.
    async fn next(&self) -> Option<(usize, Instant)> {
        let number = self.next.get();
        self.next.set(number + 1);
        if self.last.is_some_and(|last| number as usize >= last) {
            return None;
        }
        let due = match self.rate {
            None => Instant::now(),
            Some(rate) => {
                let due = self.begin + Duration::from_secs_f64(f64::from(number) / rate);
                if due < self.end {
                    tokio::time::sleep_until(due.into()).await;
                }
                due
            }
        };
        (due < self.end).then_some((number as usize, due))
    }
}

struct Connection {
    number: usize,
    load: Load,
    pace: Rc<Pace>,
    took: Rc<RefCell<Vec<Duration>>>,
}

impl Connection {
    async fn run(self) -> Result<(), Error> {
        let load = &self.load;
        let broken = || Error::io(format!("speak with {}", load.address));
        let mut stream = TcpStream::connect(load.address).await.map_err(broken())?;
        stream.set_nodelay(true).map_err(broken())?;
        let mut answer = Vec::with_capacity(8_192);
        let mut following: Option<Vec<u8>> = None;
        while let Some((turn, due)) = self.pace.next().await {
            let turn = if load.follow.is_some() {
                self.number
            } else {
                turn
            };
            let in_turn = &load.requests[turn % load.requests.len()];
            let request = following.as_ref().unwrap_or(in_turn);
            stream.write_all(request).await.map_err(broken())?;
            answer.clear();
            while !is_whole(&answer) {
                if stream.read_buf(&mut answer).await.map_err(broken())? == 0 {
                    return Err(Error::Wrong("a connection was closed in an answer".into()));
                }
            }
            self.took.borrow_mut().push(due.elapsed());
            let next = load.follow.as_ref().map(|follow| follow(turn, &answer));
            if !load.expected.is(&answer) || next == Some(None) {
                let text = String::from_utf8_lossy(&answer);
                return Err(Error::Wrong(format!("an answer was wrong: {text}")));
            }
            following = next.flatten();
        }
        Ok(())
    }
}

/// Whether an answer with a `content-length` has come to its end.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let length = answer[..head]
        .split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok()?.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= head + 4 + length)
}
