//! Turns of changes that wait for a tenant's lock with a connection in their hands: one of each tenant at a time, and
//! no more in all than half of the connections. Else whoever holds one tenant's lock for long, or changes one client
//! again and again from many places, would have all connections wait, and everybody else for one of them: tokens too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chancery_domain::TenantId;
use chancery_event_store::Store;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{deadline::Deadline, together::NotDone};

/// For how long a tenant is slow of which something was held too long.
const SLOW: Duration = Duration::from_mins(1);

/// The turns of a node.
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    /// Of those tenants for which somebody has a turn or waits for one.
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
    /// Until when tenants are slow.
    slow: Mutex<HashMap<TenantId, Instant>>,
}

/// A turn, until it is dropped.
pub(crate) struct Turn {
    _all: OwnedSemaphorePermit,
    // Fields are dropped in their order: the permit is back before it is looked who is left.
    _own: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in the queue of a tenant. When the last of them is dropped, the queue is forgotten.
struct Place {
    turns: Arc<Turns>,
    tenant: TenantId,
    queue: Option<Arc<Semaphore>>,
}

impl Turns {
    /// So many as half of the connections of this store.
    pub(crate) fn of(store: &Store) -> Arc<Self> {
        let most = store.connections().iter().map(|pool| pool.max).max();
        Self::new(most.unwrap_or_default() as usize / 2)
    }

    fn new(many: usize) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(many.max(1))),
            tenants: Mutex::default(),
            slow: Mutex::default(),
        })
    }

    /// A turn for a change of this tenant, if it comes by then.
    pub(crate) async fn take(
        self: &Arc<Self>,
        tenant: TenantId,
        deadline: Deadline,
    ) -> Result<Turn, NotDone> {
        let queue = self.queue(tenant);
        let place = Place {
            turns: Arc::clone(self),
            tenant,
            queue: Some(Arc::clone(&queue)),
        };
        let taking = async {
            // Whoever waits for their own tenant takes nothing from the others.
            let own = queue.acquire_owned().await.ok()?;
            let all = self.all.clone().acquire_owned().await.ok()?;
            Some((own, all))
        };
        let (own, all) = deadline.wait(taking).await?.ok_or(NotDone::Lost)?;
        Ok(Turn {
            _all: all,
            _own: own,
            _place: place,
        })
    }

    /// Whether the tenant's changes are not to be made with those of others now.
    pub(crate) fn is_slow(&self, tenant: TenantId) -> bool {
        let until = self.slow().get(&tenant).copied();
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Others waited with a change of this tenant, for what somebody else held.
    pub(crate) fn note_slow(&self, tenant: TenantId) {
        let now = Instant::now();
        let mut slow = self.slow();
        slow.retain(|_, until| now < *until);
        slow.insert(tenant, now + SLOW);
    }

    fn slow(&self) -> MutexGuard<'_, HashMap<TenantId, Instant>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut tenants = self.tenants();
        let queue = tenants.entry(tenant);
        queue.or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Semaphore>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tenants = self.turns.tenants();
        drop(self.queue.take());
        // Nobody comes while the map is locked.
        if tenants
            .get(&self.tenant)
            .is_some_and(|queue| Arc::strong_count(queue) == 1)
        {
            tenants.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn tenant(number: u8) -> TenantId {
        TenantId::from_bytes([number; 16])
    }

    async fn take(turns: &Arc<Turns>, tenant: TenantId) -> Result<Turn, NotDone> {
        turns.take(tenant, Deadline::from_now()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_has_one_turn_and_all_have_few() {
        let turns = Turns::new(2);
        let one = take(&turns, tenant(1)).await.unwrap();
        assert!(take(&turns, tenant(1)).now_or_never().is_none());
        let other = take(&turns, tenant(2)).await.unwrap();
        assert!(take(&turns, tenant(3)).now_or_never().is_none());
        drop(one);
        // Those who wait for the first tenant have taken nothing of what there is for all.
        let third = take(&turns, tenant(3)).await.unwrap();
        assert_eq!(take(&turns, tenant(1)).await.err(), Some(NotDone::Late));
        // Nor is one taken too late that there is.
        let late = Deadline::from_now();
        drop((other, third));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(turns.take(tenant(1), late).await.err(), Some(NotDone::Late));
        assert!(turns.tenants().is_empty());
        let _again = take(&turns, tenant(1)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_has_the_next_turn() {
        let turns = Turns::new(8);
        let first = take(&turns, tenant(1)).await.unwrap();
        let waits = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { take(&turns, tenant(1)).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        let second = waits.await.unwrap().unwrap();
        assert_eq!(turns.tenants().len(), 1);
        drop(second);
        assert!(turns.tenants().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_is_slow_for_a_while() {
        let turns = Turns::new(1);
        assert!(!turns.is_slow(tenant(1)));
        turns.note_slow(tenant(1));
        assert!(turns.is_slow(tenant(1)) && !turns.is_slow(tenant(2)));
        tokio::time::advance(SLOW).await;
        assert!(!turns.is_slow(tenant(1)));
        turns.note_slow(tenant(2));
        assert_eq!(turns.slow().len(), 1);
    }
}
