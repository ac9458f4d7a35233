//! Limits whose windows outlive a node: what is used up of them is kept here, for all nodes together.

use chancery_domain::{ClientId, TenantId, Timestamp};
use chancery_event_store::{StoreError, execute, fetch_one};

use crate::{
    log::{TokenLog, patiently},
    operation::RecordError,
};

/// A limit of so many requests in a window that begins with its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Whose.
    pub tenant: TenantId,
    /// Of one client of the tenant; `None`: of all together.
    pub client: Option<ClientId>,
    /// How many.
    pub requests: u32,
    /// In how many seconds.
    pub window_seconds: u32,
    /// Whether there is nothing beyond it. Otherwise it is counted on.
    pub enforce: bool,
}

/// How far the clocks of nodes, and of requests that wait for each other, may be apart, in seconds.
const APART: i64 = 60;

impl Quota {
    /// Whether the window that began then runs now. One that began a little later than now runs too:
    /// somebody else's clock said so. A clock that was set back further begins it anew.
    pub fn runs(&self, began: Timestamp, now: Timestamp) -> bool {
        let end = began.plus_seconds(i64::from(self.window_seconds));
        now < end && began <= now.plus_seconds(APART)
    }
}

/// A part of a quota that a node may use up by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When the window began.
    pub began: Timestamp,
    /// How much of the quota is taken by all nodes, this part included.
    pub taken: u32,
    /// How large this part is: nothing where nothing is left.
    pub granted: u32,
}

/// The row is locked by the first statement, and made where there is none.
const LOOK: &str =
    "INSERT INTO {schema}.quotas AS known (tenant_id, client_id, began_at, ends_at, taken)
     VALUES ($1, $2, $3, $4, 0)
         ON CONFLICT (tenant_id, client_id) DO UPDATE SET taken = known.taken
     RETURNING began_at, taken";

const TAKE: &str = "UPDATE {schema}.quotas SET began_at = $3, ends_at = $4, taken = $5
      WHERE tenant_id = $1 AND client_id = $2";

impl TokenLog {
    /// Takes up to so much of a quota, durably and for this node alone: no two nodes are given the
    /// same. What a node does not use before it ends, or before the window does, is lost.
    ///
    /// # Errors
    /// [`RecordError`]: nothing is known to be taken.
    pub async fn take_quota(&self, quota: &Quota, wanted: u32) -> Result<Lease, RecordError> {
        patiently(self.take(quota, wanted)).await
    }

    async fn take(&self, quota: &Quota, wanted: u32) -> Result<Lease, StoreError> {
        let now = self.clock().now();
        let window = i64::from(quota.window_seconds);
        let tenant = quota.tenant.to_string();
        let client = quota.client.map(|id| id.to_string()).unwrap_or_default();
        let [look, take] = [LOOK, TAKE].map(|sql| sql.replace("{schema}", self.schema()));
        let mut tx = self.database().begin().await?;
        let (began, taken) = fetch_one!(
            &mut tx,
            (i64, i64),
            &look,
            tenant.as_str(),
            client.as_str(),
            now.micros(),
            now.plus_seconds(window).micros()
        )?;
        let began = Timestamp::from_micros(began);
        let (began, taken) = if quota.runs(began, now) {
            (began, u32::try_from(taken).unwrap_or(u32::MAX))
        } else {
            (now, 0)
        };
        let left = quota.requests.saturating_sub(taken);
        let granted = if quota.enforce {
            wanted.min(left)
        } else {
            wanted
        };
        let lease = Lease {
            began,
            taken: taken.saturating_add(granted),
            granted,
        };
        execute!(
            &mut tx,
            &take,
            tenant.as_str(),
            client.as_str(),
            began.micros(),
            began.plus_seconds(window).micros(),
            i64::from(lease.taken)
        )?;
        tx.commit().await?;
        Ok(lease)
    }
}
