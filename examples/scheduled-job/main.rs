//! `cargo run -p chancery-examples --bin scheduled-job`

use std::{path::Path, time::Duration};

use chancery_examples::{
    BoxError,
    job::{self, Job},
    setup::{self, Operator},
};
use chancery_sdk::Secret;

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

    let mut ticks = tokio::time::interval(Duration::from_secs(5));
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
        if run % 6 == 0 {
            match operator.rotate(&client.client_id, 20).await {
                Ok(new) => {
                    store(&secret, &new)?;
                    println!("         the secret was rotated");
                }
                Err(error) => println!("         the secret could not be rotated: {error}"),
            }
        }
    }
    Ok(())
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
