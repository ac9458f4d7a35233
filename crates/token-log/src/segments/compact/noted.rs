//! When what was noted of uses is counted: not each time that something is put together, since a row of `credential_use`
//! and one of `client_days` for each client would then be most of what a store does.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use chancery_domain::TenantId;

use crate::segments::{
    bloom::{Mark, hash},
    unfolded::Row,
};

/// How many times a tenant's uses are noted at most before they are counted, by each node. Whoever wants to know uses reads
/// all of that.
const NOTES: u32 = 32;

/// How many rows of `credential_use` these have together at most.
const ROWS: u32 = 8_192;

/// About how many credentials are counted together, in all pieces.
const DIFFERENT: f64 = 4_096.0;

/// Of more credentials than this it matters whether they come again.
const ALONE: usize = 768;

/// Where they did not, how many times they are counted with the segment until it is tried again.
const AGAIN: u8 = 16;

/// How many bytes of notes are read at once, however many credentials are in them: more than [`ROWS`] take.
pub(super) const BYTES: usize = 4 * 1_024 * 1_024;

/// How many rows of `credential_use` are written at once, and as many of `client_days`, when what was noted is counted;
/// one note more, at most.
pub(super) const AT_ONCE: usize = 512;

/// As many rows are noted together. What is counted at once is what others wait for, on SQLite for all of it: so more are
/// noted in pieces, of which those with the same credentials are counted together.
const WHOLE: usize = 128;

/// In how many.
const PIECES: u8 = 8;

/// How many rows of `activity_uses` are read at once.
pub(super) const ROWS_OF_NOTES: i64 = NOTES as i64 * PIECES as i64;

/// In which piece a credential is.
fn piece_of(row: &Row<'_>) -> u8 {
    let piece = hash(Mark::Credential, row.credential()) % u64::from(PIECES);
    u8::try_from(piece).unwrap_or_default()
}

/// In which piece all of these are; none where they are in several.
pub(super) fn piece(rows: &[Row<'_>]) -> Option<u8> {
    let mut pieces = rows.iter().map(piece_of);
    let first = pieces.next()?;
    pieces.all(|piece| piece == first).then_some(first)
}

/// The pieces in which these are noted.
pub(super) fn pieces<'a>(rows: impl Iterator<Item = Row<'a>>) -> Vec<Vec<Row<'a>>> {
    let rows: Vec<_> = rows.collect();
    if rows.len() <= WHOLE {
        return vec![rows];
    }
    let mut pieces: Vec<_> = std::iter::repeat_with(Vec::new)
        .take(PIECES.into())
        .collect();
    for row in rows {
        if let Some(piece) = pieces.get_mut(usize::from(piece_of(&row))) {
            piece.push(row);
        }
    }
    pieces
}

/// Whether uses are noted when something is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noting {
    /// Of however many credentials: they come again.
    All,
    /// Unless they are of many credentials: hardly any of them would come a second time in a few notes.
    Few,
}

impl Noting {
    /// Whether those of so many credentials are.
    pub(super) fn notes(self, credentials: usize) -> bool {
        self == Self::All || credentials <= ALONE
    }
}

/// How much was noted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Many {
    notes: u32,
    /// How many rows of `credential_use` are in the notes.
    rows: u32,
    /// A bit for the hash of each credential: of so many, as many differ as tell about how many credentials there are.
    seen: [u64; SEEN / 64],
}

/// How many bits tell credentials apart.
const SEEN: usize = 2_048;

impl Many {
    /// What is noted at once.
    pub(super) fn of<'a>(rows: impl Iterator<Item = Row<'a>>) -> Self {
        let mut many = Self {
            notes: 1,
            ..Self::default()
        };
        for row in rows {
            let mut hasher = DefaultHasher::new();
            row.credential().hash(&mut hasher);
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
        self.notes >= NOTES || self.rows >= ROWS || self.different() >= DIFFERENT || self.differ()
    }

    /// Whether most of many were of other credentials each time, so that there is nothing to gain by waiting.
    fn differ(&self) -> bool {
        self.notes > 1
            && self.rows as usize > 2 * ALONE
            && self.different() > 0.75 * f64::from(self.rows)
    }

    /// About how many credentials there are: of the bits, `exp(-credentials / SEEN)` are not set.
    fn different(&self) -> f64 {
        let clear: u32 = self.seen.iter().map(|bits| bits.count_zeros()).sum();
        let different = -(f64::from(clear.max(1)) / SEEN_BITS).ln() * SEEN_BITS;
        different.min(f64::from(self.rows))
    }
}

/// The same.
const SEEN_BITS: f64 = 2_048.0;

/// What one who puts together has noted of a tenant within an hour, and not counted.
#[derive(Default)]
struct OfTenant {
    many: Many,
    /// How many times more it is counted with the segment where it is much.
    alone: u8,
}

/// The same of all tenants.
#[derive(Default)]
pub(crate) struct Notes {
    hour: i64,
    tenants: HashMap<TenantId, OfTenant>,
}

impl Notes {
    /// Whether what is put together next of this hour is noted.
    pub(super) fn noting(&mut self, tenant: TenantId, hour: i64) -> Noting {
        match self.of(tenant, hour) {
            Some(this) if this.alone > 0 => {
                this.alone -= 1;
                Noting::Few
            }
            _ => Noting::All,
        }
    }

    /// Adds what was noted when something of this hour was put together, and tells whether the notes of the tenant are to
    /// be counted. Where it is the first time in an hour they are, whoever has left them.
    pub(super) fn are_due(&mut self, tenant: TenantId, hour: i64, noted: Option<&Many>) -> bool {
        match self.of(tenant, hour) {
            Some(this) => {
                if let Some(noted) = noted {
                    this.many.add(noted);
                }
                this.many.is_enough()
            }
            None => true,
        }
    }

    /// They are counted, when something of this hour was put together.
    pub(super) fn counted(&mut self, tenant: TenantId, hour: i64) {
        if self.hour == hour {
            let this = self.tenants.entry(tenant).or_default();
            if this.many.differ() {
                this.alone = AGAIN;
            }
            this.many = Many::default();
        }
    }

    /// They are counted, with whatever else there was.
    pub(super) fn all_counted(&mut self, tenant: TenantId) {
        if let Some(this) = self.tenants.get_mut(&tenant) {
            this.many = Many::default();
        }
    }

    /// What is known of it in this hour.
    fn of(&mut self, tenant: TenantId, hour: i64) -> Option<&mut OfTenant> {
        if self.hour < hour {
            self.hour = hour;
            self.tenants.clear();
        }
        let known = self.tenants.get_mut(&tenant);
        known.filter(|_| self.hour == hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segments::{HOUR, unfolded::read};

    const ONE: TenantId = TenantId::from_bytes([1; 16]);
    const OTHER: TenantId = TenantId::from_bytes([2; 16]);

    fn note(credentials: std::ops::Range<usize>) -> String {
        let rows = credentials.map(|it| (format!("secret_{it}"), 1, "client", 1, 1, None::<&str>));
        serde_json::to_string(&rows.collect::<Vec<_>>()).unwrap()
    }

    fn many(credentials: std::ops::Range<usize>) -> Many {
        Many::of(read(&note(credentials)).unwrap().into_iter())
    }

    #[test]
    fn notes_are_counted_first_and_when_they_are_many() {
        let mut notes = Notes::default();
        assert!(notes.are_due(ONE, HOUR, Some(&many(0..1))));
        notes.counted(ONE, HOUR);
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
        notes.counted(ONE, HOUR);
        assert!(!notes.are_due(ONE, HOUR, Some(&many(0..1))));
    }

    #[test]
    fn notes_are_counted_when_many_credentials_are_in_them() {
        // The same come again and again: there is something to gain.
        for (each, times) in [(1_024, 7), (700, 11), (500, 16), (200, 31)] {
            let mut notes = Notes::default();
            notes.counted(ONE, 0);
            for _ in 0..times {
                assert!(!notes.are_due(ONE, 0, Some(&many(0..each))), "{each}");
            }
            assert!(notes.are_due(ONE, 0, Some(&many(0..each))), "{each}");
            notes.counted(ONE, 0);
            assert_eq!(notes.noting(ONE, 0), Noting::All);
        }
        // Some come again, and some are others: after about so many different ones.
        let enough = time_until_due(|time| many(time * 300..time * 300 + 512));
        assert!((12..=15).contains(&enough), "{enough}");
    }

    /// How many times are noted before they are counted.
    fn time_until_due(each: impl Fn(usize) -> Many) -> usize {
        let mut notes = Notes::default();
        notes.counted(ONE, 0);
        let due = |time: &usize| notes.are_due(ONE, 0, Some(&each(*time)));
        (0..100).find(due).unwrap() + 1
    }

    #[test]
    fn credentials_that_do_not_come_again_are_counted_with_their_segment_for_a_while() {
        let others = |time: usize| many(time * 1_000..(time + 1) * 1_000);
        assert_eq!(time_until_due(others), 2);
        // The second time it is known of some only.
        let few = |time: usize| many(time * 200..(time + 1) * 200);
        assert_eq!(time_until_due(few), 8);
        let mut notes = Notes::default();
        notes.counted(ONE, 0);
        assert_eq!(notes.noting(ONE, 0), Noting::All);
        notes.are_due(ONE, 0, Some(&others(0)));
        notes.are_due(ONE, 0, Some(&others(1)));
        notes.counted(ONE, 0);
        for _ in 0..AGAIN {
            assert_eq!(notes.noting(ONE, 0), Noting::Few);
            assert!(!notes.are_due(ONE, 0, None));
            // Few that are counted meanwhile say nothing of many, nor does what is of an hour before.
            notes.counted(ONE, 0);
            notes.counted(ONE, -HOUR);
        }
        assert_eq!(notes.noting(ONE, 0), Noting::All);
        // Where all bits are set, there are as many as were seen.
        let mut all = many(0..30_000);
        all.add(&many(0..30_000));
        assert!(!all.differ());
        assert!(Noting::Few.notes(ALONE) && !Noting::Few.notes(ALONE + 1));
        assert!(Noting::All.notes(100 * ALONE));
    }

    #[test]
    fn each_credential_is_in_one_piece_and_all_pieces_are_alike() {
        let (few, more) = (note(0..WHOLE), note(0..1_000));
        let few = pieces(read(&few).unwrap().into_iter());
        assert_eq!(few.iter().map(Vec::len).collect::<Vec<_>>(), [WHOLE]);
        assert_eq!(piece(&few[0]), None);
        let more = pieces(read(&more).unwrap().into_iter());
        assert_eq!(more.iter().map(Vec::len).sum::<usize>(), 1_000);
        for (number, rows) in (0..).zip(&more) {
            assert_eq!(piece(rows), Some(number));
            assert!((90..160).contains(&rows.len()), "{}", rows.len());
        }
        assert_eq!((more.len(), piece(&[])), (8, None));
    }

    #[test]
    fn notes_are_of_one_hour() {
        let mut notes = Notes::default();
        assert!(notes.are_due(ONE, HOUR, None));
        notes.counted(ONE, HOUR);
        assert!(!notes.are_due(ONE, HOUR, Some(&many(0..1))));
        // What is put together late is counted too.
        assert!(notes.are_due(ONE, 0, Some(&many(0..1))));
        assert!(!notes.are_due(ONE, HOUR, Some(&many(0..1))));
        assert!(notes.are_due(ONE, 2 * HOUR, Some(&many(0..1))));
        assert!(notes.tenants.is_empty());
    }
}
