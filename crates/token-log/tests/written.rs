//! Whether records can be written: as those find it that are, and by trial where there are none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use std::time::{Duration, Instant};

use chancery_testkit::{on_both_stores, stores::TestStore};
use chancery_token_log::{Answer, RecordError, Unwritten};

use common::{World, operation, record};

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

on_both_stores! {
    async fn who_waits_for_a_lock_waits_for_the_store(store: TestStore) {
        let world = World::on(store).await;
        record(&world.log, operation(world.issued("before"), None)).await;
        assert_eq!(world.log.written(), Ok(()));
        let held = world.hold().await;
        let (log, issued) = (world.log.clone(), world.issued("held"));
        let waiting = tokio::spawn(async move { record(&log, operation(issued, None)).await });
        let since = Instant::now();
        while world.log.written().is_ok() {
            assert!(since.elapsed() < PATIENCE, "nobody minds");
            // When the task that writes has come to it is not known.
            world.clock.advance(1);
            tokio::task::yield_now().await;
        }
        let stands = world.log.written();
        assert!(matches!(stands, Err(Unwritten::Stands(5..))), "{stands:?}");
        drop(held);
        assert_eq!(waiting.await.unwrap(), Answer::Recorded);
        assert_eq!(world.log.written(), Ok(()));
    }

    async fn a_trial_finds_a_lock_that_stays_and_leaves_nothing_behind(store: TestStore) {
        let world = World::on(store).await;
        world.log.try_write().await;
        assert_eq!(world.log.written(), Ok(()));
        world.clock.advance(30);
        let held = world.hold().await;
        world.log.try_write().await;
        assert_eq!(world.log.written(), Ok(()), "somebody may write for a while");
        world.clock.advance(5);
        let stands = world.log.written();
        assert_eq!(stands, Err(Unwritten::Stands(5)));
        drop(held);
        world.log.try_write().await;
        assert_eq!(world.log.written(), Ok(()));
        let rows = format!("SELECT COUNT(*) FROM {}", world.table("activity_fresh"));
        let (rows,) = chancery_event_store::fetch_one!(&world.raw, (i64,), &rows).unwrap();
        assert_eq!(rows, 0);
    }

    /// Nobody is asked a thousand times a second whether they are still away.
    async fn after_a_batch_that_failed_there_is_a_pause(store: TestStore) {
        let world = World::on(store).await;
        record(&world.log, operation(world.issued("x"), None)).await;
        world.log.close().await;
        let since = Instant::now();
        for _ in 0..5 {
            let gone = world.log.record(operation(world.issued("y"), None)).await;
            assert!(matches!(gone, Err(RecordError::Store(_))), "{gone:?}");
        }
        // 10, 20, 40 and 80 ms, and nobody waits for the last of them.
        assert!(since.elapsed() >= Duration::from_millis(150), "{:?}", since.elapsed());
        let failed = world.log.written();
        assert!(matches!(failed, Err(Unwritten::Failed(_))), "{failed:?}");
    }
}

/// On a disk that is full, batches fail at once. A node that is not asked any more finds out by itself when there is
/// room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_at_once_and_found_to_be_over() {
    let world = World::on(TestStore::postgres().await).await;
    record(&world.log, operation(world.issued("before"), None)).await;
    world
        .run(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$",
        )
        .await;
    world
        .run(
            "CREATE TRIGGER full_disk BEFORE INSERT ON token_log.activity_fresh
             FOR EACH ROW EXECUTE FUNCTION full_disk()",
        )
        .await;
    let failed = |written: Result<(), Unwritten>| matches!(written, Err(Unwritten::Failed(_)));
    let issued = operation(world.issued("lost"), None);
    assert!(world.log.record(issued).await.unwrap_err().may_pass());
    assert!(failed(world.log.written()));
    world.clock.advance(60);
    world.log.try_write().await;
    assert!(failed(world.log.written()), "a trial needs room too");

    world
        .run("DROP TRIGGER full_disk ON token_log.activity_fresh")
        .await;
    world.clock.advance(5);
    world.log.try_write().await;
    assert_eq!(world.log.written(), Ok(()));
}
