use chancery_domain::Timestamp;
use chancery_roll::replay::{Moment, View};
use clap::Args;

use super::{print, source::Source};
use crate::{config::Config, exit::Failure};

pub(super) const HELP: &str = "Example: chancery audit replay acme.ndjson --at 2026-11-20T17:00:00Z

From the events alone: of a file with neither server nor database, of a tenant (--tenant acme) from the database.
Without --at and --seq the tenant is shown as of the last
entry. Shows what the file says; whether the file is what was sealed, `chancery audit verify` tells.";

/// The arguments of `audit replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    source: Source,
    /// As of this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "seq")]
    at: Option<Timestamp>,
    /// As of this entry
    #[arg(long, value_name = "N")]
    seq: Option<i64>,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

impl Replay {
    /// Runs it on a file; none: it is to run on the database.
    pub(super) fn offline(&self) -> Option<Result<(), Failure>> {
        let views = self.source.of_file(&[self.moment()])?;
        Some(views.and_then(|views| self.show(&views)))
    }

    /// Runs it on the database.
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let views = self.source.of_database(config, &[self.moment()]).await?;
        self.show(&views)
    }

    fn moment(&self) -> Moment {
        match (self.at, self.seq) {
            (Some(at), _) => Moment::At(at),
            (None, Some(entry)) => Moment::Entry(entry),
            (None, None) => Moment::Last,
        }
    }

    fn show(&self, views: &[View]) -> Result<(), Failure> {
        views.iter().try_for_each(|view| print(view, self.json))
    }
}
