//! `bench tokens`: warm `client_credentials` against the control, in turn, in one run.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;

use crate::{
    error::Error,
    load::{Load, Seen},
    machine::Machine,
    process::{Process, free_address},
    report::{Comparison, FixedRate, Report, Sample},
    tenant::{Client, Operator},
};

#[derive(Args)]
pub(crate) struct Options {
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// An empty PostgreSQL database; left out: SQLite alone.
    #[arg(long, env = "CHANCERY_TEST_POSTGRES")]
    postgres: Option<String>,
    /// ES256 alone, and shorter.
    #[arg(long)]
    quick: bool,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Clients that ask in turn.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Where the table and the JSON go.
    #[arg(long)]
    output: PathBuf,
}

/// How an answer with a token begins.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK";

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
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let plan = if options.quick {
        Plan {
            lasts: Duration::from_secs(5),
            pairs: 3,
            algorithms: &ALGORITHMS[..1],
        }
    } else {
        Plan {
            lasts: Duration::from_secs(10),
            pairs: 5,
            algorithms: &ALGORITHMS,
        }
    };
    let mut report = Report {
        machine: Machine::this(),
        connections: options.connections,
        seconds: plan.lasts.as_secs(),
        clients: options.clients,
        closed_loop: Vec::new(),
        open_loop: Vec::new(),
    };
    let mut stores = vec![("SQLite", None)];
    if let Some(url) = &options.postgres {
        stores.push(("PostgreSQL", Some(url.as_str())));
    }
    for (name, database) in stores {
        on_store(options, &plan, name, database, &mut report)?;
    }
    println!("{}", report.table());
    report.write(&options.output, "tokens")
}

/// Everything on one store.
fn on_store(
    options: &Options,
    plan: &Plan,
    store: &str,
    database: Option<&str>,
    report: &mut Report,
) -> Result<(), Error> {
    let directory = tempfile::tempdir().map_err(Error::io("make a directory"))?;
    let server = serve(&options.server, directory.path(), database)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("prepare"))?;
    for (algorithm, slug) in plan.algorithms {
        let clients = runtime.block_on(async {
            let operator = Operator::of(directory.path()).await?;
            operator.tenant(slug, algorithm, options.clients).await
        })?;
        let bench = Bench {
            options,
            plan,
            server: &server,
            requests: requests(&clients, server.address, &format!("/t/{slug}/oauth2/token")),
        };
        let name = format!("{algorithm}, {store}");
        let comparison = bench.compare(name.clone(), algorithm, &clients)?;
        let peak = comparison
            .server
            .iter()
            .map(|sample| sample.tokens_per_second)
            .fold(f64::INFINITY, f64::min);
        report.closed_loop.push(comparison);
        let rate = (peak / 2.0).round();
        let sample = bench.sample(&server, &bench.requests, Some(rate))?;
        report.open_loop.push(FixedRate { name, rate, sample });
    }
    Ok(())
}

fn serve(binary: &Path, directory: &Path, database: Option<&str>) -> Result<Process, Error> {
    let address = free_address()?;
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg("--listen")
        .arg(address.to_string())
        .arg("--data-dir")
        .arg(directory)
        .env("RUST_LOG", "warn");
    if let Some(url) = database {
        // The key belongs to this run alone.
        command
            .env("CHANCERY_DATABASE_URL", url)
            .env("CHANCERY_MASTER_KEY", STANDARD.encode([7_u8; 32]));
    }
    Process::start(&mut command, address)
}

fn requests(clients: &[Client], address: SocketAddr, path: &str) -> Vec<Vec<u8>> {
    let host = address.to_string();
    clients
        .iter()
        .map(|client| client.request(&host, path))
        .collect()
}

/// One algorithm on one store.
struct Bench<'a> {
    options: &'a Options,
    plan: &'a Plan,
    server: &'a Process,
    requests: Vec<Vec<u8>>,
}

impl Bench<'_> {
    /// Control and server in turn, each warmed up first.
    fn compare(
        &self,
        name: String,
        algorithm: &str,
        clients: &[Client],
    ) -> Result<Comparison, Error> {
        let address = free_address()?;
        let this = std::env::current_exe().map_err(Error::io("find this binary"))?;
        let mut command = Command::new(this);
        command
            .arg("control")
            .arg("--listen")
            .arg(address.to_string())
            .arg("--algorithm")
            .arg(algorithm);
        let control = Process::start(&mut command, address)?;
        let of_control = requests(clients, address, "/token");
        let mut comparison = Comparison {
            name,
            control: Vec::new(),
            server: Vec::new(),
        };
        self.send(&control, &of_control, Duration::from_secs(1), None)?;
        self.send(self.server, &self.requests, Duration::from_secs(2), None)?;
        for _ in 0..self.plan.pairs {
            comparison
                .control
                .push(self.sample(&control, &of_control, None)?);
            comparison
                .server
                .push(self.sample(self.server, &self.requests, None)?);
        }
        Ok(comparison)
    }

    fn sample(
        &self,
        process: &Process,
        requests: &[Vec<u8>],
        rate: Option<f64>,
    ) -> Result<Sample, Error> {
        let before = process.cpu()?;
        let seen = self.send(process, requests, self.plan.lasts, rate)?;
        let used = process.cpu()?.saturating_sub(before);
        Ok(Sample::of(&seen, used, process.memory()?))
    }

    fn send(
        &self,
        process: &Process,
        requests: &[Vec<u8>],
        lasts: Duration,
        rate: Option<f64>,
    ) -> Result<Seen, Error> {
        let load = Load {
            address: process.address,
            requests,
            connections: self.options.connections,
            lasts,
            rate,
            expected: ANSWER,
        };
        load.send()
    }
}
