//! `bench console`: how long each page of the console takes, of a tenant with ten thousand clients and a
//! roll of a million entries.

mod activity;
mod browser;
mod installation;
mod pages;
mod report;

use std::{fs, path::PathBuf};

use browser::Browser;
use chancery_event_store::{Backend, Store, StoreConfig, StoreError, StoreLocation, execute};
use clap::Args;
use installation::Installation;
use report::OnStore;
pub(crate) use report::Report;

use crate::{
    error::Error,
    machine::Machine,
    process::free_address,
    rebuild,
    report::{Kept as _, keep},
    run::Run,
};

/// A page is to be there within this, in milliseconds.
const GOAL: f64 = 50.0;
/// The roll ends this many days earlier than its sample says, so that all of it has happened.
const EARLIER: i64 = 90;

#[derive(Args)]
pub(crate) struct Options {
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// How many entries the roll has.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// How many tokens were issued in the last four weeks.
    #[arg(long, default_value_t = 200_000)]
    tokens: usize,
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

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let mut run = Run::begin(false);
    let machine = Machine::this(options.postgres.as_deref())?;
    let runtime = crate::runtime()?;
    let mut stores = vec![runtime.block_on(options.measure("SQLite", None))?];
    if let Some(url) = &options.postgres {
        stores.push(runtime.block_on(options.measure("PostgreSQL", Some(url)))?);
    }
    run.look();
    let report = Report {
        machine,
        run: Some(run),
        events: options.events,
        clients: options.clients,
        tokens: options.tokens,
        rounds: options.rounds,
        goal_ms: GOAL,
        stores,
    };
    println!("{}", report.text());
    keep(&options.output, &report)?;
    match report.slow() {
        slow if slow.is_empty() => Ok(()),
        slow => Err(Error::Wrong(format!("too slow: {}", slow.join(", ")))),
    }
}

impl Options {
    async fn measure(&self, name: &str, postgres: Option<&str>) -> Result<OnStore, Error> {
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
        let browser = Browser::of_many_sessions(&installation).await?;
        eprintln!("{name}: sealing");
        browser.until_sealed(self.events).await?;
        let mut pages = Vec::new();
        for (page, path) in browser.pages(self.events).await? {
            let timed = browser.timed(page, &path, self.rounds).await?;
            eprintln!("{name}: {:>7.1} ms {page}", timed.p50);
            pages.push(timed);
        }
        Ok(OnStore {
            store: name.to_owned(),
            pages,
        })
    }

    /// Writes the roll and its rows, unless they are there.
    async fn fill(&self, name: &str, installation: &Installation<'_>) -> Result<(), Error> {
        let directory = installation.directory;
        let note = directory.join("filled");
        let what = format!(
            "{} entries, {} clients, {} tokens\n",
            self.events, self.clients, self.tokens
        );
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
        let store = filled.await.map_err(|error| wrong(&error))?;
        eprintln!("{name}: their rows");
        installation.rebuild()?;
        eprintln!("{name}: {} tokens", self.tokens);
        activity::filled(&store, &location, self.tokens).await?;
        store.close().await;
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
