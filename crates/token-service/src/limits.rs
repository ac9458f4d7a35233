//! The tenant policy's limits on token requests, counted on this node and in memory.

use chancery_domain::{
    ClientId, TenantId, Timestamp,
    tenant::{RateLimit, RateLimits},
};

use crate::window::{Window, Windows, locked, seconds_until};

/// How many clients and tenants are counted at a time.
const CLIENTS: usize = 200_000;
const TENANTS: usize = 20_000;

/// What has been counted.
pub(crate) struct Limits {
    clients: Windows<(TenantId, ClientId)>,
    tenants: Windows<TenantId>,
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
    /// When the window ends, in Unix seconds.
    pub(crate) reset: i64,
}

/// What the limits say to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The tightest limit; none where no limit applies.
    pub(crate) standing: Option<Standing>,
    /// Whose limit the request is beyond, and for how many seconds.
    pub(crate) refused: Option<(Whose, i64)>,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self {
            clients: Windows::new(CLIENTS),
            tenants: Windows::new(TENANTS),
        }
    }

    /// Counts an authenticated request, unless it is refused: requests beyond one limit use up
    /// nothing of the other.
    pub(crate) fn take(
        &self,
        tenant: TenantId,
        client: ClientId,
        policy: &RateLimits,
        now: Timestamp,
    ) -> Verdict {
        let client = policy
            .client
            .map(|limit| (limit, self.clients.of(&(tenant, client))));
        let tenant = policy.tenant.map(|limit| (limit, self.tenants.of(&tenant)));
        // Always in this order, so two requests cannot wait for each other.
        let mut client = client
            .as_ref()
            .map(|(limit, window)| (*limit, locked(window)));
        let mut tenant = tenant
            .as_ref()
            .map(|(limit, window)| (*limit, locked(window)));
        let mut limits = Vec::with_capacity(2);
        if let Some((limit, window)) = &mut client {
            limits.push((Whose::Client, *limit, &mut **window));
        }
        if let Some((limit, window)) = &mut tenant {
            limits.push((Whose::Tenant, *limit, &mut **window));
        }
        judge(&mut limits, now)
    }

    /// Takes back what a request has counted that could not be served: an outage uses up nobody's
    /// limit.
    pub(crate) fn give_back(&self, tenant: TenantId, client: ClientId) {
        let client = self.clients.known(&(tenant, client));
        for window in [client, self.tenants.known(&tenant)].into_iter().flatten() {
            locked(&window).give_back();
        }
    }
}

/// Refuses where one limit is used up and enforced; otherwise counts in each.
fn judge(limits: &mut [(Whose, RateLimit, &mut Window)], now: Timestamp) -> Verdict {
    let mut refused: Option<(Whose, i64)> = None;
    for (whose, limit, window) in &mut *limits {
        let (count, end) = window.at(now, limit.window_seconds);
        let wait = seconds_until(end, now);
        if limit.enforce && count >= limit.requests && refused.is_none_or(|(_, other)| other < wait)
        {
            refused = Some((*whose, wait));
        }
    }
    let mut standing: Option<Standing> = None;
    for (_, limit, window) in limits {
        if refused.is_none() {
            window.count();
        }
        let (count, end) = window.at(now, limit.window_seconds);
        let this = Standing {
            limit: limit.requests,
            remaining: limit.requests.saturating_sub(count),
            reset: end.seconds(),
        };
        let tighter =
            |other: Standing| (this.remaining, -this.reset) < (other.remaining, -other.reset);
        if standing.is_none_or(tighter) {
            standing = Some(this);
        }
    }
    Verdict { standing, refused }
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
            let policy = RateLimits {
                client: client_limit,
                tenant: tenant_limit,
            };
            let (tenant, client) = Self::ids(client);
            self.0.take(tenant, client, &policy, NOW.plus_seconds(at))
        }

        fn give_back(&self, client: u8) {
            let (tenant, client) = Self::ids(client);
            self.0.give_back(tenant, client);
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
                refused: None
            }
        );
        assert_eq!(
            world.take(1, two, None, 10),
            Verdict {
                standing: standing(2, 0, 60),
                refused: None
            }
        );
        let refused = Verdict {
            standing: standing(2, 0, 60),
            refused: Some((Whose::Client, 40)),
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
        for _ in 0..3 {
            assert_eq!(
                world.take(1, lenient, None, 0),
                Verdict {
                    standing: standing(1, 0, 60),
                    refused: None
                }
            );
        }
    }

    #[test]
    fn a_request_that_could_not_be_served_uses_up_nothing() {
        let world = World(Limits::new());
        for _ in 0..5 {
            assert_eq!(world.take(1, limit(1, 60), limit(1, 60), 0).refused, None);
            world.give_back(1);
        }
        assert_eq!(world.take(1, limit(1, 60), limit(1, 60), 0).refused, None);
        assert!(world.take(1, limit(1, 60), None, 0).refused.is_some());
        assert!(world.take(2, None, limit(1, 60), 0).refused.is_some());
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
                refused: None
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
