//! What of a tenant has changed, and when: so that an entry need not be read again for what it does not
//! show.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chancery_domain::{ClientId, TenantId, stream::StreamId};
use chancery_event_store::{Named, Stamp, Store, StoreError};
use quick_cache::sync::Cache;
use tokio::sync::Mutex as Turn;

/// How many clients a line remembers the last change of. When there are more, the oldest half is
/// forgotten, and with it every entry that was read before them.
const CHANGES: usize = 256;

/// How many entries of the roll are read to go on. Behind more a line begins anew.
const STRIDE: i64 = 1_000;

/// The lines of all tenants that were asked for.
pub(crate) struct Lines {
    lines: Cache<TenantId, Arc<Line>>,
    epochs: AtomicU64,
}

/// Where on a line something was read: of another epoch, it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    epoch: u64,
    /// The state of the roll then.
    pub(crate) stamp: Stamp,
}

impl Place {
    /// Whether both are on one line, of which nothing was lost between them.
    pub(crate) fn on_line_with(self, other: Self) -> bool {
        self.epoch == other.epoch
    }
}

#[cfg(test)]
impl Place {
    pub(crate) fn for_tests(head: i64) -> Self {
        let recorded_at = chancery_domain::Timestamp::from_micros(head);
        let stamp = Stamp { head, recorded_at };
        Self { epoch: 1, stamp }
    }
}

/// A tenant's roll as this node has followed it without a break.
pub(crate) struct Line {
    followed: Mutex<Followed>,
    /// Who goes on; the others wait, and find that it was done.
    turn: Turn<()>,
}

struct Followed {
    /// How far it was followed.
    at: Place,
    /// What was read before this number may have changed unseen.
    floor: i64,
    /// The last entry that names the tenant, its keys or one of its APIs.
    tenant: i64,
    /// The last entry that names each client or its secrets.
    clients: HashMap<ClientId, i64>,
}

impl Lines {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            lines: Cache::new(capacity),
            epochs: AtomicU64::new(1),
        }
    }

    /// The tenant's line, if it was asked for before.
    pub(crate) fn get(&self, tenant: &TenantId) -> Option<Arc<Line>> {
        self.lines.get(tenant)
    }

    /// The tenant's line, and a place on it that is no older than `stamp`, which was read from the store.
    /// `None`: the tenant is gone.
    pub(crate) async fn reach(
        &self,
        store: &Store,
        tenant: TenantId,
        stamp: Stamp,
    ) -> Result<Option<(Arc<Line>, Place)>, StoreError> {
        let begin = || {
            let begun = Line::begin(self.epoch(), stamp);
            Ok::<_, std::convert::Infallible>(Arc::new(begun))
        };
        let Ok(line) = self.lines.get_or_insert_with(&tenant, begin);
        let at = line.at();
        if at.stamp == stamp {
            return Ok(Some((line, at)));
        }
        let turn = line.turn.lock().await;
        let at = line.at();
        // Another may have gone further than `stamp`; only the roll itself says whether it goes back.
        let Some(now) = store.stamp(tenant).await? else {
            return Ok(None);
        };
        if now != at.stamp {
            let named = match now.head - at.stamp.head {
                1..=STRIDE => store.streams_named(tenant, at.stamp.head, now.head).await?,
                _ => Vec::new(),
            };
            if follows(&named, at.stamp, now) {
                line.followed().go_on(&named, now);
            } else {
                *line.followed() = Followed::begin(self.epoch(), now);
            }
        }
        let at = line.at();
        drop(turn);
        Ok(Some((line, at)))
    }

    fn epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed)
    }
}

/// Whether these entries lead from the one state to the other without a gap: the first is the very one
/// that was known, by number and moment, so nothing was lost and given to others meanwhile.
fn follows(named: &[Named], from: Stamp, to: Stamp) -> bool {
    let is = |named: Option<&Named>, stamp: Stamp| {
        named.is_some_and(|named| {
            named.number == stamp.head && named.recorded_at == stamp.recorded_at
        })
    };
    let dense = i64::try_from(named.len()).is_ok_and(|count| count == to.head - from.head + 1);
    // What this binary does not know could be about anything.
    let known = named.iter().all(|named| named.stream.is_some());
    dense && known && is(named.first(), from) && is(named.last(), to)
}

impl Line {
    fn begin(epoch: u64, stamp: Stamp) -> Self {
        Self {
            followed: Mutex::new(Followed::begin(epoch, stamp)),
            turn: Turn::new(()),
        }
    }

    /// How far it was followed.
    pub(crate) fn at(&self) -> Place {
        self.followed().at
    }

    /// Where the line stands, if nothing has named the tenant, its keys or its APIs since this place.
    pub(crate) fn tenant_unchanged(&self, since: Place) -> Option<Place> {
        let followed = self.followed();
        followed.unchanged(since, followed.tenant)
    }

    /// Where the line stands, if nothing has named the client since this place.
    pub(crate) fn client_unchanged(&self, client: ClientId, since: Place) -> Option<Place> {
        let followed = self.followed();
        let changed = followed.clients.get(&client).copied().unwrap_or(0);
        followed.unchanged(since, changed)
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        // Nothing in here is left half done by a panic.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    fn begin(epoch: u64, stamp: Stamp) -> Self {
        Self {
            at: Place { epoch, stamp },
            floor: stamp.head,
            tenant: 0,
            clients: HashMap::new(),
        }
    }

    fn unchanged(&self, since: Place, changed: i64) -> Option<Place> {
        let head = since.stamp.head;
        (since.epoch == self.at.epoch && self.floor <= head && changed <= head).then_some(self.at)
    }

    /// The first of these entries was known.
    fn go_on(&mut self, named: &[Named], to: Stamp) {
        for Named { number, stream, .. } in named.iter().skip(1) {
            match stream {
                Some(StreamId::Client(client) | StreamId::SecretRotation(client)) => {
                    self.clients.insert(*client, *number);
                }
                _ => self.tenant = *number,
            }
        }
        self.at.stamp = to;
        if self.clients.len() > CHANGES {
            let mut numbers: Vec<_> = self.clients.values().copied().collect();
            numbers.sort_unstable();
            let middle = numbers.get(numbers.len() / 2).copied();
            self.floor = middle.unwrap_or(to.head).max(self.floor);
            self.clients.retain(|_, number| *number > self.floor);
        }
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn stamp(head: i64) -> Stamp {
        Stamp {
            head,
            recorded_at: Timestamp::from_micros(head * 10),
        }
    }

    fn client(number: u8) -> ClientId {
        ClientId::from_bytes([number; 16])
    }

    fn named(number: i64, stream: Option<StreamId>) -> Named {
        Named {
            number,
            recorded_at: stamp(number).recorded_at,
            stream,
        }
    }

    #[test]
    fn only_an_unbroken_way_is_followed() {
        let some = Some(StreamId::Client(client(1)));
        let way = vec![named(5, some), named(6, some), named(7, some)];
        assert!(follows(&way, stamp(5), stamp(7)));
        // The known number was given to another commit, as after a failover that lost some.
        let other = Stamp {
            recorded_at: Timestamp::from_micros(1),
            ..stamp(5)
        };
        assert!(!follows(&way, other, stamp(7)));
        assert!(!follows(&way, stamp(5), stamp(8)));
        assert!(!follows(&way[1..], stamp(5), stamp(7)));
        assert!(!follows(&[], stamp(5), stamp(7)));
        // An entry of a kind that a newer binary writes.
        let unknown = vec![named(5, some), named(6, None), named(7, some)];
        assert!(!follows(&unknown, stamp(5), stamp(7)));
    }

    #[test]
    fn another_epoch_says_nothing() {
        let line = Line::begin(1, stamp(5));
        let of_another = Place {
            epoch: 2,
            stamp: stamp(5),
        };
        assert_eq!(line.tenant_unchanged(of_another), None);
        assert_eq!(line.client_unchanged(client(1), of_another), None);
        assert!(line.tenant_unchanged(line.at()).is_some());
    }

    proptest! {
        /// Whatever a line forgets, it never takes for unchanged what has changed.
        #[test]
        fn nothing_that_has_changed_passes_for_unchanged(
            changes in prop::collection::vec(prop::option::weighted(0.95, 0_u8..), 1..700),
            read in 0_usize..700,
        ) {
            let line = Line::begin(1, stamp(1));
            let mut places = vec![line.at()];
            for (number, change) in (2..).zip(&changes) {
                let stream = match change {
                    Some(number) => StreamId::SecretRotation(client(*number)),
                    None => StreamId::KeyRing(TenantId::from_bytes([0; 16])),
                };
                let way = [named(number - 1, Some(stream)), named(number, Some(stream))];
                prop_assert!(follows(&way, line.at().stamp, stamp(number)));
                line.followed().go_on(&way, stamp(number));
                places.push(line.at());
            }
            let read = read % places.len();
            let later = &changes[read..];
            if line.tenant_unchanged(places[read]).is_some() {
                prop_assert!(later.iter().all(Option::is_some));
            }
            for number in 0..=u8::MAX {
                if line.client_unchanged(client(number), places[read]).is_some() {
                    prop_assert!(later.iter().all(|change| *change != Some(number)));
                }
            }
            prop_assert!(line.followed().clients.len() <= CHANGES);
            // What was read last is always good.
            prop_assert!(line.tenant_unchanged(line.at()).is_some());
        }
    }
}
