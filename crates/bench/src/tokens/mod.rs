//! `bench tokens`: tokens against the control, in turn, in one run.

mod assertions;
mod bench;
mod cold;
mod on_store;
mod refresh;
mod report;
mod table;
mod wrong;

pub(crate) use bench::start_control;
pub(crate) use report::Report;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    error::Error,
    machine::Machine,
    report::{Kept as _, keep},
    run::Run,
};

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
    /// The open loop, beside the control. It takes its rate from the closed one, and so do those with wrong secrets.
    Open,
    /// Honest traffic beside wrong secrets.
    Wrong,
    /// Assertions of clients with a key: a closed loop beside the control, and an open one.
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
    /// The same for comparisons beside those of the algorithms: refresh tokens, `async`, assertions; and how often at
    /// half of the peak.
    further: (Duration, usize),
    /// How long each is asked before, for nothing.
    warm: Duration,
    algorithms: &'static [(&'static str, &'static str)],
    /// How many clients ask a server that has just started.
    cold: usize,
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let plan = if options.quick {
        Plan {
            lasts: Duration::from_millis(2_500),
            pairs: 3,
            further: (Duration::from_millis(1_500), 2),
            warm: Duration::from_secs(1),
            algorithms: &ALGORITHMS[..1],
            cold: 500,
        }
    } else {
        Plan {
            lasts: Duration::from_secs(10),
            pairs: 5,
            further: (Duration::from_secs(8), 3),
            warm: Duration::from_secs(2),
            algorithms: &ALGORITHMS,
            cold: 2_000,
        }
    };
    let mut run = Run::begin(options.quick);
    let mut report = Report {
        machine: Machine::this(options.postgres.as_deref())?,
        run: None,
        connections: options.connections,
        seconds: plan.lasts.as_secs_f64(),
        clients: options.clients,
        idle: options.idle,
        durability: options.durability.clone(),
        closed_loop: Vec::new(),
        open_loop: Vec::new(),
        beside_wrong_secrets: Vec::new(),
        assertions: Vec::new(),
        introspection: Vec::new(),
        cold: Vec::new(),
        room: Vec::new(),
    };
    let mut stores = vec![("SQLite", None)];
    if let Some(url) = &options.postgres {
        stores.push(("PostgreSQL", Some(url.as_str())));
    }
    for (name, database) in stores {
        let measured = on_store::measure(options, &plan, name, database, &mut report);
        // Half an hour is not for nothing: what there is of it is told, and not kept.
        measured.inspect_err(|_| println!("{}", report.text()))?;
    }
    run.look();
    report.run = Some(run);
    println!("{}", report.text());
    keep(&options.output, &report)
}
