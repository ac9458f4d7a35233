//! `bench lifecycle`: changes through GraphQL against the same work on the store without a server.

mod bare;
mod verb;

use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    assertions::ClientKey,
    error::Error,
    installation::Installation,
    load::{Expected, Load},
    machine::Machine,
    report::{Comparison, Kept, Sample, cpu, keep, median, rate},
    run::{self, Run},
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

#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    machine: Machine,
    #[serde(default)]
    run: Option<Run>,
    at_once: usize,
    tenants: usize,
    clients: usize,
    seconds: f64,
    commands: Vec<Comparison>,
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let plan = if options.quick {
        Plan {
            lasts: Duration::from_secs(1),
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
    let mut run = Run::begin(options.quick);
    let mut report = Report {
        machine: Machine::this(options.postgres.as_deref())?,
        run: None,
        at_once: AT_ONCE,
        tenants: TENANTS,
        clients: CLIENTS,
        seconds: plan.lasts.as_secs_f64(),
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
    run.look();
    report.run = Some(run);
    println!("{}", report.text());
    keep(&options.output, &report)
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
        comparison: Comparison::new(format!("{}, {spread}, {store}", verb.title()), plan.lasts),
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

/// What the commands are called.
pub(crate) fn titles() -> impl Iterator<Item = &'static str> {
    Verb::ALL.into_iter().map(Verb::title)
}

impl Report {
    pub(crate) fn commands(&self) -> &[Comparison] {
        &self.commands
    }

    pub(crate) fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }
}

impl Kept for Report {
    fn name(&self) -> &'static str {
        "lifecycle"
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# Lifecycle commands\n\n{}. {}{} at a time over {} clients, {} s a measurement, in turn. The control calls the store as the \
             server does (load the streams, decide, take the numbers, compare, append, rows, vault, commit) from a process \
             that has nothing else to do: no HTTP, no GraphQL, nobody to authorise. Where a secret is made, it is made \
             and hashed in both. The control commits each change by itself, and in the server small changes share a commit: \
             above 1 it is no bound. Changes a second; medians.\n\n\
             | | pairs | control | server | ratio (least to greatest) | p50 ms | p99 ms | CPU µs, control | server |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            self.machine.line(),
            run::line(self.run.as_ref()),
            self.at_once,
            self.clients,
            self.seconds
        );
        for comparison in &self.commands {
            let (ratio, least, greatest) = comparison.ratio();
            let (control, server) = (&comparison.control, &comparison.server);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {:.0} | {:.0} | **{ratio:.2}** ({least:.2} to {greatest:.2}) | {:.2} | {:.2} | {:.0} | {:.0} |",
                comparison.name,
                server.len(),
                rate(control),
                rate(server),
                median(server, |sample| sample.p50_ms),
                median(server, |sample| sample.p99_ms),
                cpu(control),
                cpu(server),
            );
        }
        text
    }
}
