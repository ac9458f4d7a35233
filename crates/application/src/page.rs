use chancery_domain::Row;
use chancery_projections::{Listed, Place};

/// Which page of a list.
#[derive(Clone, Debug)]
pub struct PageRequest<C> {
    /// How many at most: 1 to 1,000.
    pub first: u32,
    /// Past this one; `None`: from the beginning.
    pub after: Option<C>,
}

/// A page of a list. What is on it stands there with its place in the list.
#[derive(Clone, Debug)]
pub struct Page<C, T> {
    /// What is on the page, in the list's order.
    pub items: Vec<(C, T)>,
    /// Up to where the page goes; nothing where there was nothing. A page that a filter leaves little
    /// on may go further than its last entry.
    pub end: Option<C>,
    /// Whether the list goes on.
    pub has_next: bool,
}

impl<C> PageRequest<C> {
    /// One more than the page holds: whether it is there tells whether more follows.
    pub(crate) fn limit(&self) -> u32 {
        self.first.saturating_add(1)
    }

    /// A page of a list that is sorted by id.
    pub(crate) fn page<T>(&self, items: Vec<(C, T)>) -> Page<C, (C, T)>
    where
        C: Copy,
    {
        self.entries(items.into_iter().map(|(id, row)| (id, (id, row))))
    }

    /// A page of a list, each of its entries with its place.
    pub(crate) fn entries<T>(&self, entries: impl Iterator<Item = (C, T)>) -> Page<C, T>
    where
        C: Copy,
    {
        let mut items: Vec<_> = entries.collect();
        let has_next = items.len() > self.first as usize;
        items.truncate(self.first as usize);
        let end = items.last().map(|(place, _)| *place);
        Page {
            items,
            end,
            has_next,
        }
    }
}

impl<I, S> From<Listed<I, S>> for Page<Place<I>, (I, Row<S>)> {
    fn from(listed: Listed<I, S>) -> Self {
        let items = listed.items.into_iter();
        Self {
            items: items.map(|(place, id, row)| (place, (id, row))).collect(),
            end: listed.end,
            has_next: listed.has_next,
        }
    }
}
