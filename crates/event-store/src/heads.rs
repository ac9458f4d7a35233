//! Where rolls stand, for whoever waits for them to grow.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chancery_domain::TenantId;
use tokio::sync::watch;

use crate::{feed::Stamp, store::Store};

/// How often it is looked whether rolls that somebody waits for have grown elsewhere.
pub const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How many tenants one query asks for.
const TENANTS_PER_QUERY: usize = 500;

/// Tells when rolls grow: at once what this process commits, and within [`LOOK_AGAIN`] what others
/// do. While nobody waits it asks for nothing. Cheap to clone; every clone is the same.
///
/// It says *that* a roll has grown and not by what: numbers are dense and in the order of the commits,
/// so whoever is woken reads on from the number it has and can miss nothing.
#[derive(Clone)]
pub struct Heads {
    store: Store,
    watched: Arc<Mutex<Watched>>,
}

#[derive(Default)]
struct Watched {
    heads: HashMap<TenantId, watch::Sender<i64>>,
    /// Whether somebody is looking.
    looking: bool,
}

/// One who waits for a roll to grow.
pub struct Watch(watch::Receiver<i64>);

impl Watch {
    /// Marks the present as seen. Call it before reading the roll, so that what is committed while it
    /// is read ends the next wait at once.
    pub fn seen(&mut self) {
        self.0.mark_unchanged();
    }

    /// Waits until the roll may have grown since it was marked. It may also wake for nothing.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody tells any more, so nobody must believe that nothing happens.
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

impl Heads {
    /// The heads of a store. Waiting takes place within a runtime.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            watched: Arc::default(),
        }
    }

    /// Begins to wait for a tenant's roll.
    pub fn watch(&self, tenant: TenantId) -> Watch {
        let mut watched = self.watched();
        let receiver = watched
            .heads
            .entry(tenant)
            .or_insert_with(|| watch::Sender::new(0))
            .subscribe();
        if !watched.looking {
            watched.looking = true;
            tokio::spawn(self.clone().look());
        }
        Watch(receiver)
    }

    /// Tells those who wait that the tenant's roll has come to this number. Only a hint: without it
    /// they learn a little later.
    pub fn announce(&self, tenant: TenantId, head: i64) {
        if let Some(known) = self.watched().heads.get(&tenant) {
            known.send_if_modified(|known| std::mem::replace(known, head.max(*known)) < head);
        }
    }

    async fn look(self) {
        let mut reachable = true;
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let tenants: Vec<_> = {
                let mut watched = self.watched();
                watched.heads.retain(|_, head| head.receiver_count() > 0);
                if watched.heads.is_empty() {
                    watched.looking = false;
                    return;
                }
                watched.heads.keys().copied().collect()
            };
            let mut answered = true;
            for tenants in tenants.chunks(TENANTS_PER_QUERY) {
                match self.store.platform_stamps_of(tenants.iter().copied()).await {
                    Ok(stamps) => self.tell(stamps),
                    Err(error) => {
                        if reachable {
                            tracing::warn!(%error, "it cannot be seen whether rolls have grown");
                        }
                        answered = false;
                    }
                }
            }
            reachable = answered;
        }
    }

    /// A head can also go back, when a copy of the database takes its place.
    fn tell(&self, stamps: HashMap<TenantId, Stamp>) {
        let watched = self.watched();
        for (tenant, Stamp { head, .. }) in stamps {
            if let Some(known) = watched.heads.get(&tenant) {
                known.send_if_modified(|known| std::mem::replace(known, head) != head);
            }
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        // Nothing in here is left half done by a panic.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
