//! Denials are many when somebody tries: beyond so many a minute from one address for one reason they
//! are counted instead of written, and so they are while many stand aside to be written.

use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chancery_domain::{TenantId, Timestamp};

use crate::activity::{Entry, Kind};

/// How many are written each within a minute.
const EACH: u32 = 20;
/// How long one count runs, in seconds.
const WINDOW: i64 = 60;
/// How many counts run at a time. Whoever has many addresses is counted without them.
const COUNTS: usize = 10_000;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    kind: Kind,
    reason: Option<&'static str>,
    address: Option<IpAddr>,
}

struct Count {
    since: Timestamp,
    written: u32,
    /// What was not written.
    counted: u32,
    last: Timestamp,
}

/// The counts that run.
#[derive(Default)]
pub(crate) struct Denials(Mutex<HashMap<Key, Count>>);

impl Denials {
    /// What is to be written now that this has happened: the record itself, or nothing, and before it
    /// what was counted since the last one of its like. Without room it is counted.
    pub(crate) fn admit<'a>(&self, entry: Entry<'a>, room: bool) -> [Option<Entry<'a>>; 2] {
        if !matches!(entry.kind, Kind::TokenDenied | Kind::TokenIntrospected) {
            return [None, Some(entry)];
        }
        let mut counts = self.counts();
        let mut key = Key {
            tenant: entry.tenant,
            kind: entry.kind,
            reason: entry.reason,
            address: entry.address,
        };
        if counts.len() >= COUNTS && !counts.contains_key(&key) {
            key.address = None;
        }
        let fresh = || Count {
            since: entry.at,
            written: 0,
            counted: 0,
            last: entry.at,
        };
        let count = counts.entry(key.clone()).or_insert_with(fresh);
        // A clock that was set back begins again too.
        let over = room && (entry.at >= count.since.plus_seconds(WINDOW) || entry.at < count.since);
        let before = if over {
            mem::replace(count, fresh()).summary(&key)
        } else {
            None
        };
        count.last = entry.at;
        if room && count.written < EACH {
            count.written += 1;
            [before, Some(entry)]
        } else {
            count.counted = count.counted.saturating_add(1);
            [before, None]
        }
    }

    /// Ends the counts that have run for long enough, and gives what they counted.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<Entry<'static>> {
        self.end(|count| now >= count.since.plus_seconds(WINDOW) || now < count.since)
    }

    /// Ends every count.
    pub(crate) fn all(&self) -> Vec<Entry<'static>> {
        self.end(|_| true)
    }

    fn end(&self, mut ends: impl FnMut(&Count) -> bool) -> Vec<Entry<'static>> {
        self.counts()
            .extract_if(|_, count| ends(count))
            .filter_map(|(key, count)| count.summary(&key))
            .collect()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, Count>> {
        // Every change of a count is one step; nothing can be half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    /// One record for all that were not written.
    fn summary(self, key: &Key) -> Option<Entry<'static>> {
        (self.counted > 0).then(|| Entry {
            reason: key.reason,
            address: key.address,
            times: self.counted,
            ..Entry::new(key.tenant, self.last, key.kind)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    fn denied(address: u8, reason: &'static str, seconds: i64) -> Entry<'static> {
        Entry {
            client: Some("somebody".into()),
            address: Some([192, 0, 2, address].into()),
            reason: Some(reason),
            ..Entry::new(
                TenantId::from_bytes([1; 16]),
                NOW.plus_seconds(seconds),
                Kind::TokenDenied,
            )
        }
    }

    fn admitted(denials: &Denials, entry: Entry<'_>) -> Vec<u32> {
        denials
            .admit(entry, true)
            .into_iter()
            .flatten()
            .map(|entry| entry.times)
            .collect()
    }

    #[test]
    fn beyond_twenty_a_minute_denials_are_counted() {
        let denials = Denials::default();
        for _ in 0..20 {
            assert_eq!(admitted(&denials, denied(1, "mismatch", 0)), [1]);
        }
        for _ in 0..5 {
            assert!(admitted(&denials, denied(1, "mismatch", 30)).is_empty());
        }
        assert_eq!(admitted(&denials, denied(2, "mismatch", 30)), [1]);
        assert_eq!(admitted(&denials, denied(1, "disabled", 30)), [1]);
        // The next minute tells of the one before.
        let [before, this] = denials.admit(denied(1, "mismatch", 60), true);
        let before = before.unwrap();
        assert_eq!((before.times, before.at), (5, NOW.plus_seconds(30)));
        assert_eq!((before.client, before.reason), (None, Some("mismatch")));
        assert_eq!(before.address, Some([192, 0, 2, 1].into()));
        assert_eq!(this.unwrap().times, 1);
    }

    #[test]
    fn without_room_denials_are_counted() {
        let denials = Denials::default();
        assert_eq!(denials.admit(denied(1, "mismatch", 0), false), [None, None]);
        assert_eq!(denials.admit(denied(1, "mismatch", 0), false), [None, None]);
        assert_eq!(admitted(&denials, denied(1, "mismatch", 0)), [1]);
        let [told] = &denials.all()[..] else {
            panic!("it is told");
        };
        let address = Some([192, 0, 2, 1].into());
        assert_eq!((told.times, told.address), (2, address));
        // Nor is told then what was counted before.
        let crowded = |seconds| denials.admit(denied(1, "mismatch", seconds), false);
        assert_eq!([crowded(0), crowded(60)], [[None, None], [None, None]]);
        assert_eq!(denials.due(NOW.plus_seconds(60))[0].times, 2);
    }

    #[test]
    fn what_was_counted_is_told_when_the_minute_is_over() {
        let denials = Denials::default();
        for _ in 0..30 {
            denials.admit(denied(1, "mismatch", 0), true);
        }
        assert_eq!(denials.due(NOW.plus_seconds(59)), []);
        let due = denials.due(NOW.plus_seconds(60));
        assert_eq!(
            due.iter().map(|entry| entry.times).collect::<Vec<_>>(),
            [10]
        );
        assert_eq!(denials.due(NOW.plus_seconds(61)), [], "once");
        assert_eq!(admitted(&denials, denied(1, "mismatch", 61)), [1], "anew");
    }

    #[test]
    fn many_addresses_are_counted_as_one() {
        let denials = Denials::default();
        let from = |number: u32| Entry {
            address: Some(IpAddr::V4(number.into())),
            ..denied(0, "mismatch", 0)
        };
        let written: usize = (0..20_000)
            .map(|number| admitted(&denials, from(number)).len())
            .sum();
        assert_eq!(written, COUNTS + 20);
        let told: u32 = denials.all().iter().map(|entry| entry.times).sum();
        assert_eq!(told, 20_000 - 10_000 - 20);
    }

    #[test]
    fn other_kinds_are_written_each() {
        let denials = Denials::default();
        for _ in 0..50 {
            let entry = Entry::new(TenantId::from_bytes([1; 16]), NOW, Kind::RollRead);
            assert_eq!(admitted(&denials, entry), [1]);
        }
    }
}
