//! `bench lifecycle`: changes through GraphQL against the same work on the store without a server.

mod bare;
mod verb;

use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::{
    assertions::ClientKey,
    error::Error,
    installation::Installation,
    load::{Expected, Load},
    machine::Machine,
    report::{self, Comparison, Sample, median},
    seed::{Hashes, Seeder},
    tenant::{Operator, Tenant},
};
use bare::Bare;
use verb::Verb;

#[derive(Args)]
pub(crate) struct Options {
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// A PostgreSQL database, beside which one for this benchmark is made; left out: SQLite alone.
    #[arg(long, env = "CHANCERY_TEST_POSTGRES")]
    postgres: Option<String>,
    /// Two commands instead of four, and shorter.
    #[arg(long)]
    quick: bool,
    /// Where the table and the JSON go.
    #[arg(long)]
    output: PathBuf,
}

/// Over how many tenants a change is spread where it is not one.
const TENANTS: usize = 16;

/// How many clients are changed in turn.
const CLIENTS: usize = 1_024;

/// Changes that are under way at a time.
const AT_ONCE: usize = 16;

/// How many requests are made before, which are then sent in turn.
const REQUESTS: usize = 4 * CLIENTS;

struct Plan {
    lasts: Duration,
    pairs: usize,
    verbs: &'static [Verb],
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    at_once: usize,
    tenants: usize,
    clients: usize,
    seconds: u64,
    commands: Vec<Comparison>,
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let plan = if options.quick {
        Plan {
            lasts: Duration::from_secs(2),
            pairs: 2,
            verbs: &Verb::ALL[..2],
        }
    } else {
        Plan {
            lasts: Duration::from_secs(5),
            pairs: 3,
            verbs: &Verb::ALL,
        }
    };
    let mut report = Report {
        machine: Machine::this(),
        at_once: AT_ONCE,
        tenants: TENANTS,
        clients: CLIENTS,
        seconds: plan.lasts.as_secs(),
        commands: Vec::new(),
    };
    let stores = [("SQLite", None)].into_iter();
    let postgres = options.postgres.as_deref();
    for (store, database) in stores.chain(postgres.map(|url| ("PostgreSQL", Some(url)))) {
        let installation = Installation::new(&options.server, database, "bench_lifecycle")?;
        report
            .commands
            .extend(on_store(&installation, &plan, store)?);
    }
    let text = format!("# Lifecycle commands\n\n{}", report.table());
    println!("{text}");
    report::write(&options.output, "lifecycle", &text, &report)
}

/// A tenant with the ids of those of its clients that are changed.
struct Place {
    tenant: Tenant,
    clients: Vec<String>,
}

/// One command over one tenant or over many.
struct Case {
    verb: Verb,
    places: Arc<Vec<Place>>,
    comparison: Comparison,
}

fn on_store(
    installation: &Installation,
    plan: &Plan,
    store: &str,
) -> Result<Vec<Comparison>, Error> {
    let server = installation.serve("before_response")?;
    let key = ClientKey::generate()?;
    let one = places(installation, 1)?;
    let many = places(installation, TENANTS)?;
    server.stop()?;
    let spreads = [("one tenant", one), ("16 tenants", many)];
    let case = |verb: &Verb, spread: &str, places: &Arc<Vec<Place>>| Case {
        verb: *verb,
        places: Arc::clone(places),
        comparison: Comparison {
            name: format!("{}, {spread}, {store}", verb.title()),
            control: Vec::new(),
            server: Vec::new(),
        },
    };
    let mut cases: Vec<_> = plan
        .verbs
        .iter()
        .flat_map(|verb| {
            spreads
                .iter()
                .map(move |(name, places)| (verb, name, places))
        })
        .map(|(verb, name, places)| case(verb, name, places))
        .collect();
    for pair in 0..plan.pairs {
        let runtime = crate::runtime()?;
        for case in &mut cases {
            let bare = Bare::open(installation, &case.places, &key);
            let bare = Arc::new(runtime.block_on(bare)?);
            let sample = runtime.block_on(bare.sample(case.verb, plan.lasts))?;
            case.comparison.control.push(sample);
        }
        drop(runtime);
        let server = installation.serve("before_response")?;
        let operator = crate::runtime()?.block_on(Operator::of(installation))?;
        let host = installation.address.to_string();
        for case in &mut cases {
            let requests = (0..REQUESTS)
                .map(|number| case.verb.question(&case.places, number, pair, &key.jwks))
                .map(|question| operator.request(&host, &question))
                .collect();
            let load = Load {
                lasts: plan.lasts,
                expected: Expected::ok_with("{\"data\":{\""),
                ..Load::of(installation.address, requests, AT_ONCE)
            };
            case.comparison.server.push(Sample::take(&server, &load)?);
            eprintln!("{}: {:.2}", case.comparison.name, case.comparison.ratio().0);
        }
        server.stop()?;
    }
    installation.check()?;
    Ok(cases.into_iter().map(|case| case.comparison).collect())
}

/// So many tenants, which have [`CLIENTS`] clients together.
fn places(installation: &Installation, tenants: usize) -> Result<Arc<Vec<Place>>, Error> {
    crate::runtime()?.block_on(async {
        let operator = Operator::of(installation).await?;
        let mut places = Vec::new();
        for number in 0..tenants {
            let slug = format!("bench-{number}-of-{tenants}");
            let tenant = operator.tenant(&slug, json!({})).await?;
            let seeder = Seeder::open(installation, &tenant, Hashes::Least).await?;
            let clients = seeder.clients(CLIENTS / tenants).await?;
            seeder.close().await;
            places.push(Place {
                tenant,
                clients: clients.into_iter().map(|client| client.id).collect(),
            });
        }
        Ok(Arc::new(places))
    })
}

impl Report {
    fn table(&self) -> String {
        let mut text = format!(
            "{}. {} at a time over {} clients, {} s a measurement, in turn. The control calls the store as the server \
             does (load the streams, decide, take the numbers, compare, append, rows, vault, commit) from a process \
             that has nothing else to do: no HTTP, no GraphQL, nobody to authorise. Where a secret is made, it is made \
             and hashed in both. Changes a second; medians.\n\n\
             | | control | server | ratio (least to greatest) | p50 ms | p99 ms | CPU µs, control | server |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            self.machine.line(),
            self.at_once,
            self.clients,
            self.seconds
        );
        for comparison in &self.commands {
            let (ratio, least, greatest) = comparison.ratio();
            let server = |of: fn(&Sample) -> f64| median(&comparison.server, of);
            let control = |of: fn(&Sample) -> f64| median(&comparison.control, of);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {:.0} | {:.0} | **{ratio:.2}** ({least:.2} to {greatest:.2}) | {:.2} | {:.2} | {:.0} | {:.0} |",
                comparison.name,
                control(|sample| sample.per_second),
                server(|sample| sample.per_second),
                server(|sample| sample.p50_ms),
                server(|sample| sample.p99_ms),
                control(|sample| sample.cpu_microseconds),
                server(|sample| sample.cpu_microseconds),
            );
        }
        text
    }
}
