//! The steward: what time has done becomes entries of the roll.
//!
//! Nothing waits for it. Every check of a time is made where the decision is made, so when it is late,
//! or down for a week, nothing is accepted that has ended; only the roll learns of it later.

use chancery_domain::secret_rotation::RecordDueSecrets;
use chancery_projections::client_secrets;

use crate::{
    Application,
    access::Caller,
    error::Error,
    execute::{Executed, Request},
};

/// How many clients are looked at before the next look for due work. A round holds no lock, so
/// another node may do the same work at the same time: what is recorded already is not recorded again.
const ROUND: u32 = 100;

/// What a round of the steward came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// How many entries were written.
    pub entries: usize,
    /// Clients whose due work failed; it stays due.
    pub failed: usize,
    /// Whether there may be more to do at once.
    pub more: bool,
}

impl Application {
    /// Records what is due: secrets that have retired or expired, rotations that are due soon. One
    /// client after the other, each in a transaction of its own.
    ///
    /// # Errors
    /// [`Error`] when the due work cannot be read.
    pub async fn record_due(&self) -> Result<Recorded, Error> {
        let due = client_secrets::platform_due(&self.parts.store, self.now(), ROUND).await?;
        let steward = Caller::steward();
        let mut recorded = Recorded {
            more: due.len() == ROUND as usize,
            ..Recorded::default()
        };
        for (tenant, client) in due {
            let command = RecordDueSecrets { tenant, client };
            match self
                .execute(&steward, command, &Request::default(), client)
                .await
            {
                Ok(Executed::Done(_, done)) => recorded.entries += done.recorded.len(),
                Ok(Executed::Replayed(_)) => {}
                Err(error) => {
                    tracing::warn!(%client, %error, "the end of a secret could not be recorded; the next round tries again");
                    recorded.failed += 1;
                }
            }
        }
        // What failed is due still: to begin again at once would be to try nothing else.
        recorded.more &= recorded.failed == 0 && recorded.entries > 0;
        Ok(recorded)
    }
}
