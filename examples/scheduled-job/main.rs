//! `cargo run -p chancery-examples --bin scheduled-job`

use std::{path::Path, time::Duration};

use chancery_examples::{
    BoxError,
    job::{self, Job},
    setup::{self, Operator},
};
use chancery_sdk::Secret;
use tokio::time::{Interval, MissedTickBehavior};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let operator_file = setup::operator_file();
    let operator = Operator::from_file(&operator_file)?;
    let client = job::set_up(&operator).await?;
    // Beside the operator's credential, in a directory that is nobody else's.
    let secret = operator_file.with_file_name("scheduled-job.secret");
    store(&secret, &client.secret)?;
    let job = Job::new(&operator, &client.client_id, &secret)?;
    println!("stop the server and start it again, and see what happens");

    // Nobody waits for the rotations: they would be another program.
    let rotated = secret.clone();
    tokio::spawn(async move { rotate(&operator, &client.client_id, &rotated).await });
    let mut ticks = every(Duration::from_secs(5));
    for run in 1_u64.. {
        ticks.tick().await;
        match job.run().await {
            Ok(caller) => println!(
                "run {run:>3}: done with {}, good for {} s",
                caller.credential_id().unwrap_or("a token"),
                job::seconds_left(&caller)
            ),
            Err(error) => println!("run {run:>3}: skipped: {error}"),
        }
    }
    Ok(())
}

/// Rotates the secret every half minute; the one before works on for 20 s.
async fn rotate(operator: &Operator, client_id: &str, secret: &Path) {
    let mut ticks = every(Duration::from_secs(30));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let new = operator.rotate(client_id, 20).await;
        match new.and_then(|new| store(secret, &new)) {
            Ok(()) => println!("         the secret was rotated"),
            Err(error) => println!("         the secret could not be rotated: {error}"),
        }
    }
}

/// At once and then in this interval. What was missed while something hung is not made up for.
fn every(interval: Duration) -> Interval {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// Replaces the file in one step, so that nobody reads half of it, and lets nobody else read it.
fn store(path: &Path, secret: &Secret) -> Result<(), BoxError> {
    use std::{fs, io::Write};
    let new = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&new)?.write_all(secret.reveal().as_bytes())?;
    fs::rename(&new, path)?;
    Ok(())
}
