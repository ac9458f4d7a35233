//! What is recorded, what is not, and what callers are told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use std::net::IpAddr;

use chancery_domain::Timestamp;
use chancery_event_store::Stamp;
use chancery_testkit::{on_both_stores, stores::TestStore};
use chancery_token_log::{Answer, Entry, Kind, RecordError};
use futures_util::{FutureExt, future::join_all};

use common::{World, claiming, client, operation, record, tenant};

on_both_stores! {
    async fn what_was_answered_is_there_with_every_member(store: TestStore) {
        let world = World::on(store).await;
        let seen = world.change(tenant(1)).await;
        let entry = Entry {
            client: Some(client(1).to_string().into()),
            credential: Some("secret_a".into()),
            scopes: Some("a b".into()),
            audience: Some("urn:x:one https://two.example".into()),
            jti: Some("j \"1\"".into()),
            expires_at: Some(world.now().plus_seconds(60)),
            address: Some("2001:db8::1".parse().unwrap()),
            user_agent: Some("curl/8\n\u{0}".into()),
            reason: Some("none"),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
            ..world.entry(tenant(1), Kind::TokenIssued)
        };
        assert_eq!(record(&world.log, operation(entry, Some(seen))).await, Answer::Recorded);
        let all = world.all(tenant(1)).await;
        let [found] = &all[..] else { panic!("{all:?}") };
        assert_eq!((found.at, found.kind, found.times), (world.now(), Kind::TokenIssued, 1));
        assert_eq!(found.client, Some(client(1).to_string()));
        assert_eq!(found.credential.as_deref(), Some("secret_a"));
        assert_eq!(found.scopes, ["a", "b"]);
        assert_eq!(found.audience, ["urn:x:one", "https://two.example"]);
        assert_eq!(found.jti.as_deref(), Some("j \"1\""));
        assert_eq!(found.expires_at, Some(world.now().plus_seconds(60)));
        assert_eq!(found.address.as_deref(), Some("2001:db8::1"));
        assert_eq!(found.user_agent.as_deref(), Some("curl/8\u{fffd}\u{fffd}"));
        assert_eq!(found.reason.as_deref(), Some("none"));
        assert_eq!(found.trace_id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert!(world.all(tenant(2)).await.is_empty(), "it is nobody else's");
    }

    async fn nothing_is_recorded_on_a_view_that_was_overtaken(store: TestStore) {
        let world = World::on(store).await;
        let old = world.change(tenant(1)).await;
        let other = world.change(tenant(2)).await;
        world.clock.advance(1);
        let new = world.change(tenant(1)).await;
        let failed_over = Stamp { recorded_at: Timestamp::from_micros(1), ..new };
        let ahead = Stamp { head: new.head + 1, ..new };
        // In one batch with others that are fresh.
        let asked = [
            (tenant(1), Some(old), Answer::HeadMoved(Some(new))),
            (tenant(1), Some(new), Answer::Recorded),
            (tenant(1), Some(failed_over), Answer::HeadMoved(Some(new))),
            (tenant(1), Some(ahead), Answer::HeadMoved(Some(new))),
            (tenant(2), Some(other), Answer::Recorded),
            (tenant(3), Some(old), Answer::HeadMoved(None)),
            (tenant(1), None, Answer::Recorded),
        ];
        let answers = asked.map(|(tenant, seen, _)| {
            record(&world.log, operation(world.entry(tenant, Kind::TokenIssued), seen))
        });
        let expected = asked.map(|(.., answer)| answer);
        assert_eq!(join_all(answers).await, expected);
        assert_eq!(world.all(tenant(1)).await.len(), 2);
        assert_eq!(world.all(tenant(2)).await.len(), 1);
        assert_eq!(world.all(tenant(3)).await.len(), 0);
    }

    async fn an_assertion_is_used_once_by_all_nodes_together(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        let until = world.now().plus_seconds(300);
        for round in 0..10 {
            let claims = (0..20).map(|number| {
                let log = if number % 2 == 0 { world.log.clone() } else { other.clone() };
                let operation = claiming(world.issued(&format!("{round}-{number}")), &format!("a{round}"), until);
                tokio::spawn(async move { record(&log, operation).await })
            });
            let answers: Vec<_> = join_all(claims).await.into_iter().map(Result::unwrap).collect();
            let won = answers.iter().filter(|answer| **answer == Answer::Recorded).count();
            let lost = answers.iter().filter(|answer| **answer == Answer::AssertionUsed).count();
            assert_eq!((won, lost), (1, 19));
        }
        assert_eq!(world.jtis().await.len(), 10, "who lost has left nothing");
    }

    async fn within_one_batch_the_first_claim_wins(store: TestStore) {
        let world = World::on(store).await;
        let held = world.hold().await;
        let until = world.now().plus_seconds(300);
        let one = world.log.record(operation(world.issued("before"), None));
        let claims = ["a", "b", "c"].map(|jti| world.log.record(claiming(world.issued(jti), "same", until)));
        let release = async { drop(held) };
        let (_, answers, ()) = tokio::join!(one, join_all(claims), release);
        assert_eq!(
            answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            [Answer::Recorded, Answer::AssertionUsed, Answer::AssertionUsed]
        );
        assert_eq!(world.jtis().await, ["before", "a"]);
    }

    async fn an_assertion_belongs_to_its_client_and_tenant_and_lives_as_long_as_it_could_come(store: TestStore) {
        let world = World::on(store).await;
        let until = world.now().plus_seconds(300);
        let claim = |entry: Entry<'static>| claiming(entry, "same", until);
        assert_eq!(record(&world.log, claim(world.issued("1"))).await, Answer::Recorded);
        assert_eq!(record(&world.log, claim(world.issued("2"))).await, Answer::AssertionUsed);
        let elsewhere = world.entry(tenant(2), Kind::TokenIssued);
        assert_eq!(record(&world.log, claim(elsewhere)).await, Answer::Recorded);
        let mut others = claim(world.issued("3"));
        others.assertion.as_mut().unwrap().client = client(2);
        assert_eq!(record(&world.log, others).await, Answer::Recorded);
        world.clock.advance(300);
        assert_eq!(record(&world.log, claim(world.issued("4"))).await, Answer::AssertionUsed);
        world.clock.advance(1);
        let again = claiming(world.issued("5"), "same", world.now().plus_seconds(300));
        assert_eq!(record(&world.log, again.clone()).await, Answer::Recorded);
        assert_eq!(record(&world.log, again).await, Answer::AssertionUsed);
    }

    async fn what_is_not_recorded_uses_up_no_assertion(store: TestStore) {
        let world = World::on(store).await;
        let old = world.change(tenant(1)).await;
        let new = world.change(tenant(1)).await;
        let until = world.now().plus_seconds(300);
        let claim = |jti: &str, seen| {
            let mut claim = claiming(world.issued(jti), "same", until);
            claim.seen = Some(seen);
            world.log.record(claim)
        };
        let answers = join_all([claim("old", old), claim("new", new)]).await;
        assert_eq!(answers, [Ok(Answer::HeadMoved(Some(new))), Ok(Answer::Recorded)]);
        assert_eq!(world.jtis().await, ["new"]);
    }

    async fn the_use_of_a_credential_is_counted_by_hour(store: TestStore) {
        let world = World::on(store).await;
        let other = world.another().await;
        let from = |address: [u8; 4]| Entry { address: Some(address.into()), ..world.issued("x") };
        for log in [&world.log, &other, &world.log] {
            record(log, operation(from([192, 0, 2, 1]), None)).await;
        }
        world.clock.advance(3_600);
        record(&other, operation(from([192, 0, 2, 2]), None)).await;
        // Denied: not a use.
        let denied = Entry { kind: Kind::TokenDenied, ..from([192, 0, 2, 9]) };
        record(&world.log, operation(denied, None)).await;
        let counted = async || {
            let table = world.table("credential_use");
            let sql = format!("SELECT credential_id, uses FROM {table} ORDER BY hour");
            chancery_event_store::fetch_all!(&world.raw, (String, i64), &sql).unwrap()
        };
        assert_eq!(counted().await, [], "a token does not wait for it");

        let asked = ["secret_a".to_owned(), "secret_b".to_owned()];
        for is_counted in [false, true] {
            let found = world.log.uses(tenant(1)).await.unwrap().last(&asked).await.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!((found["secret_a"].at, found["secret_a"].address.as_deref()), (world.now(), Some("192.0.2.2")));
            assert!(world.log.uses(tenant(2)).await.unwrap().last(&asked).await.unwrap().is_empty());
            assert!(world.log.uses(tenant(1)).await.unwrap().last(&[]).await.unwrap().is_empty());
            let clients = world.log.last_uses_of_clients(tenant(1), &[client(1), client(2)]).await.unwrap();
            assert_eq!(clients.len(), 1);
            assert_eq!(clients[&client(1)].at, world.now());
            let made = world.log.compact(tenant(1)).await.unwrap();
            assert_eq!(made, if is_counted { 0 } else { 2 }, "a segment for each hour");
            assert_eq!(counted().await, [("secret_a".to_owned(), 3), ("secret_a".to_owned(), 1)]);
        }
    }

    async fn a_record_that_cannot_be_written_fails_alone(store: TestStore) {
        let world = World::on(store).await;
        match world.raw.backend() {
            chancery_event_store::Backend::Postgres =>
                world.run("ALTER TABLE token_log.activity_fresh ADD CHECK (body NOT LIKE '%\"bad\"%')").await,
            chancery_event_store::Backend::Sqlite => world.run(
                "CREATE TRIGGER bad BEFORE INSERT ON activity_fresh WHEN NEW.body LIKE '%\"bad\"%'
                 BEGIN SELECT RAISE(ABORT, 'bad'); END").await,
        }
        let held = world.hold().await;
        let until = world.now().plus_seconds(300);
        let operations = ["before", "a", "bad", "b", "c"]
            .map(|jti| world.log.record(claiming(world.issued(jti), jti, until)));
        let release = async { drop(held) };
        let (answers, ()) = tokio::join!(join_all(operations), release);
        for (index, answer) in answers.into_iter().enumerate() {
            if index == 2 {
                let Err(error @ RecordError::Store(_)) = answer else { panic!("{answer:?}") };
                assert!(!error.may_pass(), "{error}");
            } else {
                assert_eq!(answer, Ok(Answer::Recorded), "{index}");
            }
        }
        assert_eq!(world.jtis().await, ["before", "a", "b", "c"]);
        // It has used up nothing.
        let good = claiming(world.issued("good"), "bad", until);
        assert_eq!(record(&world.log, good).await, Answer::Recorded);
    }

    async fn a_full_queue_is_busy_and_loses_nothing_that_it_took(store: TestStore) {
        let world = World::on(store).await;
        let held = world.hold().await;
        let mut taken = 0;
        let queued = loop {
            let queued = world.log.queue(world.issued("x")).unwrap();
            if !queued.is_done() {
                break queued;
            }
            taken += 1;
            assert!(taken < 20_000, "the queue has an end");
            if taken % 64 == 0 {
                tokio::task::yield_now().await;
            }
        };
        assert!(taken >= 4_096);
        // Whoever waits for nothing but room waits for that.
        let mut queued = std::pin::pin!(queued.done());
        let at_once = (&mut queued).now_or_never();
        let busy = world.log.record(operation(world.issued("y"), None)).await;
        // The writer may just have taken some.
        if busy != Err(RecordError::Busy) {
            assert!(matches!(busy, Ok(_) | Err(RecordError::Slow)), "{busy:?}");
        }
        drop(held);
        // The writer may just have made some.
        assert_eq!(match at_once { Some(queued) => queued, None => queued.await }, Ok(()));
        world.log.drain().await;
        assert!(world.all(tenant(1)).await.len() > taken);
        assert_eq!(world.log.waiting(), 0);
    }

    async fn nobody_stands_behind_denials_and_none_is_lost(store: TestStore) {
        let world = World::on(store).await;
        let held = world.hold().await;
        for number in 0..2_000_u32 {
            world.log.note(Entry {
                client: Some(client(1).to_string().into()),
                reason: Some("mismatch"),
                address: Some(IpAddr::V4(number.into())),
                ..world.entry(tenant(1), Kind::TokenDenied)
            });
        }
        assert!(world.log.waiting() <= 1_024, "the others are counted");
        let token = world.log.submit(operation(world.issued("x"), None)).unwrap();
        drop(held);
        assert_eq!(token.answer().await, Ok(Answer::Recorded));
        world.log.drain().await;
        let all = world.all(tenant(1)).await;
        // All were written at the same moment of the test's clock, so they stand in the order in which they were written:
        // the writer had a batch in its hand, and the token is in the next.
        let before = all.iter().position(|found| found.kind == Kind::TokenIssued).unwrap();
        assert!(before <= 3 * 8, "{before} denials were written before the token");
        let denied: Vec<_> = all.iter().filter(|found| found.kind == Kind::TokenDenied).collect();
        let told = denied.iter().filter(|found| found.client.is_some()).count();
        assert!(told > 1_000, "{told}: those that found room are told each");
        assert_eq!(denied.iter().map(|found| found.times).sum::<i64>(), 2_000);
        assert_eq!(world.log.dropped(), 0);
    }

    async fn who_goes_away_tears_nothing(store: TestStore) {
        let world = World::on(store).await;
        let held = world.hold().await;
        let asked: Vec<_> = (0..10)
            .map(|number| Box::pin(world.log.record(operation(world.issued(&number.to_string()), None))))
            .map(FutureExt::now_or_never)
            .collect();
        assert_eq!(asked, vec![None; 10], "each has asked, waited and gone away");
        drop(held);
        world.log.drain().await;
        let expected: Vec<_> = (0..10).map(|number| number.to_string()).collect();
        assert_eq!(world.jtis().await, expected);
    }

    async fn a_store_that_is_gone_records_nothing_and_says_so(store: TestStore) {
        let world = World::on(store).await;
        record(&world.log, operation(world.issued("x"), None)).await;
        world.log.close().await;
        let gone = world.log.record(operation(world.issued("y"), None)).await.unwrap_err();
        assert!(matches!(gone, RecordError::Store(_)) && gone.may_pass(), "{gone:?}");
        world.log.note(world.issued("z"));
        world.log.drain().await;
        assert_eq!(world.log.dropped(), 1);
    }

    async fn counted_denials_are_told_at_the_end(store: TestStore) {
        let world = World::on(store).await;
        for _ in 0..50 {
            world.log.note(Entry {
                client: Some("chs_abc".into()),
                reason: Some("mismatch"),
                address: Some([192, 0, 2, 1].into()),
                ..world.entry(tenant(1), Kind::TokenDenied)
            });
        }
        world.log.drain().await;
        let all = world.all(tenant(1)).await;
        assert_eq!(all.len(), 21);
        assert_eq!(all.iter().map(|found| found.times).sum::<i64>(), 50);
        assert_eq!(all[0].client.as_deref(), Some("(masked)"));
    }
}

/// On SQLite numbers are set aside by a transaction of their own. Where that is not committed, nobody may use them:
/// the next process would use them again. A constraint that is looked at when everything else is done
/// fails at the same place as a disk that is full then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_that_could_not_be_set_aside_are_not_used() {
    let world = World::on(TestStore::sqlite().await).await;
    for statement in [
        "CREATE TABLE others (id INTEGER PRIMARY KEY)",
        "CREATE TABLE faulty (id INTEGER REFERENCES others DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER faulty AFTER UPDATE ON activity_number BEGIN INSERT INTO faulty VALUES (7); END",
    ] {
        world.run(statement).await;
    }
    let refused = world
        .log
        .record(operation(world.issued("lost"), None))
        .await;
    assert!(matches!(refused, Err(RecordError::Store(_))), "{refused:?}");
    world.run("DROP TRIGGER faulty").await;

    let other = world.another().await;
    for number in 0..5 {
        for (log, name) in [(&world.log, "one"), (&other, "two")] {
            let issued = world.issued(&format!("{name}-{number}"));
            assert_eq!(record(log, operation(issued, None)).await, Answer::Recorded);
        }
    }
    assert_eq!(world.jtis().await.len(), 10);
}
