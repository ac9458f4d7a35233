use chancery_domain::{TenantId, Timestamp};

use crate::{error::StoreError, fetch_one, migrate, tx::Tx};

/// Numbers of a tenant's roll, taken within a transaction: they are used up by one
/// [`Tx::append`], or given back by the rollback.
#[derive(Debug)]
pub struct Numbers {
    pub(crate) tenant: TenantId,
    pub(crate) first: i64,
    pub(crate) count: usize,
    pub(crate) recorded_at: Timestamp,
}

impl Numbers {
    /// Whose roll.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The first of them: one more than the head was.
    pub fn first(&self) -> i64 {
        self.first
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// When the events are recorded: the present, but never earlier than the roll's last event.
    pub fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }
}

/// The schema's version comes along, so that a binary that was overtaken by a migration notices before
/// it writes.
const TAKE: &str = "
    INSERT INTO tenant_log (tenant_id, head, recorded_at, unsealed_since)
    VALUES ($1, $2, $3, CASE WHEN $2 > 0 THEN $3 END)
    ON CONFLICT (tenant_id) DO UPDATE SET
        head = tenant_log.head + excluded.head,
        unsealed_since = COALESCE(tenant_log.unsealed_since, excluded.unsealed_since),
        recorded_at = CASE WHEN tenant_log.recorded_at > excluded.recorded_at
                           THEN tenant_log.recorded_at ELSE excluded.recorded_at END
    RETURNING head, recorded_at, (SELECT MAX(version) FROM chancery_schema) AS schema_version";

impl Tx {
    /// Takes the tenant's next numbers and with them its lock, which holds until this transaction
    /// ends: the order of the numbers is the order of the commits. Taking 0 only locks.
    ///
    /// On PostgreSQL a transaction takes numbers of one tenant only, and on SQLite there is one writer; so there is
    /// nothing to deadlock with.
    pub async fn take_numbers(
        &mut self,
        tenant: TenantId,
        count: usize,
        now: Timestamp,
    ) -> Result<Numbers, StoreError> {
        let taken =
            i64::try_from(count).map_err(|_| StoreError::Misuse("too many numbers".to_owned()))?;
        let (head, recorded_at, schema): (i64, i64, Option<i64>) = fetch_one!(
            self,
            (i64, i64, Option<i64>),
            TAKE,
            tenant.to_string(),
            taken,
            now.micros()
        )?;
        migrate::refuse_newer(schema.unwrap_or_default())?;
        Ok(Numbers {
            tenant,
            first: head - taken + 1,
            count,
            recorded_at: Timestamp::from_micros(recorded_at),
        })
    }
}
