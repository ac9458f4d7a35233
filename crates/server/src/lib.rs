#![doc = include_str!("../README.md")]

mod alone;
pub mod app;
mod clock;
mod config;
pub mod connections;
mod descriptors;
mod docs;
mod exit;
mod health;
mod held;
mod host;
mod late;
mod logging;
mod openapi;
mod patient;
mod places;
mod plain;
pub mod platform;
mod problem;
mod progress;
mod roll;
mod sealing;
mod start;
mod telemetry;
mod tls;
mod unreachable;
mod unread;
mod validity;

mod commands {
    //! One file for each subcommand.
    pub(crate) mod audit;
    pub(crate) mod config;
    pub(crate) mod demo;
    pub(crate) mod keys;
    pub(crate) mod migrate;
    pub(crate) mod operator;
    pub(crate) mod projections;
    pub(crate) mod ready;
    pub(crate) mod serve;
    mod signals;
}

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, ConfigError, ConfigFlags, LogFormat},
    exit::Failure,
};

/// Chancery: an event-sourced, multi-tenant OAuth 2.0 authorization server for machines.
#[derive(Debug, Parser)]
#[command(
    name = "chancery",
    version,
    after_help = "Start with `chancery serve`, or see it all with `chancery demo`."
)]
struct Cli {
    #[command(flatten)]
    config: ConfigFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; with nothing configured, on SQLite in ./chancery-data
    #[command(
        after_help = "Example: chancery serve --listen 127.0.0.1:9090 --data-dir /var/lib/chancery"
    )]
    Serve {
        #[command(flatten)]
        confirmed: start::Confirmed,
    },
    /// Tell the whole story against a server of its own: tenant, client, token, rotation, replay
    #[command(
        help_template = "{about-with-newline}\nUsage: chancery demo [--database-url postgres://…]\n\nIt is on SQLite in a temporary directory or, with --database-url, in a schema of its own in that database of \nPostgreSQL; both are removed in the end. No other setting counts.\n\n{after-help}",
        after_help = "Example: chancery demo --database-url postgres://chancery@localhost/chancery"
    )]
    Demo,
    /// Bring the database to this binary's schema
    #[command(
        after_help = "Example: chancery migrate --database-url postgres://chancery@db/chancery"
    )]
    Migrate,
    /// Make credentials for operators and tenant administrators
    #[command(subcommand)]
    Operator(commands::operator::OperatorCommand),
    /// Export, verify, replay and compare a tenant's roll
    #[command(subcommand)]
    Audit(commands::audit::AuditCommand),
    /// Change the master key
    #[command(subcommand)]
    Keys(commands::keys::KeysCommand),
    /// Compare the read models with the roll, or rebuild them from it
    #[command(subcommand)]
    Projections(commands::projections::ProjectionsCommand),
    /// Ask the server of this configuration whether it can do its work, as a health check
    #[command(after_help = "Example: chancery ready && echo served")]
    Ready,
    /// Print the effective configuration, each value with where it came from
    #[command(after_help = "Example: chancery config --json")]
    Config {
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// How long what is still under way may take when everything is done.
const LEFT: Duration = Duration::from_secs(1);

/// Where all of it runs. What the database answers comes from outside the threads that work, and dozens of
/// requests may wait for it: it is looked for more often than by default, which is after 61 tasks of about 20
/// microseconds.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(13)
        .global_queue_interval(7)
        .build()
        .map_err(Failure::system)
}

fn run(cli: &Cli) -> Result<(), Failure> {
    if let Command::Demo = cli.command {
        let runtime = runtime()?;
        return runtime.block_on(commands::demo::run(cli.config.database_url.as_deref()));
    }
    if let Command::Audit(command) = &cli.command
        && let Some(done) = commands::audit::offline(command)
    {
        return done;
    }
    let config = Config::load(&cli.config).map_err(|error| match (&error, &cli.command) {
        (_, Command::Serve { .. } | Command::Migrate) => Failure::input(&error),
        // A key that is made now opens nothing of what the servers have sealed.
        (ConfigError::NoMasterKey, _) => Failure::input(
            "give the server's own master key: --master-key-file or CHANCERY_MASTER_KEY_FILE",
        ),
        _ => Failure::input(&error),
    })?;
    if let Command::Config { json } = cli.command {
        return commands::config::run(&config, json);
    }
    let runtime = runtime()?;
    // Only a server tells of itself; a command ends before anybody could ask.
    let collector = match (&config.telemetry.otlp_endpoint, &cli.command) {
        (Some(endpoint), Command::Serve { .. }) => {
            Some(telemetry::collector(&endpoint.0).map_err(Failure::system)?)
        }
        _ => None,
    };
    let ratio = config.telemetry.sampling.0;
    let spans = collector
        .as_ref()
        .map(|collector| telemetry::spans(collector.clone(), ratio, runtime.handle().clone()));
    logging::start(&config.log, spans.as_ref()).map_err(Failure::input)?;
    let format = config.log.format;
    let done = runtime.block_on(async {
        match &cli.command {
            Command::Serve { confirmed } => {
                commands::serve::run(config, collector, spans, *confirmed).await
            }
            Command::Migrate => commands::migrate::run(&config).await,
            Command::Operator(command) => commands::operator::run(&config, command).await,
            Command::Audit(command) => commands::audit::run(&config, command).await,
            Command::Keys(command) => commands::keys::run(&config, command).await,
            Command::Ready => commands::ready::run(&config).await,
            Command::Projections(command) => commands::projections::run(&config, command).await,
            Command::Config { .. } | Command::Demo => Ok(()),
        }
    });
    // Nothing is waited for that does not end by itself, such as a name that is looked up.
    runtime.shutdown_timeout(LEFT);
    match (format, &cli.command) {
        (LogFormat::Json, Command::Serve { .. }) => done.map_err(Failure::logged),
        _ => done,
    }
}
