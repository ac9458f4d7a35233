//! `bench console`: how long each page of the console takes, of a tenant with ten thousand clients and a
//! roll of a million entries.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chancery_event_store::{Backend, Store, StoreConfig, StoreError, StoreLocation, execute};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::{
    error::Error,
    machine::Machine,
    process::{Process, free_address},
    rebuild,
};

/// A page is to be there within this, in milliseconds.
const GOAL: f64 = 50.0;
/// The roll ends this many days earlier than its sample says, so that all of it has happened.
const EARLIER: i64 = 90;
/// How long sealing the roll may take.
const SEALING: Duration = Duration::from_mins(15);

#[derive(Args)]
pub(crate) struct Options {
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// How many entries the roll has.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// How many clients the tenant has at a time.
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// An empty PostgreSQL database; left out: SQLite alone.
    #[arg(long, env = "CHANCERY_TEST_POSTGRES")]
    postgres: Option<String>,
    /// A directory for what is written, kept for the next run: what stands there is only measured. Of
    /// PostgreSQL, the same database belongs to it.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 40)]
    rounds: usize,
    /// Where the table and the JSON go.
    #[arg(long)]
    output: PathBuf,
}

/// One page of one store, in milliseconds.
#[derive(Clone, Debug, Serialize)]
struct Timed {
    page: String,
    first: f64,
    p50: f64,
    p95: f64,
    kib: usize,
}

#[derive(Debug, Serialize)]
struct OnStore {
    store: &'static str,
    pages: Vec<Timed>,
}

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    events: usize,
    clients: usize,
    rounds: usize,
    goal_ms: f64,
    stores: Vec<OnStore>,
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Runtime::new().map_err(Error::io("start a runtime"))?;
    let mut stores = vec![runtime.block_on(options.measure("SQLite", None))?];
    if let Some(url) = &options.postgres {
        stores.push(runtime.block_on(options.measure("PostgreSQL", Some(url)))?);
    }
    let report = Report {
        machine: Machine::this(),
        events: options.events,
        clients: options.clients,
        rounds: options.rounds,
        goal_ms: GOAL,
        stores,
    };
    println!("{}", report.table());
    report.write(&options.output)?;
    match report.slow() {
        slow if slow.is_empty() => Ok(()),
        slow => Err(Error::Wrong(format!("too slow: {}", slow.join(", ")))),
    }
}

impl Options {
    async fn measure(&self, name: &'static str, postgres: Option<&str>) -> Result<OnStore, Error> {
        let temporary = tempfile::tempdir().map_err(Error::io("make a directory"))?;
        let kept = self.keep.as_ref().map(|keep| keep.join(name));
        let directory = kept.as_deref().unwrap_or(temporary.path());
        fs::create_dir_all(directory).map_err(Error::io("make a directory"))?;
        let installation = Installation {
            server: &self.server,
            directory,
            postgres,
            address: free_address()?,
        };
        self.fill(name, &installation).await?;
        let _server = installation.serve()?;
        let browser = Browser::signed_in(&installation).await?;
        eprintln!("{name}: sealing");
        browser.until_sealed(self.events).await?;
        let mut pages = Vec::new();
        for (page, path) in browser.pages(self.events).await? {
            let timed = browser.timed(&page, &path, self.rounds).await?;
            eprintln!("{name}: {:>7.1} ms {page}", timed.p50);
            pages.push(timed);
        }
        Ok(OnStore { store: name, pages })
    }

    /// Writes the roll and its rows, unless they are there.
    async fn fill(&self, name: &str, installation: &Installation<'_>) -> Result<(), Error> {
        let directory = installation.directory;
        let note = directory.join("filled");
        let what = format!("{} entries, {} clients\n", self.events, self.clients);
        match fs::read_to_string(&note) {
            Ok(there) if there == what => return Ok(()),
            Ok(there) => {
                let (there, directory) = (there.trim_end(), directory.display());
                let text = format!("{directory} has {there}: ask for the same, or name another");
                return Err(Error::Wrong(text));
            }
            Err(_) => {}
        }
        let location = match installation.postgres {
            Some(url) => StoreLocation::Postgres(url.to_owned()),
            None => StoreLocation::Sqlite(directory.join("chancery.db")),
        };
        // The first start makes the operators' tenant.
        drop(installation.serve()?);
        eprintln!("{name}: writing {} entries", self.events);
        let filled = rebuild::filled(location.clone(), (self.events, self.clients), EARLIER);
        filled.await.map_err(|error| wrong(&error))?.close().await;
        eprintln!("{name}: their rows");
        installation.rebuild()?;
        // PostgreSQL would look at them by itself in a minute. SQLite keeps no statistics unless it is told to, and
        // those of tables that were empty then are worse than none.
        analyse(location).await?;
        fs::write(&note, what).map_err(Error::io("note what is there"))
    }
}

/// Statistics of the rows as they are.
async fn analyse(location: StoreLocation) -> Result<(), Error> {
    let work = async {
        let store = Store::connect(&StoreConfig::new(location)).await?;
        let mut tx = store.begin().await?;
        match store.backend() {
            Backend::Postgres => execute!(&mut tx, "ANALYZE")?,
            Backend::Sqlite => execute!(&mut tx, "DELETE FROM sqlite_stat1")?,
        };
        tx.commit().await?;
        store.close().await;
        Ok(())
    };
    work.await.map_err(|error: StoreError| wrong(&error))
}

fn wrong(error: &StoreError) -> Error {
    Error::Wrong(error.to_string())
}

/// A server with a directory and a database of its own.
struct Installation<'a> {
    server: &'a Path,
    directory: &'a Path,
    postgres: Option<&'a str>,
    address: SocketAddr,
}

impl Installation<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.server);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.directory)
            .current_dir(self.directory)
            .env("CHANCERY_MASTER_KEY", STANDARD.encode([7; 32]))
            .env("CHANCERY_LOG__LEVEL", "warn");
        if let Some(url) = self.postgres {
            command.env("CHANCERY_DATABASE_URL", url);
        }
        command
    }

    /// Gives the server when it has made what it makes at its first start.
    fn serve(&self) -> Result<Process, Error> {
        let address = self.address.to_string();
        let server = Process::start(
            &mut self.command(&["serve", "--listen", &address]),
            self.address,
        )?;
        let begin = Instant::now();
        // The operator's file is there before its tenant is.
        while !server.is_ready() {
            if begin.elapsed() > Duration::from_mins(1) {
                return Err(Error::Wrong("the server is not ready".into()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn rebuild(&self) -> Result<(), Error> {
        let mut command = self.command(&["projections", "rebuild", "--json"]);
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("rebuild the read models"))?;
        // 1: rows were missing, as they had to be.
        if matches!(output.status.code(), Some(0 | 1)) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::Wrong(format!("{}: {said}", output.status)))
    }
}

/// Somebody who is signed in.
struct Browser {
    http: reqwest::Client,
    base: String,
    cookie: String,
}

impl Browser {
    async fn signed_in(installation: &Installation<'_>) -> Result<Self, Error> {
        let file = installation.directory.join("operator.json");
        let text = fs::read(&file).map_err(Error::io("read the operator's credential"))?;
        let credential: Value = serde_json::from_slice(&text)?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let base = format!("http://{}", installation.address);
        let field = |name: &str| credential[name].as_str().unwrap_or_default();
        let answer = http
            .post(format!("{base}/console/sign-in"))
            .header("origin", &base)
            .form(&[
                ("tenant", "system"),
                ("client", field("client_id")),
                ("secret", field("client_secret")),
            ])
            .send()
            .await?;
        let cookie = answer.headers().get("set-cookie");
        let cookie = cookie.and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookie = cookie.ok_or(Error::Wrong("nobody is signed in".into()))?;
        Ok(Self {
            cookie: cookie.to_owned(),
            http,
            base,
        })
    }

    async fn get(&self, path: &str) -> Result<String, Error> {
        let request = self.http.get(format!("{}{path}", self.base));
        let answer = request.header("cookie", &self.cookie).send().await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Error::Wrong(format!("{path} answers {status}")));
        }
        Ok(answer.text().await?)
    }

    /// The checkpoint is a note whose second line is the size of the tree.
    async fn until_sealed(&self, events: usize) -> Result<(), Error> {
        let begin = Instant::now();
        while begin.elapsed() < SEALING {
            let note = self.get("/t/acme/roll/checkpoint").await?;
            let size = note
                .lines()
                .nth(1)
                .and_then(|size| size.parse::<usize>().ok());
            if size.is_some_and(|size| size >= events) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Err(Error::Wrong("the roll is not sealed in time".into()))
    }

    /// Every page that shows what there is, by what it is called.
    async fn pages(&self, events: usize) -> Result<Vec<(String, String)>, Error> {
        let tenant = "/console/t/acme";
        let clients = self.get(&format!("{tenant}/clients")).await?;
        let apis = self.get(&format!("{tenant}/apis")).await?;
        let client = linked(&clients, &format!("{tenant}/clients/client_"))?;
        let api = linked(&apis, &format!("{tenant}/apis/api_"))?;
        let second = linked(&clients, "?after=")?.replace("&amp;", "&");
        let (middle, early) = (events / 2, events / 100);
        let id = client.rsplit('/').next().unwrap_or_default().to_owned();
        let within = |rest: &str| format!("{tenant}{rest}");
        let past = format!("{tenant}/past?entry={middle}");
        let mut pages = vec![
            ("Tenants".to_owned(), "/console/tenants".to_owned()),
            ("A tenant".to_owned(), within("")),
            ("Policy".to_owned(), within("/policy")),
            ("Signing keys".to_owned(), within("/keys")),
            ("APIs".to_owned(), within("/apis")),
            ("An API, with its clients".to_owned(), api),
            ("Clients".to_owned(), within("/clients")),
            (
                "Clients, second page".to_owned(),
                within(&format!("/clients{second}")),
            ),
            (
                "Clients, searched".to_owned(),
                within("/clients?q=billing-worker-7"),
            ),
            ("A new client".to_owned(), within("/clients/new")),
            ("A client".to_owned(), client.clone()),
            (
                "A client, to be changed".to_owned(),
                format!("{client}/edit"),
            ),
            ("Calendar".to_owned(), within("/calendar")),
            ("Calendar, a year".to_owned(), within("/calendar?days=365")),
            ("Roll".to_owned(), within("/roll")),
            (
                "Roll, of a client".to_owned(),
                within(&format!("/roll?client={id}")),
            ),
            (
                "Roll, of a type".to_owned(),
                within("/roll?type=ApiCreated"),
            ),
            (
                "An entry, with its proof".to_owned(),
                within(&format!("/roll/{middle}")),
            ),
            ("As it was, at the end".to_owned(), within("/past")),
            ("As it was, in the middle".to_owned(), past),
            (
                "As it was, early".to_owned(),
                within(&format!("/past?entry={early}")),
            ),
            ("Compare".to_owned(), within("/difference")),
            ("Activity, a day".to_owned(), within("/activity?over=day")),
            (
                "Activity, 30 days".to_owned(),
                within("/activity?over=month"),
            ),
            ("Records".to_owned(), within("/activity/records")),
        ];
        // Two moments that a year lies between.
        let (from, to) = ("2025-11-01T00:00:00Z", "2026-08-01T00:00:00Z");
        let year = within(&format!("/difference?from={from}&to={to}"));
        pages.push(("Compare, nine months".to_owned(), year));
        Ok(pages)
    }

    async fn timed(&self, page: &str, path: &str, rounds: usize) -> Result<Timed, Error> {
        let mut took = Vec::with_capacity(rounds);
        let (mut first, mut bytes) = (0.0, 0);
        for round in 0..=rounds {
            let begin = Instant::now();
            bytes = self.get(path).await?.len();
            let ms = begin.elapsed().as_secs_f64() * 1e3;
            if round == 0 {
                first = ms;
            } else {
                took.push(ms);
            }
        }
        took.sort_by(f64::total_cmp);
        let at = |percent: usize| took.get(took.len().saturating_sub(1) * percent / 100);
        Ok(Timed {
            page: page.to_owned(),
            first,
            p50: at(50).copied().unwrap_or_default(),
            p95: at(95).copied().unwrap_or_default(),
            kib: bytes / 1_024,
        })
    }
}

/// The first address in a page that begins like this.
fn linked(html: &str, begins: &str) -> Result<String, Error> {
    let at = html.find(&format!("href=\"{begins}"));
    let address = at.and_then(|at| html.get(at + 6..)?.split('"').next());
    address
        .map(ToOwned::to_owned)
        .ok_or_else(|| Error::Wrong(format!("no link to {begins}")))
}

impl Report {
    fn slow(&self) -> Vec<String> {
        let of = |store: &OnStore| -> Vec<String> {
            let slow = store.pages.iter().filter(|page| page.p95 > GOAL);
            slow.map(|page| format!("{} on {}", page.page, store.store))
                .collect()
        };
        self.stores.iter().flat_map(of).collect()
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{}. A tenant with {} clients at a time and a roll of {} entries; each page is asked for {} times, one \
             after the other, by somebody who is signed in. Milliseconds, to the last byte; the goal is {GOAL:.0}.\n",
            self.machine.line(),
            self.clients,
            self.events,
            self.rounds,
        );
        for OnStore { store, pages } in &self.stores {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n## {store}\n\n| page | p50 | p95 | the first | KiB |\n| --- | --- | --- | --- | --- |\n"
            );
            for Timed {
                page,
                first,
                p50,
                p95,
                kib,
            } in pages
            {
                let _ = writeln!(
                    text,
                    "| {page} | **{p50:.1}** | {p95:.1} | {first:.1} | {kib} |"
                );
            }
        }
        text
    }

    /// Writes `console.md` and `console.json`.
    fn write(&self, directory: &Path) -> Result<(), Error> {
        fs::create_dir_all(directory).map_err(Error::io("make the directory of results"))?;
        let write = |extension: &str, text: String| {
            let file = directory.join("console").with_extension(extension);
            fs::write(&file, text).map_err(Error::io(format!("write {}", file.display())))
        };
        write("md", format!("# The console\n\n{}", self.table()))?;
        write("json", format!("{}\n", serde_json::to_string_pretty(self)?))
    }
}
