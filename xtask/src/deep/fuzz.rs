//! The fuzz targets in `fuzz/`, each for a minute.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::run::{cargo, run};

/// A workspace of its own, so that nothing else builds it.
const MANIFEST: &str = "fuzz/Cargo.toml";
/// Where it is built, and where what was found is kept.
const TARGET: &str = "target/fuzz";

const TARGETS: &[&str] = &[
    "form",
    "basic",
    "json",
    "assertion",
    "scope",
    "type_id",
    "secret",
];

/// For how many seconds each runs, unless this says otherwise.
const SECONDS: &str = "CHANCERY_FUZZ_SECONDS";
const A_MINUTE: u64 = 60;

/// What lets libFuzzer see which edges an input reached, and what it was compared with. All of it is known to
/// a stable compiler. Only the sanitizers are not, and where `unsafe` is forbidden they would find little.
const INSTRUMENTED: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Ccodegen-units=1";

/// Builds the targets and runs each in turn, also after another has found something.
pub(super) fn fuzz(interrupts: &Interrupts) -> Result<bool, Error> {
    let seconds = match std::env::var(SECONDS) {
        Ok(given) => given.parse().map_err(|_| {
            Error::Unusable(format!(
                "{SECONDS} must be a number of seconds, not {given}"
            ))
        })?,
        Err(_) => A_MINUTE,
    };
    let mut sound = true;
    for target in TARGETS {
        sound &= one(target, seconds, interrupts)?;
    }
    Ok(sound)
}

/// What it finds that is new goes to `target/fuzz/corpus`, what breaks the parser to `target/fuzz/found`.
fn one(target: &str, seconds: u64, interrupts: &Interrupts) -> Result<bool, Error> {
    let corpus = Path::new(TARGET).join("corpus").join(target);
    let found = Path::new(TARGET).join("found");
    for directory in [&corpus, &found] {
        fs::create_dir_all(directory).map_err(Error::io("make the directory of the corpus"))?;
    }
    let mut fuzz = cargo();
    fuzz.args(["run", "--locked", "--manifest-path", MANIFEST])
        // A target is named, so that build scripts and macros are left as they are.
        .args(["--target-dir", TARGET, "--target", "host-tuple"])
        .args(["--bin", target, "--"])
        .arg(&corpus)
        .arg(Path::new("fuzz/seeds").join(target))
        .arg(format!("-artifact_prefix={}/{target}-", found.display()))
        .arg(format!("-max_total_time={seconds}"))
        .args([
            "-max_len=4096",
            "-timeout=5",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
        ])
        .env("RUSTFLAGS", INSTRUMENTED);
    Ok(run(&mut fuzz, interrupts, |_| ())?.success())
}
