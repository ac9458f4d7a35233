//! In which direction the log is read.

use std::collections::{BTreeMap, btree_map::OccupiedEntry};

use crate::{activity::Activity, filter::Range, place::Place};

/// From which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The oldest first.
    Forth,
    /// The newest first.
    Back,
}

impl Way {
    /// Whichever is come to first.
    pub(crate) fn first(self, one: Place, other: Place) -> Place {
        match self {
            Self::Forth => one.min(other),
            Self::Back => one.max(other),
        }
    }

    /// Whichever is come to last.
    pub(crate) fn last(self, one: Place, other: Place) -> Place {
        match self {
            Self::Forth => one.max(other),
            Self::Back => one.min(other),
        }
    }

    /// Whether one place is come to before the other.
    pub(crate) fn is_before(self, one: Place, other: Place) -> bool {
        match self {
            Self::Forth => one < other,
            Self::Back => one > other,
        }
    }

    /// The place that was passed right before this one.
    pub(crate) fn passed(self, place: Place) -> Place {
        match self {
            Self::Forth => place.previous(),
            Self::Back => place.next(),
        }
    }

    /// The first place of a range that may hold something.
    pub(crate) fn begin(self, range: Range) -> Place {
        match self {
            Self::Forth => range.after.next(),
            Self::Back => range.before.map_or(Place::END, Place::previous),
        }
    }

    /// What is left of a range behind this place.
    pub(crate) fn rest(self, range: Range, reached: Place) -> Range {
        match self {
            Self::Forth => Range {
                after: reached,
                ..range
            },
            Self::Back => Range {
                before: Some(reached),
                ..range
            },
        }
    }

    /// What is come to first.
    pub(crate) fn next<T>(
        self,
        waiting: &mut BTreeMap<Place, T>,
    ) -> Option<OccupiedEntry<'_, Place, T>> {
        match self {
            Self::Forth => waiting.first_entry(),
            Self::Back => waiting.last_entry(),
        }
    }

    /// The next record, if it is before this place: nothing that is found later can come before it.
    pub(crate) fn next_before(
        self,
        horizon: Option<Place>,
        found: &mut BTreeMap<Place, Activity>,
    ) -> Option<Activity> {
        let first = self.next(found)?;
        let known = horizon.is_none_or(|horizon| self.is_before(*first.key(), horizon));
        known.then(|| first.remove())
    }

    /// As a statement orders by it.
    pub(crate) const fn order(self) -> &'static str {
        match self {
            Self::Forth => "ASC",
            Self::Back => "DESC",
        }
    }
}
