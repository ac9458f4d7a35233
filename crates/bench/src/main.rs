#![doc = include_str!("../README.md")]

mod control;
mod error;
mod load;
mod machine;
mod process;
mod report;
mod tenant;
mod tokens;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Serves the control until it is stopped.
    #[command(hide = true)]
    Control(control::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().bench {
        Bench::Tokens(options) => tokens::run(&options),
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
