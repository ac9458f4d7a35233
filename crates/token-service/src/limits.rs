//! The tenant policy's limits on requests. Those with short windows are counted on this node and in
//! memory; those with long ones for all nodes together, in the token log.

use std::sync::{Arc, Mutex, MutexGuard};

use chancery_domain::{
    ClientId, TenantId, Timestamp,
    tenant::{RateLimit, RateLimits},
};
use chancery_token_log::{Quota, RecordError, TokenLog};

use crate::{
    quotas::{Account, Accounts, Held},
    window::{Window, Windows, locked, second_from, seconds_until},
};

/// How many clients and tenants are counted at a time.
const CLIENTS: usize = 200_000;
const TENANTS: usize = 20_000;

/// From how many seconds on a window is long: what is used up then outlives a node.
const LONG: u32 = 3_600;

/// How often a request asks for a part of a quota before it is told to come again: others may have
/// used up what it has got.
const ASKS: usize = 64;

/// How often a client signs in to the console at most, on this node, and in how many seconds.
const SIGN_INS: (u32, u32) = (60, 600);

/// What has been counted.
pub(crate) struct Limits {
    clients: Windows<(TenantId, ClientId)>,
    tenants: Windows<TenantId>,
    client_quotas: Accounts<(TenantId, ClientId)>,
    tenant_quotas: Accounts<TenantId>,
    sign_ins: Windows<(TenantId, ClientId)>,
}

/// Where a limit is counted.
enum Place {
    Short(Arc<Mutex<Window>>),
    Long(Arc<Account>, Quota),
}

/// The same, while nobody else counts there.
enum Counter<'a> {
    Short(MutexGuard<'a, Window>),
    Long(MutexGuard<'a, Held>, &'a Quota),
}

impl Place {
    fn lock(&self) -> Counter<'_> {
        match self {
            Self::Short(window) => Counter::Short(locked(window)),
            Self::Long(account, quota) => Counter::Long(account.held(), quota),
        }
    }
}

impl Counter<'_> {
    /// The count now, and when its window ends.
    fn at(&mut self, now: Timestamp, seconds: u32) -> (u32, Timestamp) {
        match self {
            Self::Short(window) => window.at(now, seconds),
            Self::Long(held, quota) => held.at(now, quota),
        }
    }

    /// One more, and in which window: none where it need not be counted.
    fn count(&mut self) -> Option<Timestamp> {
        match self {
            Self::Short(window) => window.count(),
            Self::Long(held, _) => held.count(),
        }
    }

    fn give_back(&mut self, began: Timestamp) {
        match self {
            Self::Short(window) => window.give_back(began),
            Self::Long(held, _) => held.give_back(began),
        }
    }

    /// Whether the token log has to be asked first.
    fn is_short(&mut self, now: Timestamp) -> bool {
        match self {
            Self::Long(held, quota) => held.is_short(now, quota),
            Self::Short(_) => false,
        }
    }
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Client,
    Tenant,
}

/// Where a limit stands after this request, for the `x-ratelimit-…` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// When the window has ended, in Unix seconds: no earlier than `Retry-After` says.
    pub(crate) reset: i64,
}

/// What the limits say to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The tightest limit; none where no limit applies.
    pub(crate) standing: Option<Standing>,
    /// Whose limit the request is beyond, and for how many seconds.
    pub(crate) refused: Option<(Whose, i64)>,
    /// The limits that it is beyond and that are not enforced.
    pub(crate) beyond: Beyond,
}

/// Which limits are used up and not enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beyond {
    pub(crate) client: bool,
    pub(crate) tenant: bool,
}

impl Beyond {
    fn add(&mut self, whose: Whose) {
        match whose {
            Whose::Client => self.client = true,
            Whose::Tenant => self.tenant = true,
        }
    }

    /// Those that the policy does not enforce on anybody: what spares a request is none of them.
    fn of(self, policy: &RateLimits) -> Self {
        let lenient = |limit: Option<RateLimit>| limit.is_some_and(|limit| !limit.enforce);
        Self {
            client: self.client && lenient(policy.client),
            tenant: self.tenant && lenient(policy.tenant),
        }
    }
}

/// What a limit with a long window, once it is used up, is to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bearing {
    /// It is refused where the limit is enforced.
    Refused,
    /// It passes: what only takes away cannot wait for a month.
    Spared,
}

impl Bearing {
    fn on(self, limit: RateLimit) -> RateLimit {
        RateLimit {
            enforce: limit.enforce && self == Self::Refused,
            ..limit
        }
    }
}

/// Where a request was counted, and in which windows.
pub(crate) struct Counted([Option<(Place, Timestamp)>; 2]);

impl Counted {
    /// Takes it back, for a request that could not be served: an outage uses up nobody's limit.
    pub(crate) fn give_back(self) {
        for (place, began) in self.0.into_iter().flatten() {
            place.lock().give_back(began);
        }
    }
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self {
            clients: Windows::new(CLIENTS),
            tenants: Windows::new(TENANTS),
            client_quotas: Accounts::new(CLIENTS),
            tenant_quotas: Accounts::new(TENANTS),
            sign_ins: Windows::new(TENANTS),
        }
    }

    /// Counts a client that signs in to the console, apart from what its tenant's policy limits; or for how many seconds
    /// it has to wait. Only who has proved to be that client is counted, so nobody else can keep it out.
    pub(crate) fn sign_in(
        &self,
        tenant: TenantId,
        client: ClientId,
        now: Timestamp,
    ) -> Result<(), i64> {
        let (most, seconds) = SIGN_INS;
        let window = self.sign_ins.of(&(tenant, client));
        let mut window = locked(&window);
        let (count, end) = window.at(now, seconds);
        if count >= most {
            return Err(seconds_until(end, now));
        }
        window.count();
        Ok(())
    }

    /// Counts an authenticated request, unless it is refused: requests beyond one limit use up
    /// nothing of the other.
    pub(crate) async fn take(
        &self,
        log: &TokenLog,
        tenant: TenantId,
        client: ClientId,
        policy: &RateLimits,
        bearing: Bearing,
        now: Timestamp,
    ) -> Result<(Verdict, Counted), RecordError> {
        let client = policy.client.map(|limit| {
            if limit.window_seconds < LONG {
                return (limit, Place::Short(self.clients.of(&(tenant, client))));
            }
            let account = self.client_quotas.of(&(tenant, client));
            let place = Place::Long(account, quota(tenant, Some(client), limit));
            (bearing.on(limit), place)
        });
        let tenant = policy.tenant.map(|limit| {
            if limit.window_seconds < LONG {
                return (limit, Place::Short(self.tenants.of(&tenant)));
            }
            let account = self.tenant_quotas.of(&tenant);
            let place = Place::Long(account, quota(tenant, None, limit));
            (bearing.on(limit), place)
        });
        for _ in 0..ASKS {
            match count(client.as_ref(), tenant.as_ref(), now) {
                Ok((verdict, [of_client, of_tenant])) => {
                    let verdict = Verdict {
                        beyond: verdict.beyond.of(policy),
                        ..verdict
                    };
                    let counted = |limited: Option<(RateLimit, Place)>,
                                   began: Option<Timestamp>| {
                        limited.map(|(_, place)| place).zip(began)
                    };
                    let counted = [counted(client, of_client), counted(tenant, of_tenant)];
                    return Ok((verdict, Counted(counted)));
                }
                Err((account, quota)) => Box::pin(account.refill(log, quota, now)).await?,
            }
        }
        Err(RecordError::Busy)
    }
}

fn quota(tenant: TenantId, client: Option<ClientId>, limit: RateLimit) -> Quota {
    Quota {
        tenant,
        client,
        requests: limit.requests,
        window_seconds: limit.window_seconds,
        enforce: limit.enforce,
    }
}

/// A verdict, and in which window of the client and of the tenant the request was counted.
type Judged = (Verdict, [Option<Timestamp>; 2]);

/// Counts in both places or in none, or says which account is short.
fn count<'a>(
    client: Option<&'a (RateLimit, Place)>,
    tenant: Option<&'a (RateLimit, Place)>,
    now: Timestamp,
) -> Result<Judged, (&'a Arc<Account>, &'a Quota)> {
    let mut limits = Vec::with_capacity(2);
    // Always in this order, so two requests cannot wait for each other.
    for (whose, limited) in [(Whose::Client, client), (Whose::Tenant, tenant)] {
        let Some((limit, place)) = limited else {
            continue;
        };
        let mut counter = place.lock();
        if let Place::Long(account, quota) = place
            && counter.is_short(now)
        {
            return Err((account, quota));
        }
        limits.push((whose, *limit, counter));
    }
    Ok(judge(&mut limits, now))
}

/// Refuses where one limit is used up and enforced; otherwise counts in each.
fn judge(limits: &mut [(Whose, RateLimit, Counter<'_>)], now: Timestamp) -> Judged {
    let mut beyond = Beyond::default();
    let mut refused: Option<(Whose, i64)> = None;
    for (whose, limit, counter) in &mut *limits {
        let (count, end) = counter.at(now, limit.window_seconds);
        let wait = seconds_until(end, now);
        if limit.enforce && count >= limit.requests && refused.is_none_or(|(_, other)| other < wait)
        {
            refused = Some((*whose, wait));
        }
        if !limit.enforce && count >= limit.requests {
            beyond.add(*whose);
        }
    }
    let mut standing: Option<Standing> = None;
    let mut began = [None; 2];
    for (whose, limit, counter) in limits {
        if refused.is_none() {
            began[*whose as usize] = counter.count();
        }
        let (count, end) = counter.at(now, limit.window_seconds);
        let this = Standing {
            limit: limit.requests,
            remaining: limit.requests.saturating_sub(count),
            reset: second_from(end),
        };
        let tighter =
            |other: Standing| (this.remaining, -this.reset) < (other.remaining, -other.reset);
        if standing.is_none_or(tighter) {
            standing = Some(this);
        }
    }
    let verdict = Verdict {
        standing,
        refused,
        beyond,
    };
    (verdict, began)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

    fn limit(requests: u32, window_seconds: u32) -> Option<RateLimit> {
        Some(RateLimit {
            requests,
            window_seconds,
            enforce: true,
        })
    }

    struct World(Limits);

    impl World {
        fn take(
            &self,
            client: u8,
            client_limit: Option<RateLimit>,
            tenant_limit: Option<RateLimit>,
            at: i64,
        ) -> Verdict {
            self.counted(client, client_limit, tenant_limit, at).0
        }

        fn counted(
            &self,
            client: u8,
            client_limit: Option<RateLimit>,
            tenant_limit: Option<RateLimit>,
            at: i64,
        ) -> (Verdict, Counted) {
            let policy = RateLimits {
                client: client_limit,
                tenant: tenant_limit,
            };
            let (tenant, client) = Self::ids(client);
            let place = |limit: RateLimit, window| (limit, Place::Short(window));
            let client = policy
                .client
                .map(|limit| place(limit, self.0.clients.of(&(tenant, client))));
            let tenant = policy
                .tenant
                .map(|limit| place(limit, self.0.tenants.of(&tenant)));
            let judged = count(client.as_ref(), tenant.as_ref(), NOW.plus_seconds(at));
            let (verdict, began) = judged.unwrap_or_else(|_| panic!("short windows ask nobody"));
            let places = [client, tenant].map(|limited| limited.map(|(_, place)| place));
            let [client, tenant] = places;
            (
                verdict,
                Counted([client.zip(began[0]), tenant.zip(began[1])]),
            )
        }

        fn ids(client: u8) -> (TenantId, ClientId) {
            (
                TenantId::from_bytes([1; 16]),
                ClientId::from_bytes([client; 16]),
            )
        }
    }

    fn standing(limit: u32, remaining: u32, reset_in: i64) -> Option<Standing> {
        Some(Standing {
            limit,
            remaining,
            reset: NOW.seconds() + reset_in,
        })
    }

    #[test]
    fn so_many_pass_in_a_window_and_no_more() {
        let world = World(Limits::new());
        let two = limit(2, 60);
        assert_eq!(
            world.take(1, two, None, 0),
            Verdict {
                standing: standing(2, 1, 60),
                refused: None,
                beyond: Beyond::default(),
            }
        );
        assert_eq!(
            world.take(1, two, None, 10),
            Verdict {
                standing: standing(2, 0, 60),
                refused: None,
                beyond: Beyond::default(),
            }
        );
        let refused = Verdict {
            standing: standing(2, 0, 60),
            refused: Some((Whose::Client, 40)),
            beyond: Beyond::default(),
        };
        assert_eq!(world.take(1, two, None, 20), refused);
        assert_eq!(
            world.take(2, two, None, 20).refused,
            None,
            "another client has its own"
        );
        assert_eq!(world.take(1, two, None, 60).refused, None);
    }

    #[test]
    fn a_limit_that_is_not_enforced_counts_and_lets_pass() {
        let world = World(Limits::new());
        let lenient = limit(1, 60).map(|limit| RateLimit {
            enforce: false,
            ..limit
        });
        for client in [false, true, true] {
            let beyond = Beyond {
                client,
                ..Beyond::default()
            };
            assert_eq!(
                world.take(1, lenient, None, 0),
                Verdict {
                    standing: standing(1, 0, 60),
                    refused: None,
                    beyond,
                }
            );
        }
        let both = Beyond {
            client: true,
            tenant: true,
        };
        world.take(2, None, lenient, 0);
        assert_eq!(world.take(1, lenient, lenient, 0).beyond, both);
    }

    #[test]
    fn a_request_that_could_not_be_served_uses_up_nothing() {
        let world = World(Limits::new());
        for _ in 0..5 {
            let (verdict, counted) = world.counted(1, limit(1, 60), limit(1, 60), 0);
            assert_eq!(verdict.refused, None);
            counted.give_back();
        }
        assert_eq!(world.take(1, limit(1, 60), limit(1, 60), 0).refused, None);
        assert!(world.take(1, limit(1, 60), None, 0).refused.is_some());
        assert!(world.take(2, None, limit(1, 60), 0).refused.is_some());
    }

    #[test]
    fn only_what_was_counted_is_given_back() {
        let world = World(Limits::new());
        // The policy had no limit for the tenant when this one came.
        let (_, counted) = world.counted(1, limit(2, 60), None, 0);
        assert_eq!(world.take(1, limit(2, 60), limit(2, 60), 0).refused, None);
        counted.give_back();
        assert_eq!(world.take(1, limit(2, 60), limit(2, 60), 0).refused, None);
        let over = world.take(2, None, limit(2, 60), 0);
        assert_eq!(over.refused, Some((Whose::Tenant, 60)));
        // And this one was of the window before.
        let (_, counted) = world.counted(3, limit(1, 60), None, 0);
        assert_eq!(world.take(3, limit(1, 60), None, 60).refused, None);
        counted.give_back();
        assert!(world.take(3, limit(1, 60), None, 60).refused.is_some());
        // One that was refused was not counted.
        world.counted(3, limit(1, 60), None, 60).1.give_back();
        assert!(world.take(3, limit(1, 60), None, 60).refused.is_some());
    }

    #[test]
    fn one_client_beyond_its_limit_takes_nothing_from_the_tenants() {
        let world = World(Limits::new());
        let (client, tenant) = (limit(1, 60), limit(3, 60));
        assert_eq!(world.take(1, client, tenant, 0).refused, None);
        for _ in 0..5 {
            assert_eq!(
                world.take(1, client, tenant, 0).refused,
                Some((Whose::Client, 60))
            );
        }
        assert_eq!(world.take(2, client, tenant, 0).refused, None);
        assert_eq!(world.take(3, client, tenant, 0).refused, None);
        assert_eq!(
            world.take(4, client, tenant, 0).refused,
            Some((Whose::Tenant, 60))
        );
        assert_eq!(
            world.take(4, client, None, 0).refused,
            None,
            "the refusal used nothing up"
        );
    }

    #[test]
    fn the_tightest_limit_is_reported() {
        let world = World(Limits::new());
        assert_eq!(
            world.take(1, limit(5, 60), limit(9, 10), 0).standing,
            standing(5, 4, 60)
        );
        assert_eq!(
            world.take(1, limit(5, 60), limit(4, 10), 0).standing,
            standing(4, 2, 10)
        );
        assert_eq!(
            world.take(1, limit(5, 60), limit(5, 10), 0).standing,
            standing(5, 2, 60)
        );
        assert_eq!(
            world.take(1, None, None, 0),
            Verdict {
                standing: None,
                refused: None,
                beyond: Beyond::default(),
            }
        );
    }

    #[test]
    fn the_longest_wait_is_named() {
        let world = World(Limits::new());
        let (client, tenant) = (limit(1, 10), limit(1, 60));
        world.take(1, client, tenant, 0);
        assert_eq!(
            world.take(1, client, tenant, 0).refused,
            Some((Whose::Tenant, 60))
        );
    }
}
