//! Whether callers still are who they were, right before something changes in their name: a request may have taken
//! long to come in, and somebody may have disabled its client meanwhile.

use std::collections::BTreeSet;

use chancery_domain::{StreamId, TenantId, Timestamp};
use chancery_event_store::{Stands, Tx, Versions};

use super::Caller;
use crate::{Application, error::Error};

/// On what a caller was found to be good: as long as these streams have not moved and the moment has not
/// come, it still is.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The streams of the caller's own tenant that decide it.
    pub(crate) streams: [StreamId; 4],
    /// Their versions.
    pub(crate) versions: Versions,
    /// When it ends by itself.
    pub(crate) good_until: Timestamp,
}

impl Caller {
    /// The tenant and the streams that decide whether the caller is good; `None` where nobody has looked, or need not.
    pub(crate) fn stands_on(&self) -> Option<(TenantId, &[StreamId])> {
        let (identity, seen) = self.identity().zip(self.seen())?;
        Some((identity.home, &seen.streams))
    }

    /// The same, if they are of another tenant than this one, whose lock therefore does not hold them.
    pub(crate) fn stands_outside(&self, tenant: TenantId) -> Option<(TenantId, &[StreamId])> {
        self.stands_on().filter(|(home, _)| *home != tenant)
    }
}

impl Application {
    /// Looks again whether the caller is good, in the transaction that is about to change something: by what stands
    /// there now, and as a whole where that has moved. Whether its token was revoked is asked only then.
    ///
    /// # Errors
    /// [`Error::CallerEnded`]; [`Error::Unavailable`]: the clock is wrong, or the store is away.
    pub(crate) async fn still_stands(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        stands: &Stands,
    ) -> Result<(), Error> {
        if self.is_as_seen(caller, stands)? {
            return Ok(());
        }
        self.still_allowed(tx, caller).await
    }

    /// Whether nothing that decides whether the caller is good has changed since it was found to be.
    fn is_as_seen(&self, caller: &Caller, stands: &Stands) -> Result<bool, Error> {
        let Some((seen, (home, streams))) = caller.seen().zip(caller.stands_on()) else {
            return Ok(false);
        };
        let Some(recorded_at) = stands.recorded_at(home) else {
            return Ok(false);
        };
        let now = self.now_after(home, recorded_at)?;
        Ok(stands.versions(home, streams) == seen.versions && now < seen.good_until)
    }
}

/// The streams on which these callers stand, each with its tenant.
pub(crate) fn streams_of<'a>(
    callers: impl IntoIterator<Item = (TenantId, &'a [StreamId])>,
) -> BTreeSet<(TenantId, StreamId)> {
    let each = callers.into_iter();
    each.flat_map(|(home, streams)| streams.iter().map(move |stream| (home, *stream)))
        .collect()
}
