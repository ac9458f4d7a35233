use std::{ops::Deref, sync::Arc};

use chancery_event_store::Stamp;

use crate::line::Place;

/// An entry, and the state of the tenant's roll for which it holds: nothing that it shows has changed from
/// when it was read until then.
#[derive(Debug)]
pub struct Seen<T> {
    /// The state of the tenant's roll for which it holds.
    pub stamp: Stamp,
    pub(crate) place: Place,
    pub(crate) entry: Arc<T>,
}

impl<T> Seen<T> {
    pub(crate) fn at(place: Place, entry: Arc<T>) -> Self {
        Self {
            stamp: place.stamp,
            place,
            entry,
        }
    }

    /// Whether both are the same reading of the same entry.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entry, &other.entry)
    }
}

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self {
            stamp: self.stamp,
            place: self.place,
            entry: self.entry.clone(),
        }
    }
}

impl<T> Deref for Seen<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.entry
    }
}
