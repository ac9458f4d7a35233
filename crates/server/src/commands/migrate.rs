use chancery_token_log::{TokenLog, TokenLogConfig};

use crate::{
    config::Config,
    exit::Failure,
    platform,
    start::{self, Newer},
};

/// Brings the database to this binary's schema.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let opened = start::open(config, Newer::Refuse).await?;
    let log = TokenLogConfig::beside(opened.store.location());
    platform::require_token_log(&opened.store, &log)
        .await
        .map_err(|error| Failure::start(&error))?;
    TokenLog::migrate(&log)
        .await
        .map_err(|error| Failure::store(&error))?;
    opened.store.close().await;
    println!("the database has this binary's schema");
    Ok(())
}
