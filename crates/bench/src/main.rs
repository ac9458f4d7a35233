#![doc = include_str!("../README.md")]

mod assertions;
mod console;
mod control;
mod error;
mod goals;
mod installation;
mod lifecycle;
mod load;
mod machine;
mod numbers;
mod process;
mod rebuild;
mod report;
mod roll;
mod room;
mod run;
mod scale;
mod seed;
mod telemetry;
mod tenant;
mod tokens;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The server's, so that the control has no other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Chancery's benchmarks; `cargo xtask bench` calls them.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Tokens a second, and how long each takes, against a control that stores nothing.
    Tokens(tokens::Options),
    /// What a token, a change and a list cost among ever more clients.
    Scale(scale::Options),
    /// Changes through GraphQL, against the same work on the store without a server.
    Lifecycle(lifecycle::Options),
    /// What counting and tracing cost where nothing is exported.
    Telemetry(telemetry::Options),
    /// Verifying and replaying a long roll, against the bare hash of its lines; rebuilding from it.
    Roll(roll::Options),
    /// How long each page of the console takes, of a tenant with ten thousand clients and a long roll.
    Console(console::Options),
    /// Makes the tables of the kept numbers anew, and the page that holds them against the goals.
    Goals(goals::Options),
    /// Hashes the lines of a roll: the control.
    #[command(hide = true)]
    Hash(roll::HashOptions),
    /// Serves the control until it is stopped.
    #[command(hide = true)]
    Control(control::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().bench {
        Bench::Tokens(options) => tokens::run(&options),
        Bench::Scale(options) => scale::run(&options),
        Bench::Lifecycle(options) => lifecycle::run(&options),
        Bench::Telemetry(options) => telemetry::run(&options),
        Bench::Roll(options) => roll::run(&options),
        Bench::Console(options) => console::run(&options),
        Bench::Goals(options) => goals::run(&options),
        Bench::Hash(options) => roll::hash(&options),
        Bench::Control(options) => control::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// For what is prepared.
fn runtime() -> Result<tokio::runtime::Runtime, error::Error> {
    tokio::runtime::Runtime::new().map_err(error::Error::io("start a runtime"))
}
