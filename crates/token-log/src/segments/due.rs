//! Of whom this node has written enough that it is worth putting together.

use std::collections::HashMap;

use chancery_domain::{TenantId, Timestamp};
use tokio::sync::mpsc;

use crate::segments::{
    compact::{FULL, ROWS},
    hour_of,
};

/// What was written of a tenant since it was put together.
struct Written {
    hour: i64,
    records: i64,
    batches: usize,
}

/// Asks for what is due. What is left when this ends is found by the next
/// [`keep_house`](crate::TokenLog::keep_house).
pub(crate) struct Due {
    written: HashMap<TenantId, Written>,
    compactor: mpsc::Sender<TenantId>,
}

impl Due {
    pub(crate) fn new(compactor: mpsc::Sender<TenantId>) -> Self {
        Self {
            written: HashMap::new(),
            compactor,
        }
    }

    /// A batch had so many records of a tenant.
    pub(crate) fn wrote(&mut self, tenant: TenantId, records: i64, at: Timestamp) {
        let hour = hour_of(at.micros());
        let this = self.written.entry(tenant).or_insert(Written {
            hour,
            records: 0,
            batches: 0,
        });
        this.records += records;
        this.batches += 1;
        if this.records >= FULL || this.batches >= ROWS {
            self.ask(tenant);
        }
    }

    /// Asks for those whose hour is over.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        let hour = hour_of(now.micros());
        let over = self
            .written
            .iter()
            .filter(|(_, written)| written.hour < hour);
        let over: Vec<_> = over.map(|(tenant, _)| *tenant).collect();
        for tenant in over {
            self.ask(tenant);
        }
    }

    /// Where too much is asked for already, this one comes with its next batch.
    fn ask(&mut self, tenant: TenantId) {
        if self.compactor.try_send(tenant).is_ok() {
            self.written.remove(&tenant);
        }
    }
}
