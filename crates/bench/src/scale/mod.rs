//! `bench scale`: what a token, a change and a list cost among ever more clients of one tenant, and ever more
//! entries in its roll.

mod growth;
mod lists;
mod place;
mod size;
mod table;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    machine::Machine,
    report::{Kept, keep},
    run::Run,
};
pub(crate) use growth::Growth;
use place::Place;
use size::Measuring;
pub(crate) use size::Size;

#[derive(Args)]
pub(crate) struct Options {
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// A PostgreSQL database, beside which one for this benchmark is made; left out: SQLite alone.
    #[arg(long, env = "CHANCERY_TEST_POSTGRES")]
    postgres: Option<String>,
    /// Fewer clients, and shorter.
    #[arg(long)]
    quick: bool,
    /// How many clients there are, one number after the other; the same again where only the entries are to be more.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// How many entries the roll has with so many clients, as many numbers; left out: ten for each client. To make
    /// a client takes some three.
    #[arg(long, value_delimiter = ',', requires = "clients")]
    events: Vec<usize>,
    /// What not to measure.
    #[arg(long, value_delimiter = ',')]
    without: Vec<Part>,
    /// How many of them ask, evenly chosen.
    #[arg(long, default_value_t = 1_000)]
    asking: usize,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Where the table and the JSON go.
    #[arg(long)]
    output: PathBuf,
}

/// What can be left out.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// `projections check` of every size.
    Check,
    Changes,
    Lists,
    /// That every client asks, beside those that ask anyway.
    Everybody,
    Sqlite,
    Postgresql,
}

struct Plan {
    /// Clients, and entries.
    sizes: Vec<(usize, usize)>,
    lasts: Duration,
    pairs: usize,
    /// How long changes are measured, and how often.
    changes: (Duration, usize),
    /// How long each list is asked for.
    lists: Duration,
    /// From how many clients on all of them ask, too.
    everybody_from: usize,
}

/// What was measured on one store.
#[derive(Serialize, Deserialize)]
pub(crate) struct OnStore {
    pub(crate) store: String,
    pub(crate) sizes: Vec<Size>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    machine: Machine,
    #[serde(default)]
    pub(crate) run: Option<Run>,
    connections: usize,
    asking: usize,
    seconds: f64,
    /// Whether there are as many clients at each size.
    #[serde(default)]
    only_entries: bool,
    pub(crate) stores: Vec<OnStore>,
}

impl Kept for Report {
    /// A run that answers another question does not take the place of one with clients.
    fn name(&self) -> &'static str {
        if self.only_entries {
            "scale-entries"
        } else {
            "scale"
        }
    }

    fn text(&self) -> String {
        table::of(self)
    }
}

impl Options {
    fn has(&self, part: Part) -> bool {
        !self.without.contains(&part)
    }

    fn plan(&self) -> Result<Plan, Error> {
        let mut plan = if self.quick {
            Plan {
                sizes: of_ten(&[1_000, 10_000]),
                lasts: Duration::from_secs(1),
                pairs: 3,
                changes: (Duration::from_secs(1), 2),
                lists: Duration::from_millis(200),
                everybody_from: 10_001,
            }
        } else {
            Plan {
                sizes: of_ten(&[1_000, 10_000, 100_000, 1_000_000]),
                lasts: Duration::from_secs(4),
                pairs: 4,
                changes: (Duration::from_secs(3), 4),
                lists: Duration::from_secs(1),
                everybody_from: 100_000,
            }
        };
        if !self.clients.is_empty() {
            plan.sizes = of_ten(&self.clients);
        }
        if !self.events.is_empty() {
            if self.events.len() != self.clients.len() {
                return Err(Error::Wrong(
                    "--events needs a number for each of --clients".into(),
                ));
            }
            plan.sizes = (self.clients.iter().copied())
                .zip(self.events.iter().copied())
                .collect();
        }
        if !plan.sizes.is_sorted() {
            return Err(Error::Wrong(
                "there are only ever more clients: give the fewest first".into(),
            ));
        }
        Ok(plan)
    }
}

fn of_ten(clients: &[usize]) -> Vec<(usize, usize)> {
    let sizes = clients.iter().map(|clients| (*clients, 10 * clients));
    sizes.collect()
}

impl Plan {
    fn only_entries(&self) -> bool {
        let (first, last) = (self.sizes.first(), self.sizes.last());
        self.sizes.len() > 1 && first.map(|size| size.0) == last.map(|size| size.0)
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let plan = options.plan()?;
    let postgres = options.postgres.as_deref();
    let postgres = postgres.filter(|_| options.has(Part::Postgresql));
    let mut report = Report {
        machine: Machine::this(postgres)?,
        run: Some(Run::begin(options.quick)),
        connections: options.connections,
        asking: options.asking,
        seconds: plan.lasts.as_secs_f64(),
        only_entries: plan.only_entries(),
        stores: Vec::new(),
    };
    let sqlite = options.has(Part::Sqlite).then_some(("SQLite", None));
    let postgres = postgres.map(|url| ("PostgreSQL", Some(url)));
    for (store, database) in sqlite.into_iter().chain(postgres) {
        on_store(options, &plan, (store, database), &mut report)?;
    }
    println!("{}", report.text());
    Ok(())
}

fn on_store(
    options: &Options,
    plan: &Plan,
    (store, database): (&'static str, Option<&str>),
    report: &mut Report,
) -> Result<(), Error> {
    let measuring = Measuring {
        options,
        plan,
        database,
    };
    let mut growing = Place::begin(options, database, "bench_scale")?;
    let place = report.stores.len();
    report.stores.push(OnStore {
        store: store.to_owned(),
        sizes: Vec::new(),
    });
    for (clients, entries) in &plan.sizes {
        eprintln!("{store}: {clients} clients, {entries} entries");
        let seeding = growing.grow((*clients, *entries))?;
        let size = measuring.measure(&mut growing, seeding)?;
        eprintln!("{store}: {size}");
        report.stores[place].sizes.push(size);
        // Each time, so that a run which is cut short was not for nothing.
        if let Some(run) = &mut report.run {
            run.look();
        }
        keep(&options.output, report)?;
    }
    growing.remove()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Options;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn plan(sizes: &str) -> Result<super::Plan, crate::error::Error> {
        let arguments = format!("bench --server s --output o {sizes}");
        Arguments::parse_from(arguments.split_whitespace())
            .options
            .plan()
    }

    #[test]
    fn with_as_many_clients_at_each_size_only_entries_grow() {
        let entries = plan("--clients 1000,1000 --events 10000,1000000").unwrap();
        assert_eq!(entries.sizes, [(1_000, 10_000), (1_000, 1_000_000)]);
        assert!(entries.only_entries());
        assert!(!plan("--clients 1000,10000").unwrap().only_entries());
        assert!(!plan("--clients 1000").unwrap().only_entries());
        assert!(!plan("").unwrap().only_entries());
        assert!(plan("--clients 1000,1000 --events 10000").is_err());
        assert!(plan("--clients 1000,100").is_err());
    }
}
