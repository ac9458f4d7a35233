//! What was worked out from entries, kept beside them.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::{client_entry::ClientEntry, entry::TenantEntry, seen::Seen};

/// A place in a client's entry for one thing that was worked out from it and from its tenant's entry. It
/// is gone with the entry, and nothing for another reading of the tenant.
#[derive(Default)]
pub struct WorkedOut(Mutex<Option<Kept>>);

struct Kept {
    /// Of which reading of the tenant. It keeps nothing of it alive, keys least of all; and while it is
    /// here, no other reading can stand in the same place.
    tenant: Weak<TenantEntry>,
    what: Arc<dyn Any + Send + Sync>,
}

impl WorkedOut {
    fn place(&self) -> MutexGuard<'_, Option<Kept>> {
        // It is set as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for WorkedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkedOut(…)")
    }
}

impl Seen<ClientEntry> {
    /// What was kept last, if it is a `T` and was worked out from this entry and this reading of its tenant.
    pub fn worked_out<T: Any + Send + Sync>(&self, tenant: &Seen<TenantEntry>) -> Option<Arc<T>> {
        let place = self.worked_out.place();
        let kept = place.as_ref()?;
        if !std::ptr::eq(kept.tenant.as_ptr(), Arc::as_ptr(&tenant.entry)) {
            return None;
        }
        kept.what.clone().downcast().ok()
    }

    /// Keeps what was worked out from this entry and this reading of its tenant.
    pub fn keep<T: Any + Send + Sync>(&self, tenant: &Seen<TenantEntry>, what: Arc<T>) {
        *self.worked_out.place() = Some(Kept {
            tenant: Arc::downgrade(&tenant.entry),
            what,
        });
    }
}
