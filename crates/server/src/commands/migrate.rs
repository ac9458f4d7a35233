use crate::{
    config::Config,
    exit::Failure,
    start::{self, Newer},
};

/// Brings the database to this binary's schema.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let opened = start::open(config, Newer::Refuse).await?;
    opened.store.close().await;
    println!("the database has this binary's schema");
    Ok(())
}
