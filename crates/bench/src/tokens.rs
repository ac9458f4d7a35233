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
    assertions::ClientKey,
    error::Error,
    load::{Load, Seen},
    machine::Machine,
    process::{Process, free_address},
    report::{Beside, Comparison, FixedRate, Report, Sample},
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
    /// Clients of the same tenant that are there and do not ask, to see what a token costs among so many.
    #[arg(long, default_value_t = 0)]
    idle: usize,
    /// `before_response` or `async`.
    #[arg(long, default_value = "before_response")]
    durability: String,
    /// Where the table and the JSON go.
    #[arg(long)]
    output: PathBuf,
}

/// How an answer with a token begins.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK";

/// How an answer to a wrong secret begins: 401, and soon 429.
const REFUSAL: &[u8] = b"HTTP/1.1 4";

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
        idle: options.idle,
        durability: options.durability.clone(),
        closed_loop: Vec::new(),
        open_loop: Vec::new(),
        beside_wrong_secrets: Vec::new(),
        assertions: Vec::new(),
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
    let server = serve(options, directory.path(), database)?;
    let key = ClientKey::generate()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("prepare"))?;
    for (algorithm, slug) in plan.algorithms {
        let (clients, with_key) = runtime.block_on(async {
            let operator = Operator::of(directory.path(), server.address).await?;
            let clients = operator.tenant(slug, algorithm, options.clients).await?;
            let with_key = operator.with_key(slug, &key.jwks, options.clients).await?;
            operator.with_key(slug, &key.jwks, options.idle).await?;
            Ok::<_, Error>((clients, with_key))
        })?;
        let path = format!("/t/{slug}/oauth2/token");
        let bench = Bench {
            options,
            plan,
            server: &server,
            requests: requests(&clients, server.address, &path),
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
        report.open_loop.push(FixedRate {
            name: name.clone(),
            rate,
            sample,
        });
        let wrong: Vec<_> = clients
            .iter()
            .map(|client| client.wrong_request(&server.address.to_string(), &path))
            .collect();
        let beside = bench.beside(name.clone(), &wrong, (peak / 4.0).round())?;
        report.beside_wrong_secrets.push(beside);
        let rate = (peak / 4.0).round();
        let (host, issuer) = (
            server.address.to_string(),
            format!("http://{}/t/{slug}", server.address),
        );
        let make = |count| key.requests(&with_key, count, &issuer, &host, &path);
        // Each client's key is read once before.
        bench.once(&make(with_key.len())?, None)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is positive, and so many requests fit the memory"
        )]
        let count = (rate * plan.lasts.as_secs_f64()) as usize;
        let seen = bench.once(&make(count)?, Some(rate))?;
        report.assertions.push(FixedRate {
            name,
            rate,
            sample: seen,
        });
    }
    Ok(())
}

fn serve(options: &Options, directory: &Path, database: Option<&str>) -> Result<Process, Error> {
    let address = free_address()?;
    let mut command = Command::new(&options.server);
    command
        .arg("serve")
        .arg("--listen")
        .arg(address.to_string())
        .arg("--data-dir")
        .arg(directory)
        .env("CHANCERY_ACTIVITY__DURABILITY", &options.durability)
        .env("CHANCERY_LOG__LEVEL", "warn");
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
            once: false,
        };
        load.send()
    }

    /// Honest traffic at this rate, alone and then beside twice as many wrong secrets.
    fn beside(&self, name: String, wrong: &[Vec<u8>], rate: f64) -> Result<Beside, Error> {
        let alone = self.sample(self.server, &self.requests, Some(rate))?;
        let load = Load {
            address: self.server.address,
            requests: wrong,
            connections: self.options.connections,
            lasts: self.plan.lasts,
            rate: Some(2.0 * rate),
            expected: REFUSAL,
            once: false,
        };
        let (among, refused) = std::thread::scope(|threads| {
            let refused = threads.spawn(|| load.send());
            let among = self.sample(self.server, &self.requests, Some(rate));
            (among, refused.join())
        });
        let refused = refused.map_err(|_| Error::Wrong("the load panicked".into()))??;
        Ok(Beside {
            name,
            rate,
            alone,
            among: among?,
            wrong_per_second: refused.rate(),
        })
    }

    /// Sends each request once.
    fn once(&self, requests: &[Vec<u8>], rate: Option<f64>) -> Result<Sample, Error> {
        let before = self.server.cpu()?;
        let load = Load {
            address: self.server.address,
            requests,
            connections: self.options.connections,
            lasts: 2 * self.plan.lasts,
            rate,
            expected: ANSWER,
            once: true,
        };
        let seen = load.send()?;
        let used = self.server.cpu()?.saturating_sub(before);
        Ok(Sample::of(&seen, used, self.server.memory()?))
    }
}
