use std::fmt;

use chancery_application::{Accepted, NotAccepted};
use chancery_domain::value::Slug;
use clap::Args;
use serde::Serialize;

use super::print;
use crate::{config::Config, exit::Failure, start};

pub(super) const HELP: &str = "Example: chancery audit accept --all

Each node keeps in its data directory (seals-seen.ndjson) the last checkpoint of every roll that it has signed or
seen, and raises an alarm when the database says less. After a backup was put back on purpose, give this command on
every node, with that node's data directory; a server that runs follows at once. Whoever has kept a later checkpoint
will see that the roll was put back, so hand out what is printed here: it is what no longer holds. Exit status 1: what
is stored is not whole in itself.";

/// The arguments of `audit accept`.
#[derive(Debug, Args)]
pub(crate) struct Accept {
    #[command(flatten)]
    whose: Whose,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// The tenant's slug
    #[arg(long)]
    tenant: Option<String>,
    /// Every tenant, those too that the database does not have any more
    #[arg(long)]
    all: bool,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    accepted: Vec<Accepted>,
}

impl Accept {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let slug = self.whose.tenant.as_deref().map(Slug::parse).transpose();
        let slug = slug.map_err(|invalid| Failure::input(format!("--tenant {invalid}")))?;
        let (application, store) = start::with_store(config).await?;
        let accepted = application.accept_seals(slug.as_ref()).await;
        store.close().await;
        let accepted = accepted.map_err(|error| match &error {
            NotAccepted::NoTenant => Failure::input(error),
            NotAccepted::NotWhole { .. } => Failure::refused(error),
            NotAccepted::Failed(error) => Failure::application(error),
        })?;
        print(&Report { accepted }, self.json)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.accepted.is_empty() {
            return writeln!(f, "nothing contradicts what this node has seen");
        }
        for Accepted {
            tenant,
            size,
            seen,
            given_up,
        } in &self.accepted
        {
            match size {
                Some(size) => writeln!(
                    f,
                    "{tenant}: goes on from {size} sealed entries; this node had seen {seen}. No longer holds:"
                )?,
                None => writeln!(
                    f,
                    "{tenant}: has no seal; this node had seen one of {seen} entries. No longer holds:"
                )?,
            }
            writeln!(f, "{given_up}")?;
        }
        Ok(())
    }
}
