#![doc = include_str!("../README.md")]

mod bench;
mod check;
mod debian;
mod deep;
mod dependencies;
mod error;
mod interrupts;
mod postgres;
mod programs;
mod run;
mod screenshots;
mod test;

use std::ffi::OsString;
use std::iter;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::interrupts::Interrupts;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every test on SQLite and PostgreSQL, against a PostgreSQL started for this run.
    #[command(after_help = "Examples:\n  \
        cargo xtask test                         every test, and the documentation's examples\n  \
        cargo xtask test -p chancery-domain      the tests of one crate\n  \
        cargo xtask test rotate_secret           the tests whose name contains this\n\n\
        Arguments go to `cargo nextest run`, or to `cargo test` where nextest is not installed. With\n\
        CHANCERY_TEST_POSTGRES=postgres://… set, that server is used and none is started.")]
    Test {
        /// Filters and options for the test runner.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filters: Vec<OsString>,
    },
    /// Start the PostgreSQL of the tests, print its address, and keep it until Ctrl-C.
    #[command(after_help = "Example:\n  \
        cargo xtask postgres\n  \
        CHANCERY_TEST_POSTGRES=<the address> cargo nextest run -p chancery-event-store")]
    Postgres,
    /// Check formatting, lints and dependencies; warnings are errors.
    #[command(after_help = "Examples:\n  \
        cargo xtask check                    what has to pass before a change is taken\n  \
        cargo xtask check --deep             what takes minutes, or programs of others\n  \
        cargo xtask check --deep sdk-peer    one of those\n\n\
        Generated files are checked by tests: see `cargo xtask bless`.")]
    Check {
        /// Run the deep checks instead: all of them, or the one that is named.
        #[arg(long, value_name = "NAME", num_args = 0..=1)]
        #[expect(clippy::option_option, reason = "absent, all, or one by its name")]
        deep: Option<Option<String>>,
    },
    /// Measure, against a control in the same run.
    #[command(after_help = "Examples:\n  \
        cargo xtask bench tokens            every algorithm on both stores, some 25 minutes\n  \
        cargo xtask bench tokens --quick    ES256 on both stores, two and a half minutes\n  \
        cargo xtask bench lifecycle         changes through GraphQL, against the store without a server, eight minutes\n  \
        cargo xtask bench scale             1,000 to 1,000,000 clients: tokens, changes, lists, half an hour\n  \
        cargo xtask bench scale --clients 1000,1000 --events 10000,1000000\n  \
        \u{20}                                   as many clients, and only the roll grows\n  \
        cargo xtask bench sdk               what the SDK adds to the check of a signature\n  \
        cargo xtask bench console           every page at 10,000 clients and a million events, ten minutes\n  \
        cargo xtask bench roll              verifying, replaying and rebuilding a million events, ten minutes\n  \
        cargo xtask bench --quick           tokens, lifecycle and scale in less than five minutes\n  \
        cargo xtask bench goals             the texts of what is kept, and the page of goals, without measuring\n\n\
        Times are without the build. Tables and JSON are written to docs/benchmarks/, those of quick runs to target/bench/.")]
    Bench {
        /// What to measure: `tokens`, `lifecycle`, `scale`, `telemetry`, `console`, `sdk`, `roll`, or `all` of the first
        /// three; `goals` measures nothing.
        #[arg(default_value = "all", allow_hyphen_values = true)]
        what: String,
        /// Options of the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Write generated files again: runs the tests named `generated_…` with `CHANCERY_BLESS=1`.
    #[command(after_help = "Example:\n  cargo xtask bless && git diff schema")]
    Bless,
    /// Take the pictures of the console in `docs/images` again; needs Chromium.
    #[command(after_help = "Example:\n  cargo xtask screenshots && git diff --stat docs/images")]
    Screenshots,
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    match perform(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

fn perform(task: Task) -> Result<(), Error> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::set_current_dir(&workspace).map_err(Error::io("enter the workspace"))?;
    let interrupts = Interrupts::listen()?;
    match task {
        Task::Test { filters } => test::test(&filters, &interrupts),
        Task::Postgres => postgres::serve(&interrupts),
        Task::Bench { what, options } if what.starts_with('-') => {
            let options: Vec<_> = iter::once(what.into()).chain(options).collect();
            bench::bench("all", &options, &interrupts)
        }
        Task::Bench { what, options } => bench::bench(&what, &options, &interrupts),
        Task::Check { deep: None } => check::check(&interrupts),
        Task::Check { deep: Some(only) } => deep::check(only.as_deref(), &interrupts),
        Task::Bless => test::bless(&interrupts),
        Task::Screenshots => screenshots::take(&interrupts),
    }
}
