//! `bench tokens`: tokens against the control, in turn, in one run.

mod bench;
mod cold;
mod on_store;
mod refresh;

pub(crate) use bench::start_control;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::{error::Error, machine::Machine, report::Report};

#[derive(Args)]
pub(crate) struct Options {
    /// The server's binary.
    #[arg(long)]
    pub(crate) server: PathBuf,
    /// A PostgreSQL database, beside which one for this benchmark is made; left out: SQLite alone.
    #[arg(long, env = "CHANCERY_TEST_POSTGRES")]
    pub(crate) postgres: Option<String>,
    /// ES256 alone, and shorter.
    #[arg(long)]
    quick: bool,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Clients that ask in turn.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Clients of the same tenant that are there and do not ask, to see what a token costs among so many.
    #[arg(long, default_value_t = 0)]
    idle: usize,
    /// `before_response` or `async`.
    #[arg(long, default_value = "before_response")]
    durability: String,
    /// Only these parts; left out: all of them. To look for what a part costs.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Where the table and the JSON go.
    #[arg(long)]
    output: PathBuf,
}

impl Options {
    fn measures(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// What is measured on each store.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The closed loop, beside the control.
    Closed,
    /// The open loop. It takes its rate from the closed one, and so do those with wrong secrets and assertions.
    Open,
    /// Honest traffic beside wrong secrets.
    Wrong,
    Assertions,
    Introspection,
    Refresh,
    Async,
    /// The first token after a start.
    Cold,
}

/// What is measured: each algorithm with the slug of its tenant.
const ALGORITHMS: [(&str, &str); 3] = [
    ("ES256", "bench-es256"),
    ("EDDSA", "bench-eddsa"),
    ("RS256", "bench-rs256"),
];

/// How long, and how often.
struct Plan {
    lasts: Duration,
    pairs: usize,
    algorithms: &'static [(&'static str, &'static str)],
    /// How many clients ask a server that has just started.
    cold: usize,
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let plan = if options.quick {
        Plan {
            lasts: Duration::from_secs(4),
            pairs: 3,
            algorithms: &ALGORITHMS[..1],
            cold: 500,
        }
    } else {
        Plan {
            lasts: Duration::from_secs(10),
            pairs: 5,
            algorithms: &ALGORITHMS,
            cold: 2_000,
        }
    };
    let mut report = Report {
        machine: Machine::this(),
        connections: options.connections,
        seconds: plan.lasts.as_secs(),
        clients: options.clients,
        idle: options.idle,
        durability: options.durability.clone(),
        closed_loop: Vec::new(),
        open_loop: Vec::new(),
        beside_wrong_secrets: Vec::new(),
        assertions: Vec::new(),
        introspection: Vec::new(),
        cold: Vec::new(),
    };
    let mut stores = vec![("SQLite", None)];
    if let Some(url) = &options.postgres {
        stores.push(("PostgreSQL", Some(url.as_str())));
    }
    for (name, database) in stores {
        on_store::measure(options, &plan, name, database, &mut report)?;
    }
    println!("{}", report.table());
    report.write(&options.output, "tokens")
}
