//! Quotas: what several nodes together may use up.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use chancery_testkit::{on_both_stores, stores::TestStore};
use chancery_token_log::{Lease, Quota};
use futures_util::future::join_all;

use common::{World, client, tenant};

fn quota(requests: u32) -> Quota {
    Quota {
        tenant: tenant(1),
        client: Some(client(1)),
        requests,
        window_seconds: 3_600,
        enforce: true,
    }
}

on_both_stores! {
    async fn many_nodes_take_no_more_than_there_is(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        let asked = (0..40).map(|number| {
            let log = if number % 2 == 0 { world.log.clone() } else { other.clone() };
            tokio::spawn(async move { log.take_quota(&quota(50), 3).await.unwrap() })
        });
        let leases: Vec<_> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(leases.iter().map(|lease| lease.granted).sum::<u32>(), 50);
        assert!(leases.iter().all(|lease| lease.taken <= 50 && lease.began == world.now()));
        // Another client, and the tenant itself, have their own; what is raised is given.
        for quota in [
            Quota { client: Some(client(2)), ..quota(50) },
            Quota { client: None, ..quota(50) },
            Quota { tenant: tenant(2), ..quota(50) },
            quota(51),
        ] {
            assert_eq!(world.log.take_quota(&quota, 1).await.unwrap().granted, 1, "{quota:?}");
        }
    }

    async fn a_window_ends_on_time_and_clocks_may_be_a_minute_apart(store: TestStore) {
        let world = World::on(store).await;
        let began = world.now();
        let take = async |wanted| world.log.take_quota(&quota(5), wanted).await.unwrap();
        assert_eq!(take(5).await, Lease { began, taken: 5, granted: 5 });
        let nothing = Lease { began, taken: 5, granted: 0 };
        world.clock.advance(-60);
        assert_eq!(take(1).await, nothing, "another node's clock");
        world.clock.advance(60 + 3_599);
        assert_eq!(take(1).await, nothing);
        world.clock.advance(1);
        assert_eq!(take(1).await, Lease { began: world.now(), taken: 1, granted: 1 });
        // A clock that was wrong for long locks nobody out.
        world.clock.advance(-86_400);
        assert_eq!(take(1).await, Lease { began: world.now(), taken: 1, granted: 1 });
    }

    async fn what_is_not_enforced_is_counted_on_and_what_has_ended_goes(store: TestStore) {
        let world = World::on(store).await;
        let lenient = Quota { enforce: false, ..quota(2) };
        for taken in [2, 4, 6] {
            let lease = world.log.take_quota(&lenient, 2).await.unwrap();
            assert_eq!((lease.taken, lease.granted), (taken, 2));
        }
        let rows = async || {
            let sql = format!("SELECT count(*) FROM {}", world.table("quotas"));
            chancery_event_store::fetch_one!(&world.raw, (i64,), &sql).unwrap().0
        };
        world.clock.advance(3_600);
        world.log.keep_house().await.unwrap();
        assert_eq!(rows().await, 1);
        world.clock.advance(61);
        world.log.keep_house().await.unwrap();
        assert_eq!(rows().await, 0);
    }
}
