//! Refresh tokens and revocations: what several nodes and several requests at once leave behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use chancery_domain::{CredentialId, FamilyId, SecretId};
use chancery_testkit::{on_both_stores, stores::TestStore};
use chancery_token_log::{Answer, Change, Entry, Family, Kind, NewFamily, Operation, Rotation};
use futures_util::future::join_all;

use common::{World, claiming, client, record, tenant};

fn family(number: u8) -> FamilyId {
    FamilyId::from_bytes([number; 16])
}

fn secret(number: u8) -> CredentialId {
    SecretId::from_bytes([number; 16]).into()
}

/// A token with this id leaves, which lives for an hour.
fn issued(world: &World, jti: &str) -> Entry<'static> {
    Entry {
        credential: Some(secret(1).to_string().into()),
        scopes: Some("a b".into()),
        audience: Some("urn:x:one".into()),
        expires_at: Some(world.now().plus_seconds(3_600)),
        ..world.issued(jti)
    }
}

fn doing(entry: Entry<'static>, change: Change) -> Operation<'static> {
    Operation {
        change: Some(change),
        ..Operation::of(entry)
    }
}

/// The family begins with the token `one`, for a day.
async fn begin(world: &World, number: u8) {
    let new = NewFamily {
        family: family(number),
        hash: format!("one-{number}"),
        roles: "clerk".to_owned(),
        expires_at: world.now().plus_seconds(86_400),
    };
    let entry = issued(world, &format!("first-{number}"));
    assert_eq!(
        record(&world.log, doing(entry, Change::Begin(new))).await,
        Answer::Recorded
    );
}

fn rotate(world: &World, number: u8, presented: &str, next: &str) -> Operation<'static> {
    let rotation = Rotation {
        family: family(number),
        presented: presented.to_owned(),
        next: next.to_owned(),
    };
    let entry = Entry {
        kind: Kind::TokenRefreshed,
        credential: Some(secret(2).to_string().into()),
        ..issued(world, &format!("by-{next}"))
    };
    doing(entry, Change::Rotate(rotation))
}

fn end(world: &World, number: u8) -> Operation<'static> {
    let entry = Entry {
        kind: Kind::RefreshReused,
        ..world.issued("")
    };
    doing(entry, Change::RevokeFamily(family(number)))
}

async fn found(world: &World, number: u8) -> Family {
    world
        .log
        .refresh_family(tenant(1), family(number))
        .await
        .unwrap()
        .unwrap()
}

on_both_stores! {
    async fn a_family_is_kept_as_it_was_granted_and_is_of_its_tenant_alone(store: TestStore) {
        let world = World::on(store).await;
        begin(&world, 1).await;
        let found = found(&world, 1).await;
        assert_eq!((found.client, found.credential, found.last_credential), (client(1), secret(1), secret(1)));
        assert_eq!((&*found.scopes, &*found.audience, &*found.roles), ("a b", "urn:x:one", "clerk"));
        assert_eq!((found.began_at, found.expires_at), (world.now(), world.now().plus_seconds(86_400)));
        assert_eq!((&*found.current, found.previous, found.rotated_at, found.revoked_at), ("one-1", None, None, None));
        assert_eq!(world.log.refresh_family(tenant(2), family(1)).await.unwrap(), None);
        assert_eq!(world.log.refresh_family(tenant(1), family(2)).await.unwrap(), None);
    }

    async fn of_many_uses_of_one_refresh_token_on_two_nodes_one_wins(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        for round in 1..=10_u8 {
            begin(&world, round).await;
            let uses = (0..20).map(|number| {
                let log = if number % 2 == 0 { world.log.clone() } else { other.clone() };
                let operation = rotate(&world, round, &format!("one-{round}"), &format!("two-{round}-{number}"));
                tokio::spawn(async move { record(&log, operation).await })
            });
            let answers: Vec<_> = join_all(uses).await.into_iter().map(Result::unwrap).collect();
            let won: Vec<_> = (0..20).filter(|index| answers[*index] == Answer::Recorded).collect();
            let lost = answers.iter().filter(|answer| **answer == Answer::RefreshUsed).count();
            assert_eq!((won.len(), lost), (1, 19), "{answers:?}");
            let found = found(&world, round).await;
            assert_eq!(found.current, format!("two-{round}-{}", won[0]));
            assert_eq!(found.previous, Some(format!("one-{round}")));
            assert_eq!((found.credential, found.last_credential), (secret(1), secret(2)));
        }
        assert_eq!(world.jtis().await.len(), 20, "who lost has left nothing");
    }

    async fn within_one_batch_the_first_use_wins_and_an_end_goes_before_a_use(store: TestStore) {
        let world = World::on(store).await;
        for number in [1, 2] {
            begin(&world, number).await;
        }
        let held = world.hold().await;
        let one = world.log.record(rotate(&world, 3, "nobody", "x"));
        let uses = ["a", "b"].map(|next| world.log.record(rotate(&world, 1, "one-1", next)));
        let ends = [1, 2].map(|_| world.log.record(end(&world, 2)));
        let release = async { drop(held) };
        let (unknown, uses, ends, ()) = tokio::join!(one, join_all(uses), join_all(ends), release);
        assert_eq!(unknown, Ok(Answer::RefreshUsed));
        assert_eq!(uses, [Ok(Answer::Recorded), Ok(Answer::RefreshUsed)]);
        assert_eq!(ends, [Ok(Answer::Recorded), Ok(Answer::Recorded)]);
        assert_eq!(found(&world, 1).await.current, "a");
        assert_eq!(found(&world, 2).await.revoked_at, Some(world.now()));
        assert_eq!(record(&world.log, rotate(&world, 2, "one-2", "z")).await, Answer::RefreshUsed);
    }

    async fn many_ends_and_uses_in_any_order_on_two_nodes_leave_nobody_waiting(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        for number in 1..=20 {
            begin(&world, number).await;
        }
        for round in 0..5_u8 {
            let operations = (1..=20_u8).flat_map(|number| {
                let number = if round % 2 == 0 { number } else { 21 - number };
                let current = if round == 0 { format!("one-{number}") } else { format!("r{}-{number}", round - 1) };
                let next = format!("r{round}-{number}");
                let mut all = vec![(world.log.clone(), rotate(&world, number, &current, &next))];
                if number % 7 == 0 {
                    all.push((other.clone(), end(&world, number)));
                }
                all.push((other.clone(), rotate(&world, number, &current, &next)));
                all
            });
            let asked: Vec<_> = operations.map(|(log, op)| tokio::spawn(async move { record(&log, op).await })).collect();
            for answer in join_all(asked).await {
                assert!(matches!(answer.unwrap(), Answer::Recorded | Answer::RefreshUsed));
            }
        }
        for number in 1..=20 {
            let found = found(&world, number).await;
            assert_eq!(found.revoked_at.is_some(), number % 7 == 0);
            if number % 7 != 0 {
                assert_eq!(found.current, format!("r4-{number}"));
            }
        }
    }

    async fn a_use_that_is_refused_uses_up_no_assertion_and_a_used_assertion_no_refresh_token(store: TestStore) {
        let world = World::on(store).await;
        begin(&world, 1).await;
        let until = world.now().plus_seconds(300);
        let with = |jti: &str, operation: Operation<'static>| Operation {
            assertion: claiming(operation.entry.clone(), jti, until).assertion,
            ..operation
        };
        // One batch each, and then all in one.
        let wrong = with("a", rotate(&world, 1, "wrong", "x"));
        assert_eq!(record(&world.log, wrong).await, Answer::RefreshUsed);
        assert_eq!(record(&world.log, claiming(world.issued("claimed"), "a", until)).await, Answer::Recorded);
        let held = world.hold().await;
        let before = world.log.record(Operation::of(world.issued("before")));
        let asked = [
            world.log.record(with("a", rotate(&world, 1, "one-1", "b"))),
            world.log.record(with("b", end(&world, 2))),
            world.log.record(with("b", rotate(&world, 1, "wrong", "c"))),
        ];
        let release = async { drop(held) };
        let (_, answers, ()) = tokio::join!(before, join_all(asked), release);
        assert_eq!(answers, [Ok(Answer::AssertionUsed), Ok(Answer::Recorded), Ok(Answer::RefreshUsed)]);
        assert_eq!(found(&world, 1).await.current, "one-1");
        let good = with("c", rotate(&world, 1, "one-1", "d"));
        assert_eq!(record(&world.log, good).await, Answer::Recorded);
    }

    async fn nothing_is_rotated_on_a_view_that_was_overtaken(store: TestStore) {
        let world = World::on(store).await;
        begin(&world, 1).await;
        let old = world.change(tenant(1)).await;
        let new = world.change(tenant(1)).await;
        let stale = Operation { seen: Some(old), ..rotate(&world, 1, "one-1", "x") };
        assert_eq!(record(&world.log, stale).await, Answer::HeadMoved(Some(new)));
        assert_eq!(found(&world, 1).await.current, "one-1");
        let fresh = Operation { seen: Some(new), ..rotate(&world, 1, "one-1", "x") };
        assert_eq!(record(&world.log, fresh).await, Answer::Recorded);
    }

    async fn an_end_reaches_every_access_token_of_the_family_and_no_other(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        begin(&world, 1).await;
        begin(&world, 2).await;
        record(&world.log, rotate(&world, 1, "one-1", "two")).await;
        record(&world.log, Operation::of(issued(&world, "plain"))).await;
        let revoked = async |jti: &str| other.is_revoked(tenant(1), jti).await.unwrap();
        for jti in ["first-1", "by-two", "first-2", "plain", "unknown"] {
            assert!(!revoked(jti).await, "{jti}");
        }
        record(&world.log, end(&world, 1)).await;
        for (jti, ended) in [("first-1", true), ("by-two", true), ("first-2", false), ("plain", false)] {
            assert_eq!(revoked(jti).await, ended, "{jti}");
        }
        // One by itself.
        for jti in ["plain", "first-2"] {
            let one = Entry { kind: Kind::TokenRevoked, ..issued(&world, jti) };
            record(&world.log, doing(one, Change::RevokeToken)).await;
            assert!(revoked(jti).await, "{jti}");
        }
        assert!(!other.is_revoked(tenant(2), "plain").await.unwrap());
        assert_eq!(found(&world, 2).await.revoked_at, None);
    }

    async fn what_has_ended_goes_and_not_before(store: TestStore) {
        let world = World::on(store).await;
        begin(&world, 1).await;
        let one = Entry { kind: Kind::TokenRevoked, ..issued(&world, "plain") };
        record(&world.log, doing(one, Change::RevokeToken)).await;
        // The last access token outlives the family.
        world.clock.advance(86_400 - 60);
        record(&world.log, rotate(&world, 1, "one-1", "two")).await;
        record(&world.log, end(&world, 1)).await;
        world.log.keep_house().await.unwrap();
        assert!(!world.log.is_revoked(tenant(1), "plain").await.unwrap(), "it has ended");
        world.clock.advance(3_600);
        world.log.keep_house().await.unwrap();
        assert!(world.log.is_revoked(tenant(1), "by-two").await.unwrap());
        assert!(world.log.refresh_family(tenant(1), family(1)).await.unwrap().is_some());
        world.clock.advance(61);
        world.log.keep_house().await.unwrap();
        assert_eq!(world.log.refresh_family(tenant(1), family(1)).await.unwrap(), None);
        for table in ["refresh_families", "access_tokens"] {
            let sql = format!("SELECT count(*) FROM {}", world.table(table));
            let (rows,) = chancery_event_store::fetch_one!(&world.raw, (i64,), &sql).unwrap();
            assert_eq!(rows, 0, "{table}");
        }
    }

    async fn the_live_tokens_of_a_credential_are_listed_in_pages(store: TestStore) {
        let world = World::on(store).await;
        for number in 0..3 {
            record(&world.log, Operation::of(issued(&world, &format!("old-{number}")))).await;
        }
        world.clock.advance(1_800);
        for number in 0..3 {
            record(&world.log, Operation::of(issued(&world, &format!("new-{number}")))).await;
        }
        begin(&world, 1).await;
        record(&world.log, rotate(&world, 1, "one-1", "two")).await;
        let of = async |credential, after, limit| {
            let found = world.log.live_tokens(tenant(1), credential, after, limit).await.unwrap();
            (found.iter().filter_map(|one| one.jti.clone()).collect::<Vec<_>>(), found.last().map(|one| one.id))
        };
        let (first, last) = of(secret(1), None, 4).await;
        assert_eq!(first, ["old-0", "old-1", "old-2", "new-0"]);
        let (rest, _) = of(secret(1), last, 4).await;
        assert_eq!(rest, ["new-1", "new-2", "first-1"]);
        assert_eq!(of(secret(2), None, 4).await.0, ["by-two"]);
        world.clock.advance(1_800);
        assert_eq!(of(secret(1), None, 10).await.0, ["new-0", "new-1", "new-2", "first-1"], "the others have ended");
    }
}
