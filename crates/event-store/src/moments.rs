use std::time::Duration;

use chancery_domain::Timestamp;
use tokio::time::timeout;

use crate::{
    config::Backend,
    error::{Cause, StoreError},
    fetch_one,
    store::Store,
};

/// How long the database may take to tell its time: a moment that comes later says little.
const PATIENCE: Duration = Duration::from_secs(2);

/// When the rolls ended: the newest entries of the one that changed first, and of the one that changed
/// last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The newest entry of the roll that has rested the longest.
    pub least: Timestamp,
    /// The newest entry of all.
    pub most: Timestamp,
}

impl Store {
    /// What the database's own clock shows. None on SQLite, which has none of its own.
    ///
    /// # Errors
    /// [`StoreError`], also where it is not told within two seconds.
    pub async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        if self.backend() == Backend::Sqlite {
            return Ok(None);
        }
        let asked = async {
            fetch_one!(
                self,
                (i64,),
                "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
            )
        };
        let (micros,) = timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable(Cause::late(PATIENCE))))?;
        Ok(Some(Timestamp::from_micros(micros)))
    }

    /// When the rolls ended. None: there is no roll. It reads one row of each tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn platform_newest(&self) -> Result<Option<Newest>, StoreError> {
        let (least, most) = fetch_one!(
            self,
            (Option<i64>, Option<i64>),
            "SELECT MIN(recorded_at), MAX(recorded_at) FROM tenant_log"
        )?;
        let moments = least.zip(most);
        Ok(moments.map(|(least, most)| Newest {
            least: Timestamp::from_micros(least),
            most: Timestamp::from_micros(most),
        }))
    }
}
