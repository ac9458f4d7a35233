use chancery_domain::Timestamp;
use chancery_roll::replay::{Difference, Moment, View};
use clap::Args;

use super::{print, source::Source};
use crate::{config::Config, exit::Failure};

pub(super) const HELP: &str = "Example: chancery audit diff acme.ndjson --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z

Of a file with neither server nor database, or of a tenant (--tenant acme) from the database. What was added, changed
field by field, and ended between the two, also by the clock alone. What came and went in
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
    /// Runs it on a file; none: it is to run on the database.
    pub(super) fn offline(&self) -> Option<Result<(), Failure>> {
        let moments = match self.moments() {
            Ok(moments) => moments,
            Err(failure) => return Some(Err(failure)),
        };
        let views = self.source.of_file(&moments)?;
        Some(views.and_then(|views| self.show(&views)))
    }

    /// Runs it on the database.
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let views = self.source.of_database(config, &self.moments()?).await?;
        self.show(&views)
    }

    fn moments(&self) -> Result<[Moment; 2], Failure> {
        if self.from > self.to {
            return Err(Failure::input(
                "--from is later than --to; give the earlier time first",
            ));
        }
        Ok([self.from, self.to].map(Moment::At))
    }

    fn show(&self, views: &[View]) -> Result<(), Failure> {
        let [from, to] = views else {
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
