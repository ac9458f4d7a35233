//! `bench scale`: what a token, a change and a list cost among ever more clients of one tenant.

mod lists;
mod size;
mod table;

use std::{path::PathBuf, time::Duration};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::{
    error::Error,
    installation::Installation,
    machine::Machine,
    report,
    seed::{Hashes, Seeder},
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
    /// How many clients there are, one number after the other. Each makes some three entries of the roll.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
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

struct Plan {
    sizes: Vec<usize>,
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

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let mut plan = if options.quick {
        Plan {
            sizes: vec![1_000, 10_000],
            lasts: Duration::from_secs(2),
            pairs: 3,
            lists: Duration::from_millis(200),
            everybody_from: 10_001,
        }
    } else {
        Plan {
            sizes: vec![1_000, 10_000, 100_000],
            lasts: Duration::from_secs(5),
            pairs: 3,
            lists: Duration::from_secs(1),
            everybody_from: 100_000,
        }
    };
    if !options.clients.is_empty() {
        plan.sizes.clone_from(&options.clients);
        plan.sizes.sort_unstable();
    }
    let mut report = Report {
        machine: Machine::this(),
        connections: options.connections,
        asking: options.asking,
        seconds: plan.lasts.as_secs(),
        stores: Vec::new(),
    };
    let stores = [("SQLite", None)].into_iter();
    let postgres = options.postgres.as_deref();
    for (store, database) in stores.chain(postgres.map(|url| ("PostgreSQL", Some(url)))) {
        let sizes = on_store(options, &plan, store, database)?;
        report.stores.push(OnStore { store, sizes });
    }
    let text = format!("# Scale\n\n{}", table::of(&report));
    println!("{text}");
    report::write(&options.output, "scale", &text, &report)
}

fn on_store(
    options: &Options,
    plan: &Plan,
    store: &str,
    database: Option<&str>,
) -> Result<Vec<Size>, Error> {
    let installation = Installation::new(&options.server, database, "bench_scale")?;
    let server = installation.serve("before_response")?;
    let tenant = crate::runtime()?.block_on(first(&installation))?;
    server.stop()?;
    let mut clients = Vec::new();
    let mut sizes = Vec::new();
    for size in &plan.sizes {
        let more = size.saturating_sub(clients.len());
        eprintln!("{store}: {more} clients more");
        let begin = std::time::Instant::now();
        let made = crate::runtime()?.block_on(async {
            let seeder = Seeder::open(&installation, &tenant, Hashes::Least).await?;
            let made = seeder.clients(more).await?;
            seeder.close().await;
            Ok::<_, Error>(made)
        })?;
        clients.extend(made);
        let seeded = begin.elapsed();
        let begin = std::time::Instant::now();
        installation.check()?;
        let measuring = Measuring {
            options,
            plan,
            installation: &installation,
            tenant: &tenant,
            clients: &clients,
        };
        sizes.push(measuring.measure(seeded, begin.elapsed())?);
    }
    Ok(sizes)
}

async fn first(installation: &Installation) -> Result<Tenant, Error> {
    let operator = Operator::of(installation).await?;
    operator.tenant("bench-scale", json!({})).await
}
