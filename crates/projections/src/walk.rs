//! A page of a list: a walk along an index, past what a filter leaves out.

use std::{collections::HashMap, hash::Hash};

use chancery_domain::Row;

use crate::place::Place;

/// How many entries a page looks at, at most. Filters that an index does not answer by itself leave
/// entries out; this bounds what they cost, whatever is combined with what.
pub(crate) const EXAMINED_AT_MOST: usize = 10_000;

/// How many are read at once, at most. The first time it is one more than the page holds; each time after
/// that, four times as many.
const BATCH: usize = 1_000;

/// A page.
#[derive(Clone, Debug)]
pub struct Listed<I, S> {
    /// What is on it, each with its place.
    pub items: Vec<(Place<I>, I, Row<S>)>,
    /// Up to where it goes; nothing where the list was empty. With few entries that a filter lets
    /// through the page may be shorter than it was asked for, and go further than its last entry.
    pub end: Option<Place<I>>,
    /// Whether the list goes on.
    pub has_next: bool,
}

/// An entry of an index, before it is known whether it belongs on the page.
pub(crate) struct Entry<I> {
    pub(crate) place: Place<I>,
    pub(crate) id: I,
    /// Whether every filter lets it through.
    pub(crate) wanted: bool,
}

/// What a walk found.
pub(crate) struct Found<I> {
    pub(crate) entries: Vec<(Place<I>, I)>,
    pub(crate) end: Option<Place<I>>,
    pub(crate) has_next: bool,
}

/// A walk along an index: it says what to read next until the page is full.
pub(crate) struct Walk<I> {
    limit: usize,
    next: Option<(Place<I>, usize)>,
    examined: usize,
    found: Found<I>,
}

impl<I: Clone> Walk<I> {
    /// A walk from a place on, to a page of so many.
    pub(crate) fn new(start: Place<I>, limit: u32) -> Self {
        let limit = limit as usize;
        Self {
            limit,
            next: Some((start, limit + 1)),
            examined: 0,
            found: Found {
                entries: Vec::new(),
                end: None,
                has_next: false,
            },
        }
    }

    /// Past which place to read how many entries; nothing when the page is done.
    pub(crate) fn step(&self) -> Option<(&Place<I>, usize)> {
        self.next.as_ref().map(|(place, batch)| (place, *batch))
    }

    /// Goes on by what was read.
    pub(crate) fn take(&mut self, entries: Vec<Entry<I>>) {
        let Some((mut place, batch)) = self.next.take() else {
            return;
        };
        let more = entries.len() == batch;
        self.examined += entries.len();
        let found = &mut self.found;
        for entry in entries {
            if entry.wanted {
                if found.entries.len() == self.limit {
                    found.end = found.entries.last().map(|(place, _)| place.clone());
                    found.has_next = true;
                    return;
                }
                found.entries.push((entry.place.clone(), entry.id));
            }
            place = entry.place;
            found.end = Some(place.clone());
        }
        if !more {
            return;
        }
        if self.examined >= EXAMINED_AT_MOST {
            found.has_next = true;
            return;
        }
        let allowed = EXAMINED_AT_MOST - self.examined;
        let batch = (batch * 4).min(BATCH.max(self.limit + 1)).min(allowed);
        self.next = Some((place, batch));
    }

    /// What it found.
    pub(crate) fn done(self) -> Found<I> {
        self.found
    }
}

impl<I: Clone> Found<I> {
    /// The ids on the page.
    pub(crate) fn ids(&self) -> Vec<I> {
        self.entries.iter().map(|(_, id)| id.clone()).collect()
    }

    /// The page, with these rows. One that is gone meanwhile is left out.
    pub(crate) fn with<S>(self, rows: Vec<(I, Row<S>)>) -> Listed<I, S>
    where
        I: Eq + Hash,
    {
        let mut rows: HashMap<I, Row<S>> = rows.into_iter().collect();
        let items = self.entries.into_iter().filter_map(|(place, id)| {
            let row = rows.remove(&id)?;
            Some((place, id, row))
        });
        Listed {
            items: items.collect(),
            end: self.end,
            has_next: self.has_next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::SortKey;

    /// A list of numbers, of which every so many-th is wanted. Gives the page, and how many entries were
    /// read for it.
    fn page(size: i64, every: i64, after: i64, limit: u32) -> (Vec<i64>, Option<i64>, bool, usize) {
        let mut read = 0;
        let mut walk = Walk::new(Place::before(SortKey::Created(after)), limit);
        while let Some((place, batch)) = walk.step() {
            let numbers = (place.micros() + 1..=size).take(batch);
            let entries: Vec<_> = numbers
                .map(|number| Entry {
                    place: Place::at(SortKey::Created(number), number),
                    id: number,
                    wanted: number % every == 0,
                })
                .collect();
            read += entries.len();
            walk.take(entries);
        }
        let found = walk.done();
        let end = found.end.as_ref().map(Place::micros);
        (found.ids(), end, found.has_next, read)
    }

    #[test]
    fn a_page_of_everything_reads_one_more_than_it_shows() {
        assert_eq!(page(9, 1, 0, 3), (vec![1, 2, 3], Some(3), true, 4));
        assert_eq!(page(9, 1, 6, 3), (vec![7, 8, 9], Some(9), false, 3));
        assert_eq!(page(9, 1, 9, 3), (vec![], None, false, 0));
    }

    #[test]
    fn a_filter_that_lets_little_through_costs_a_bounded_number_of_entries() {
        let (ids, end, has_next, read) = page(100_000, 9_000, 0, 3);
        assert_eq!(
            (ids, end, has_next, read),
            (vec![9_000], Some(10_000), true, 10_000)
        );
        let (ids, _, has_next, read) = page(100_000, 600, 0, 3);
        assert_eq!((ids, has_next), (vec![600, 1_200, 1_800], true));
        assert!(read < 4_000, "{read}");
    }

    #[test]
    fn pages_join_without_a_gap() {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let (ids, end, has_next, _) = page(50_000, 7_001, after, 2);
            all.extend(ids);
            if !has_next {
                break;
            }
            after = end.unwrap();
        }
        assert_eq!(all, [7_001, 14_002, 21_003, 28_004, 35_005, 42_006, 49_007]);
    }
}
