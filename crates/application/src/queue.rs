//! Who waits in a lane: those of one tenant in the order in which they came, and the tenants in turn. However many of
//! one tenant wait, the first one of another is not behind them.

use std::collections::{HashMap, VecDeque};

use chancery_domain::TenantId;

/// How many wait in a lane.
const PLACES: usize = 8_192;

/// Those who wait, each known by a number. Whoever came later has a greater one.
pub(crate) struct Queue<W> {
    /// Those of each tenant. One that has none any more is forgotten when its turn comes.
    tenants: HashMap<TenantId, VecDeque<(u64, W)>>,
    /// These tenants, in the order in which their turns come.
    turns: VecDeque<TenantId>,
    waiting: usize,
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self {
            tenants: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
        }
    }
}

impl<W> Queue<W> {
    /// Comes last of its tenant. Given back is who finds no place: of each tenant no more wait than there are places
    /// left. So one tenant alone has half of them, two have a third each, and there is one for whoever comes of another.
    pub(crate) fn come(&mut self, tenant: TenantId, number: u64, waits: W) -> Result<(), W> {
        let of_tenant = self.tenants.get(&tenant);
        if of_tenant.map_or(0, VecDeque::len) >= PLACES - self.waiting {
            return Err(waits);
        }
        if of_tenant.is_none() {
            self.turns.push_back(tenant);
        }
        let of_tenant = self.tenants.entry(tenant).or_default();
        of_tenant.push_back((number, waits));
        self.waiting += 1;
        Ok(())
    }

    /// Whose turn it is: the first one of the next tenant.
    pub(crate) fn next(&mut self) -> Option<W> {
        while let Some(tenant) = self.turns.pop_front() {
            let of_tenant = self.tenants.get_mut(&tenant);
            let next = of_tenant.and_then(|of_tenant| Some((of_tenant.pop_front()?, of_tenant)));
            let Some(((_, next), left)) = next else {
                self.tenants.remove(&tenant);
                continue;
            };
            if left.is_empty() {
                self.tenants.remove(&tenant);
            } else {
                self.turns.push_back(tenant);
            }
            self.waiting -= 1;
            return Some(next);
        }
        None
    }

    /// Leaves, if its turn has not come.
    pub(crate) fn leave(&mut self, tenant: TenantId, number: u64) -> Option<W> {
        let of_tenant = self.tenants.get_mut(&tenant)?;
        let place = of_tenant.binary_search_by_key(&number, |(number, _)| *number);
        let (_, waits) = of_tenant.remove(place.ok()?)?;
        self.waiting -= 1;
        Some(waits)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: u64) -> TenantId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        TenantId::from_bytes(bytes)
    }

    /// In this order they come, each of its tenant.
    fn come(queue: &mut Queue<(u64, u64)>, tenants: impl IntoIterator<Item = u64>) {
        for of in tenants {
            let number = queue.len() as u64;
            queue.come(tenant(of), number, (of, number)).unwrap();
        }
    }

    fn rest(queue: &mut Queue<(u64, u64)>) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn tenants_have_turns_and_the_order_of_each_is_kept() {
        let mut queue = Queue::default();
        come(&mut queue, [1, 1, 1, 1, 2, 3, 3]);
        assert_eq!(queue.next(), Some((1, 0)));
        // Who comes of another one has the turn after those that wait for theirs.
        queue.come(tenant(4), 7, (4, 7)).unwrap();
        let turns = [(2, 4), (3, 5), (1, 1), (4, 7), (3, 6), (1, 2), (1, 3)];
        assert_eq!(rest(&mut queue), turns);
        assert!(queue.len() == 0 && queue.tenants.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn who_leaves_has_no_turn_and_a_tenant_has_one_turn_at_a_time() {
        let mut queue = Queue::default();
        come(&mut queue, [1, 1, 1, 2, 2]);
        assert_eq!(queue.leave(tenant(1), 1), Some((1, 1)));
        assert_eq!(queue.leave(tenant(1), 1), None);
        assert_eq!(queue.leave(tenant(3), 1), None);
        for number in [3, 4] {
            queue.leave(tenant(2), number).unwrap();
        }
        // It comes again before its turn has.
        for number in [5, 6] {
            queue.come(tenant(2), number, (2, number)).unwrap();
        }
        assert_eq!(queue.len(), 4);
        assert_eq!(rest(&mut queue), [(1, 0), (2, 5), (1, 2), (2, 6)]);
        come(&mut queue, [1]);
        queue.leave(tenant(1), 0).unwrap();
        assert_eq!(queue.next(), None);
        assert!(queue.len() == 0 && queue.tenants.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn no_tenant_takes_the_places_of_others() {
        let mut queue = Queue::default();
        let half = PLACES / 2;
        come(&mut queue, std::iter::repeat_n(1, half));
        assert_eq!(queue.come(tenant(1), 9_000, (1, 9_000)), Err((1, 9_000)));
        come(&mut queue, std::iter::repeat_n(2, half / 2));
        assert!(queue.come(tenant(2), 9_000, (2, 9_000)).is_err());
        // As long as there is any place, there is one for whoever has none.
        come(&mut queue, 3..3 + (half / 2) as u64);
        assert_eq!(queue.len(), PLACES);
        assert!(queue.come(tenant(2), 9_000, (2, 9_000)).is_err());
        assert!(queue.come(tenant(0), 9_000, (0, 9_000)).is_err());
        queue.next().unwrap();
        queue.come(tenant(0), 9_000, (0, 9_000)).unwrap();
    }
}
