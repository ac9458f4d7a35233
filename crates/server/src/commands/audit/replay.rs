use chancery_domain::Timestamp;
use chancery_roll::replay::Moment;
use clap::Args;

use super::{print, source::Source};
use crate::exit::Failure;

pub(super) const HELP: &str = "Example: chancery audit replay acme.ndjson --at 2026-11-20T17:00:00Z

From the events alone, with neither server nor database. Without --at and --seq the tenant is shown as of the last
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
    pub(super) fn run(&self) -> Result<(), Failure> {
        let moment = match (self.at, self.seq) {
            (Some(at), _) => Moment::At(at),
            (None, Some(entry)) => Moment::Entry(entry),
            (None, None) => Moment::Last,
        };
        let views = self.source.views(&[moment])?;
        views.iter().try_for_each(|view| print(view, self.json))
    }
}
