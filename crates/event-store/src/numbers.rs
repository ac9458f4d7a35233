use std::collections::BTreeMap;

use chancery_domain::{Invalid, TenantId, Timestamp};
use sqlx::PgConnection;

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

    /// The first so many of them, for one of several changes that share them. There must be as many left.
    #[must_use]
    pub fn split(&mut self, count: usize) -> Self {
        let first = self.first;
        let taken = count.min(self.count);
        self.count -= taken;
        self.first = first.saturating_add(i64::try_from(taken).unwrap_or(i64::MAX));
        Self {
            tenant: self.tenant,
            first,
            count: taken,
            recorded_at: self.recorded_at,
        }
    }
}

/// How many numbers of which tenants are wanted, and what time it is for each.
pub type Wanted = BTreeMap<TenantId, (usize, Timestamp)>;

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

/// The same for tenants whose lock is free, on PostgreSQL. The rows are locked before they are changed, since only
/// `FOR UPDATE` can leave out what somebody else has locked.
const TAKE_FREE: &str = "
    WITH free AS MATERIALIZED (
        SELECT l.tenant_id, wanted.count, wanted.at
          FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) AS wanted(tenant_id, count, at)
          JOIN tenant_log l ON l.tenant_id = wanted.tenant_id
           FOR UPDATE OF l SKIP LOCKED)
    UPDATE tenant_log SET
        head = tenant_log.head + free.count,
        unsealed_since = COALESCE(tenant_log.unsealed_since, CASE WHEN free.count > 0 THEN free.at END),
        recorded_at = GREATEST(tenant_log.recorded_at, free.at)
      FROM free WHERE tenant_log.tenant_id = free.tenant_id
    RETURNING tenant_log.tenant_id, tenant_log.head, tenant_log.recorded_at,
              (SELECT MAX(version) FROM chancery_schema)";

fn counted(count: usize) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| StoreError::Misuse("too many numbers".to_owned()))
}

impl Tx {
    /// [`Tx::take_numbers`] of several tenants, but on PostgreSQL of none whose lock somebody else holds, and of none
    /// that has no roll yet: those are not in the answer. Nobody waits for a lock, so there is nothing to deadlock
    /// with. On SQLite the one writer holds them all.
    pub async fn take_free_numbers(
        &mut self,
        wanted: &Wanted,
    ) -> Result<BTreeMap<TenantId, Numbers>, StoreError> {
        let Self::Postgres(tx) = self else {
            let mut taken = BTreeMap::new();
            for (tenant, (count, now)) in wanted {
                taken.insert(*tenant, self.take_numbers(*tenant, *count, *now).await?);
            }
            return Ok(taken);
        };
        let counts: Result<Vec<_>, _> = wanted.values().map(|(count, _)| counted(*count)).collect();
        let tenants: Vec<_> = wanted.keys().map(ToString::to_string).collect();
        let moments: Vec<_> = wanted.values().map(|(_, now)| now.micros()).collect();
        let connection: &mut PgConnection = tx;
        let rows: Vec<(String, i64, i64, Option<i64>)> = sqlx::query_as(TAKE_FREE)
            .bind(tenants)
            .bind(counts?)
            .bind(moments)
            .fetch_all(connection)
            .await?;
        let mut taken = BTreeMap::new();
        for (tenant, head, recorded_at, schema) in rows {
            migrate::refuse_newer(schema.unwrap_or_default())?;
            let corrupt =
                |invalid: Invalid| StoreError::Corrupt(format!("a roll of {tenant}: {invalid}"));
            let tenant: TenantId = tenant.parse().map_err(corrupt)?;
            let count = wanted.get(&tenant).map_or(0, |(count, _)| *count);
            let numbers = Numbers {
                tenant,
                first: head - counted(count)? + 1,
                count,
                recorded_at: Timestamp::from_micros(recorded_at),
            };
            taken.insert(tenant, numbers);
        }
        Ok(taken)
    }

    /// Takes the tenant's next numbers and with them its lock, which holds until this transaction
    /// ends: the order of the numbers is the order of the commits. Taking 0 only locks.
    ///
    /// On PostgreSQL a transaction waits for the lock of one tenant only and holds no other ([`Tx::take_free_numbers`]
    /// waits for none), and on SQLite there is one writer; so there is nothing to deadlock with.
    pub async fn take_numbers(
        &mut self,
        tenant: TenantId,
        count: usize,
        now: Timestamp,
    ) -> Result<Numbers, StoreError> {
        let taken = counted(count)?;
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
