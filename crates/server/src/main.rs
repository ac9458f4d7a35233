//! The binary `chancery`.

mod config;
mod logging;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigFlags};

/// An event-sourced, multi-tenant authorization server for machines.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    config: ConfigFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the effective configuration, each value with where it came from
    Config {
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = match Config::load(&cli.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("chancery: {error}");
            return ExitCode::from(2);
        }
    };
    match cli.command {
        Command::Config { json: false } => print!("{}", config.report()),
        Command::Config { json: true } => match serde_json::to_string_pretty(&config.report()) {
            Ok(json) => println!("{json}"),
            Err(error) => {
                eprintln!("chancery: {error}");
                return ExitCode::FAILURE;
            }
        },
    }
    ExitCode::SUCCESS
}
