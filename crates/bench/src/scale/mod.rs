//! `bench scale`: what a token, a change and a list cost among ever more clients of one tenant, and ever more
//! entries in its roll.

mod lists;
mod size;
mod table;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use crate::{
    error::Error,
    installation::Installation,
    machine::Machine,
    report,
    seed::{Growth, Hashes, Seeder},
    tenant::{Operator, Tenant},
};
use size::{Measuring, Size};

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
    /// How long each list is asked for.
    lists: Duration,
    /// From how many clients on all of them ask, too.
    everybody_from: usize,
}

/// What was measured on one store.
#[derive(Serialize)]
struct OnStore {
    store: &'static str,
    sizes: Vec<Size>,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    connections: usize,
    asking: usize,
    seconds: u64,
    stores: Vec<OnStore>,
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
                lists: Duration::from_millis(200),
                everybody_from: 10_001,
            }
        } else {
            Plan {
                sizes: of_ten(&[1_000, 10_000, 100_000, 1_000_000]),
                lasts: Duration::from_secs(4),
                pairs: 4,
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

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let plan = options.plan()?;
    let mut report = Report {
        machine: Machine::this(),
        connections: options.connections,
        asking: options.asking,
        seconds: plan.lasts.as_secs(),
        stores: Vec::new(),
    };
    let sqlite = options.has(Part::Sqlite).then_some(("SQLite", None));
    let postgres = options.postgres.as_deref();
    let postgres = postgres.filter(|_| options.has(Part::Postgresql));
    let postgres = postgres.map(|url| ("PostgreSQL", Some(url)));
    for (store, database) in sqlite.into_iter().chain(postgres) {
        on_store(options, &plan, (store, database), &mut report)?;
    }
    println!("{}", table::of(&report));
    Ok(())
}

fn on_store(
    options: &Options,
    plan: &Plan,
    (store, database): (&'static str, Option<&str>),
    report: &mut Report,
) -> Result<(), Error> {
    let installation = Installation::new(&options.server, database, "bench_scale")?;
    let server = installation.serve("before_response")?;
    let (operator, tenant) = crate::runtime()?.block_on(first(&installation))?;
    let mut entries = crate::runtime()?.block_on(head(&operator, &tenant))?;
    server.stop()?;
    let mut clients = Vec::new();
    let place = report.stores.len();
    report.stores.push(OnStore {
        store,
        sizes: Vec::new(),
    });
    for (of_clients, of_entries) in &plan.sizes {
        let growth = Growth {
            clients: of_clients.saturating_sub(clients.len()),
            entries: of_entries.saturating_sub(entries),
        };
        eprintln!(
            "{store}: {} clients more, {} entries",
            growth.clients, growth.entries
        );
        let begin = Instant::now();
        crate::runtime()?.block_on(async {
            let seeder = Seeder::open(&installation, &tenant, Hashes::Least).await?;
            seeder.grow(&mut clients, growth).await?;
            seeder.close().await;
            Ok::<_, Error>(())
        })?;
        installation.settle()?;
        let seeded = begin.elapsed();
        let measuring = Measuring {
            options,
            plan,
            installation: &installation,
            tenant: &tenant,
            clients: &clients,
        };
        let size = measuring.measure(seeded)?;
        eprintln!("{store}: {size}");
        entries = usize::try_from(size.events).map_err(Error::wrong)?;
        report.stores[place].sizes.push(size);
        // Each time, so that a run which is cut short was not for nothing.
        let text = format!("# Scale\n\n{}", table::of(report));
        report::write(&options.output, "scale", &text, report)?;
    }
    installation.remove()
}

async fn first(installation: &Installation) -> Result<(Operator, Tenant), Error> {
    let operator = Operator::of(installation).await?;
    let tenant = operator.tenant("bench-scale", json!({})).await?;
    Ok((operator, tenant))
}

/// How many entries the roll has.
async fn head(operator: &Operator, tenant: &Tenant) -> Result<usize, Error> {
    let question = json!({"query": format!("{{ tenant(slug: \"{}\") {{ head }} }}", tenant.slug)});
    let answer = operator.ask(&question).await?;
    let head = answer["tenant"]["head"].as_str().unwrap_or_default();
    head.parse().map_err(Error::wrong)
}
