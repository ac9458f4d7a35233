use chancery_domain::Timestamp;
use chancery_roll::replay::{Difference, Moment};
use clap::Args;

use super::{print, source::Source};
use crate::exit::Failure;

pub(super) const HELP: &str = "Example: chancery audit diff acme.ndjson --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z

What was added, changed field by field, and ended between the two, also by the clock alone. What came and went in
between is not there. Exit status: 0 nothing changed, 1 something did, 2 the file or a time is of no use.";

/// The arguments of `audit diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    source: Source,
    /// The earlier time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Timestamp,
    /// The later time
    #[arg(long, value_name = "TIME")]
    to: Timestamp,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if self.from > self.to {
            return Err(Failure::input(
                "--from is later than --to; give the earlier time first",
            ));
        }
        let moments = [self.from, self.to].map(Moment::At);
        let views = self.source.views(&moments)?;
        let [from, to] = &views[..] else {
            return Ok(());
        };
        let difference = Difference::between(from, to);
        print(&difference, self.json)?;
        match difference.changes.len() {
            0 => Ok(()),
            1 => Err(Failure::refused("1 thing is different")),
            count => Err(Failure::refused(format!("{count} things are different"))),
        }
    }
}
