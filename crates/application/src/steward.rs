//! The steward: what time has done becomes entries of the roll.
//!
//! Nothing waits for it. Every check of a time is made where the decision is made, so when it is late,
//! or down for a week, nothing is accepted that has ended; only the roll learns of it later.

use std::collections::{BTreeMap, BTreeSet};

use chancery_domain::{
    TenantId, Timestamp, client::ExpireClient, key_ring::RecordDueKeys,
    secret_rotation::RecordDueSecrets, tenant::SigningAlgorithm,
};
use chancery_projections::{
    agenda::{self, Work},
    key_rings,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Application,
    access::{Caller, Guarded},
    error::Error,
    execute::{Executed, Request},
};

/// How much of its work is read at once. Nothing is locked meanwhile, so another node may do the same
/// work at the same time: what is recorded already is not recorded again.
const PAGE: u32 = 100;

/// How long work that failed rests, in seconds: at first, and at most.
const REST: std::ops::RangeInclusive<i64> = 10..=3_600;

/// The steward of one node.
pub struct Steward {
    application: Application,
    /// What failed: how long it rests, and until when.
    resting: BTreeMap<Work, (i64, Timestamp)>,
}

/// What a round of the steward came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// How many entries were written.
    pub entries: usize,
    /// How much of the work failed, in this round or so lately that it was not tried again. It stays due.
    pub failed: usize,
}

impl Steward {
    /// A steward that has not done anything yet.
    pub fn new(application: Application) -> Self {
        Self {
            application,
            resting: BTreeMap::new(),
        }
    }

    /// Looks whether the master key was changed, then does everything that is due: records which clients have ended, which secrets have retired or
    /// expired, which rotations are due soon and what has become of signing keys, and makes the next
    /// signing keys. Each client and each key ring in a transaction of its own; what fails rests for a
    /// while and keeps nobody else waiting.
    ///
    /// # Errors
    /// [`Error`] when the due work cannot be read, or the clock cannot be believed: then nothing is due.
    pub async fn round(&mut self) -> Result<Recorded, Error> {
        if let Some(missing) = self.application.follow_master_key().await? {
            tracing::error!(
                missing,
                "the installation is sealed under a master key that is not configured here; configure it as master_key_file or master_key_previous_file and restart"
            );
        }
        let now = self.application.now();
        self.application.clock_trusted()?;
        self.resting
            .retain(|_, (rest, until)| until.plus_seconds(*rest) > now);
        let store = &self.application.parts.store;
        let (mut recorded, mut seen, mut after) = (Recorded::default(), BTreeSet::new(), None);
        loop {
            let (page, end) = agenda::platform_due(store, now, after.as_ref(), PAGE).await?;
            for work in page {
                if !seen.insert(work) {
                    continue;
                }
                let rest = self.resting.get(&work).copied();
                if rest.is_some_and(|(_, until)| until > now) {
                    recorded.failed += 1;
                    continue;
                }
                match self.application.record(work).await {
                    Ok(entries) => {
                        recorded.entries += entries;
                        self.resting.remove(&work);
                    }
                    Err(error) => {
                        tracing::warn!(
                            ?work,
                            error = chancery_telemetry::causes(&error),
                            "what time has done could not be recorded; it is tried again later"
                        );
                        recorded.failed += 1;
                        let rest = rest.map_or(*REST.start(), |(rest, _)| rest * 4);
                        let rest = rest.min(*REST.end());
                        self.resting.insert(work, (rest, now.plus_seconds(rest)));
                    }
                }
            }
            match end {
                Some(end) => after = Some(end),
                None => return Ok(recorded),
            }
        }
    }
}

impl Application {
    /// One round of a steward that has not done anything yet.
    ///
    /// # Errors
    /// As [`Steward::round`].
    pub async fn record_due(&self) -> Result<Recorded, Error> {
        Steward::new(self.clone()).round().await
    }

    /// For how many seconds something has been due that is not recorded; 0: nothing is. A number that
    /// keeps growing says that no steward runs, or that something fails again and again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn steward_lag(&self) -> Result<i64, Error> {
        let since = agenda::platform_due_since(&self.parts.store, self.now()).await?;
        let waited = |since: Timestamp| self.now().seconds() - since.seconds();
        Ok(since.map_or(0, waited).max(0))
    }

    /// Does one piece of work, and gives how many entries that came to.
    async fn record(&self, work: Work) -> Result<usize, Error> {
        match work {
            Work::Client(tenant, client) => {
                self.by_steward(ExpireClient { tenant, client }, client)
                    .await
            }
            Work::Secrets(tenant, client) => {
                self.by_steward(RecordDueSecrets { tenant, client }, client)
                    .await
            }
            Work::Keys(tenant) => {
                let next = self.next_keys(tenant).await?;
                self.by_steward(RecordDueKeys { tenant, next }, tenant)
                    .await
            }
        }
    }

    async fn by_steward<C, A>(&self, command: C, answer: A) -> Result<usize, Error>
    where
        C: Guarded + 'static,
        A: Serialize + DeserializeOwned + Send + 'static,
    {
        let done = self
            .execute(&Caller::steward(), command, &Request::default(), answer)
            .await?;
        Ok(match done {
            Executed::Done(_, done) => done.recorded.len(),
            Executed::Replayed(_) => 0,
        })
    }

    /// A key for each algorithm whose newest one is old enough. The decision takes it only if that is
    /// still so.
    async fn next_keys(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<chancery_domain::key_ring::NewKey>, Error> {
        let Some(ring) = key_rings::get(&self.parts.store, tenant).await? else {
            return Ok(Vec::new());
        };
        let mut next = Vec::new();
        for algorithm in SigningAlgorithm::ALL {
            if ring.state.due_for_another(algorithm, self.now()) {
                next.push(self.mint_key(tenant, algorithm).await?);
            }
        }
        Ok(next)
    }
}
