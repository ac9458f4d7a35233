//! When what was noted of uses is counted: not each time that something is put together, since a row of `credential_use`
//! and one of `client_days` for each client would then be most of what a store does.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use chancery_domain::TenantId;

/// How many notes of a tenant there are at most, for each node. Whoever wants to know uses reads them all.
pub(super) const NOTES: usize = 32;

/// How many rows of `credential_use` these have together at most.
const ROWS: usize = 8_192;

/// About how many credentials are counted at once: others wait for as many rows, on SQLite for all of them.
const DIFFERENT: usize = 1_024;

/// More credentials than this are counted at once: hardly any of them would come a second time in a few notes.
pub(super) const ALONE: usize = 768;

/// How many bytes of notes are counted at once, however many credentials are in them.
pub(super) const BYTES: usize = 1_024 * 1_024;

/// How much was noted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Many {
    notes: usize,
    /// How many rows of `credential_use` are in the notes.
    rows: usize,
    /// A bit for the hash of each credential: of so many, as many differ as tell about how many credentials there are.
    seen: [u64; SEEN / 64],
}

/// How many bits tell credentials apart.
const SEEN: usize = 2_048;

impl Many {
    /// One note of these credentials.
    pub(super) fn of<'a>(credentials: impl Iterator<Item = &'a str>) -> Self {
        let mut many = Self {
            notes: 1,
            ..Self::default()
        };
        for credential in credentials {
            let mut hasher = DefaultHasher::new();
            credential.hash(&mut hasher);
            many.rows += 1;
            let bit = usize::try_from(hasher.finish() % SEEN as u64).unwrap_or_default();
            if let Some(bits) = many.seen.get_mut(bit / 64) {
                *bits |= 1 << (bit % 64);
            }
        }
        many
    }

    fn add(&mut self, other: &Self) {
        self.notes += other.notes;
        self.rows += other.rows;
        for (bits, other) in self.seen.iter_mut().zip(other.seen) {
            *bits |= other;
        }
    }

    /// Whether it is time to count them.
    fn is_enough(&self) -> bool {
        self.notes >= NOTES || self.rows >= ROWS || self.bits() >= BITS
    }

    fn bits(&self) -> u32 {
        self.seen.iter().map(|bits| bits.count_ones()).sum()
    }
}

/// How many bits are set where [`DIFFERENT`] credentials were seen: all but `exp(-DIFFERENT / SEEN)` of them, half of
/// [`SEEN`] being seen.
const BITS: u32 = {
    assert!(DIFFERENT * 2 == SEEN);
    806
};

/// What one who puts together has noted of tenants within an hour, and not counted.
#[derive(Default)]
pub(crate) struct Notes {
    hour: i64,
    tenants: HashMap<TenantId, Many>,
}

impl Notes {
    /// Adds what was noted when something of this hour was put together, and tells whether the notes of the tenant are to
    /// be counted. Where it is the first time in an hour they are, whoever has left them.
    pub(super) fn are_due(&mut self, tenant: TenantId, hour: i64, noted: Option<&Many>) -> bool {
        if self.hour < hour {
            self.hour = hour;
            self.tenants.clear();
        }
        match self.tenants.get_mut(&tenant).filter(|_| self.hour == hour) {
            Some(many) => {
                if let Some(noted) = noted {
                    many.add(noted);
                }
                many.is_enough()
            }
            None => true,
        }
    }

    /// They are counted.
    pub(super) fn counted(&mut self, tenant: TenantId) {
        self.tenants.insert(tenant, Many::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segments::HOUR;

    const ONE: TenantId = TenantId::from_bytes([1; 16]);
    const OTHER: TenantId = TenantId::from_bytes([2; 16]);

    fn many(credentials: std::ops::Range<usize>) -> Many {
        let names: Vec<_> = credentials.map(|it| format!("secret_{it}")).collect();
        Many::of(names.iter().map(String::as_str))
    }

    #[test]
    fn notes_are_counted_first_and_when_they_are_many() {
        let mut notes = Notes::default();
        assert!(notes.are_due(ONE, HOUR, Some(&many(0..1))));
        notes.counted(ONE);
        for _ in 1..NOTES {
            assert!(!notes.are_due(ONE, HOUR, Some(&many(0..1))));
            // What was counted at once is no note.
            assert!(!notes.are_due(ONE, HOUR, None));
        }
        assert!(
            notes.are_due(ONE, HOUR, Some(&many(0..1)))
                && notes.are_due(OTHER, HOUR, Some(&many(0..1)))
        );
        // Until that is done.
        assert!(notes.are_due(ONE, HOUR, None));
        notes.counted(ONE);
        assert!(!notes.are_due(ONE, HOUR, Some(&many(0..1))));
    }

    #[test]
    fn notes_are_counted_when_many_credentials_are_in_them() {
        // The same come again and again: there is something to gain.
        for (each, times) in [(700, 11), (500, 16), (200, 31)] {
            let mut notes = Notes::default();
            notes.counted(ONE);
            for _ in 0..times {
                assert!(!notes.are_due(ONE, 0, Some(&many(0..each))), "{each}");
            }
            assert!(notes.are_due(ONE, 0, Some(&many(0..each))), "{each}");
        }
        // Others each time.
        let mut notes = Notes::default();
        notes.counted(ONE);
        let enough =
            (0..100).find(|time| notes.are_due(ONE, 0, Some(&many(time * 50..time * 50 + 50))));
        let credentials = enough.unwrap() * 50;
        assert!((850..1_200).contains(&credentials), "{credentials}");
    }

    #[test]
    fn notes_are_of_one_hour() {
        let mut notes = Notes::default();
        assert!(notes.are_due(ONE, HOUR, None));
        notes.counted(ONE);
        assert!(!notes.are_due(ONE, HOUR, Some(&many(0..1))));
        // What is put together late is counted too.
        assert!(notes.are_due(ONE, 0, Some(&many(0..1))));
        assert!(!notes.are_due(ONE, HOUR, Some(&many(0..1))));
        assert!(notes.are_due(ONE, 2 * HOUR, Some(&many(0..1))));
        assert!(notes.tenants.is_empty());
    }
}
