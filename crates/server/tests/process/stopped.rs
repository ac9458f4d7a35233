//! A PostgreSQL that is stopped under load as by a crash, and started again half a minute later.

use std::{
    fs,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::join;

use crate::{
    cluster::Cluster,
    crash::{created, jti, recorded},
    outside::{Load, Outside},
    projections::assert_rows_are_folds,
    restore::{Before, furnish},
    server::{Server, arguments_of},
};

/// How long it is away.
const AWAY: Duration = Duration::from_secs(30);
/// How many tokens there are before, so that some of their records are put together by then: the statement that
/// does it does not wait for the disk.
const BEFORE: usize = 400;

/// A server on a database of its own.
struct Node {
    directory: TempDir,
    arguments: Vec<String>,
    server: Server,
}

impl Node {
    async fn start(postgres: &Cluster, durability: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = format!("[activity]\ndurability = \"{durability}\"\n");
        fs::write(directory.path().join("chancery.toml"), settings).unwrap();
        let url = postgres.create(durability).await;
        let arguments = arguments_of(directory.path(), &url);
        Self {
            server: Server::start(directory.path(), &arguments),
            directory,
            arguments,
        }
    }

    /// Ends it, and gives how many of these tokens have no record. Every one of these clients is there, and every
    /// row is what the roll says.
    async fn unrecorded(&self, tokens: &[String], clients: &[String]) -> usize {
        assert_eq!(self.server.terminate(), 0);
        assert!(!self.server.log().contains("panicked"));
        let (directory, arguments) = (self.directory.path(), &*self.arguments);
        let there = created(directory, arguments, &[]);
        for id in clients {
            let acknowledged = there.contains(id);
            assert!(acknowledged, "{id} was acknowledged and is not in the roll");
        }
        assert_rows_are_folds(directory, arguments);
        let recorded = recorded(directory, arguments).await;
        let missing = tokens
            .iter()
            .filter(|token| !recorded.contains(&jti(token)));
        missing.count()
    }
}

/// What is asked of a node all the while.
struct Busy<'a> {
    server: &'a Server,
    /// What was there before.
    before: Before,
    outside: Outside<'a>,
    tokens: Load,
    clients: Load,
}

impl<'a> Busy<'a> {
    async fn with(node: &'a Node) -> Self {
        let outside = Outside::of(&node.server).await;
        outside.works_again("acme").await;
        outside.has_keys("acme").await;
        Self {
            server: &node.server,
            before: furnish(&node.server, "before").await,
            tokens: Load::of_tokens(&outside).await,
            clients: Load::of_clients(&outside, "acme"),
            outside,
        }
    }

    async fn is_under_way(&self) {
        join!(self.tokens.goes_on(0, BEFORE), self.clients.goes_on(0, 20));
    }

    /// Verifiers go on meanwhile, and nobody else.
    async fn stands(&self, since: Instant) {
        join!(self.tokens.is_refused(), self.clients.is_refused());
        let given = || (self.tokens.given(), self.clients.given());
        let before = given();
        while since.elapsed() < AWAY {
            self.outside.nothing_works().await;
            self.outside.has_keys("acme").await;
        }
        assert_eq!(given(), before);
    }

    async fn goes_on(&self) {
        let (tokens, clients) = (self.tokens.given(), self.clients.given());
        self.outside.works_again("after").await;
        self.before.holds(self.server).await;
        join!(
            self.tokens.goes_on(tokens, 20),
            self.clients.goes_on(clients, 20)
        );
    }

    /// The tokens, the clients, and how many records are known to be lost.
    async fn stop(self) -> (Vec<String>, Vec<String>, usize) {
        let (tokens, clients) = join!(self.tokens.stop(), self.clients.stop());
        (tokens, clients, self.outside.dropped().await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_database_that_is_stopped_for_30_seconds() {
    let mut postgres = Cluster::start().await;
    let awaiting = Node::start(&postgres, "before_response").await;
    let queueing = Node::start(&postgres, "async").await;
    let (first, second) = join!(Busy::with(&awaiting), Busy::with(&queueing));
    join!(first.is_under_way(), second.is_under_way());

    postgres.stop();
    let since = Instant::now();
    join!(first.stands(since), second.stands(since));
    postgres.start_again();
    join!(first.goes_on(), second.goes_on());

    let (first, second) = join!(first.stop(), second.stop());
    assert_eq!(awaiting.unrecorded(&first.0, &first.1).await, 0);
    // A token may leave before its record is written, and what is lost then is counted.
    let missing = queueing.unrecorded(&second.0, &second.1).await;
    assert!(missing <= second.2, "{missing} of {}", second.2);
}
