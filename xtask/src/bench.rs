//! `cargo xtask bench`.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::postgres::Cluster;
use crate::run::{cargo, run};

/// Where results are kept.
const RESULTS: &str = "docs/benchmarks";

/// Where those of quick runs are, which are not to be relied on.
const QUICK: &str = "target/bench";

/// What `all` measures: those that start a server, and know `--quick`.
const ALL: [&str; 3] = ["tokens", "lifecycle", "scale"];

/// Builds the server and the benchmarks in release, and runs one of them against a PostgreSQL that
/// was started for it and keeps what it commits, as one in production does.
pub(crate) fn bench(
    what: &str,
    options: &[OsString],
    interrupts: &Interrupts,
) -> Result<(), Error> {
    match what {
        "sdk" => return sdk(interrupts),
        "goals" => return goals(interrupts),
        _ => {}
    }
    let mut build = cargo();
    build.args([
        "build",
        "--release",
        "-p",
        "chancery",
        "-p",
        "chancery-bench",
    ]);
    if !run(&mut build, interrupts, |_| ())?.success() {
        return Err(Error::Failed("the release binaries cannot be built".into()));
    }
    // Whole, since the benchmarks start it in directories of their own.
    let server = Path::new("target/release/chancery")
        .canonicalize()
        .map_err(Error::io("find the release binary"))?;
    let is_quick = options.iter().any(|option| option == "--quick");
    let results = if is_quick { QUICK } else { RESULTS };
    let begin = Instant::now();
    let mut cluster = Cluster::start_durable(interrupts)?;
    eprintln!("{cluster}");
    let which: &[&str] = if what == "all" { &ALL } else { &[what] };
    for what in which {
        let mut bench = cargo();
        bench
            .args([
                "run",
                "--release",
                "--quiet",
                "-p",
                "chancery-bench",
                "--",
                what,
            ])
            .arg("--server")
            .arg(&server)
            .args(["--output", results])
            .args(options);
        if !cluster.run(&mut bench, interrupts)?.success() {
            return Err(Error::Failed("the benchmark has no result".into()));
        }
    }
    let seconds = begin.elapsed().as_secs();
    eprintln!("the results are in {results}; {seconds} s without the build");
    Ok(())
}

/// The texts of what is kept: nothing is measured.
fn goals(interrupts: &Interrupts) -> Result<(), Error> {
    let mut goals = cargo();
    goals.args(["run", "--quiet", "-p", "chancery-bench", "--", "goals"]);
    goals.args(["--output", RESULTS]);
    if run(&mut goals, interrupts, |_| ())?.success() {
        Ok(())
    } else {
        Err(Error::Failed("the results cannot be read".into()))
    }
}

/// The SDK's own: it needs no server.
fn sdk(interrupts: &Interrupts) -> Result<(), Error> {
    let results = Path::new(RESULTS);
    let results = fs::create_dir_all(results)
        .and_then(|()| results.canonicalize())
        .map_err(Error::io("make the directory of results"))?;
    let mut bench = cargo();
    bench
        .args([
            "bench",
            "--quiet",
            "-p",
            "chancery-sdk",
            "--bench",
            "verify",
        ])
        .args(["--", "--output"])
        .arg(results);
    let status = run(&mut bench, interrupts, |_| ())?;
    eprintln!("the result is in {RESULTS}/sdk.md and sdk.json");
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed("verification costs more than it may".into()))
    }
}
