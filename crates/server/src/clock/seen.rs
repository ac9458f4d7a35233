//! When the server last ran. Where no database has a clock of its own, this and the newest entry are all
//! that a clock can be held against at the start.

use std::{fs, io, path::PathBuf};

use chancery_domain::Timestamp;

use crate::config::private_file;

/// For how many days a server may rest before the clock has to be looked at.
const DAYS: i64 = 30;

/// The file that says when the server last ran.
#[derive(Clone, Debug)]
pub(crate) struct Seen(PathBuf);

/// The clock is so far ahead of everything that is known that somebody has to say whether it is right.
#[derive(Debug, thiserror::Error)]
#[error(
    "the clock shows {now}, and this installation last ran at {last}, more than {DAYS} days before; by a clock that is ahead everything would end that can, for good: set it right, or, if it is right, start once with `chancery serve --clock-is-right`"
)]
pub(crate) struct NotToBelieve {
    now: Timestamp,
    last: Timestamp,
}

impl Seen {
    /// The file, which need not be there.
    pub(crate) fn at(file: PathBuf) -> Self {
        Self(file)
    }

    /// Notes that the server runs now.
    pub(crate) fn note(&self, now: Timestamp) -> io::Result<()> {
        private_file::replace(&self.0, format!("{now}\n").as_bytes())
    }

    /// Whether the clock may be believed that shows this, where the newest entry was recorded then.
    pub(crate) fn allows(
        &self,
        now: Timestamp,
        newest: Option<Timestamp>,
    ) -> Result<(), NotToBelieve> {
        match self.last().max(newest) {
            Some(last) if last.plus_days(DAYS) < now => Err(NotToBelieve { now, last }),
            _ => Ok(()),
        }
    }

    /// When it last ran, as far as that can be read.
    fn last(&self) -> Option<Timestamp> {
        fs::read_to_string(&self.0).ok()?.trim().parse().ok()
    }
}
