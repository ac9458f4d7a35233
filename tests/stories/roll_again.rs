//! A roll that was exported, read into an empty store: it is the same roll.

use chancery_domain::{Entry, EventId, value::Slug};
use chancery_event_store::{Provenance, Store, Versions, entries_page};
use chancery_roll::{
    line::{self, Line},
    testing::Sample,
};
use chancery_testkit::{on_both_stores, stores::TestStore};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::json;

use crate::support::{World, story};

/// Appends entries as they were recorded: each with its own id, moment, actor and trace.
async fn read_in(store: &Store, lines: &[String]) {
    for line in lines {
        let entry = Line::read(line.as_bytes()).unwrap().entry().unwrap();
        let recorded = entry.understood().unwrap();
        let mut tx = store.begin().await.unwrap();
        let numbers = tx
            .take_numbers(recorded.tenant, 1, recorded.recorded_at)
            .await
            .unwrap();
        let read: Versions = [(recorded.stream, recorded.sequence - 1)]
            .into_iter()
            .collect();
        let provenance = Provenance {
            actor: recorded.actor.clone(),
            command_id: recorded.command_id,
            trace_id: recorded.trace_id.clone(),
        };
        let events = [(recorded.stream, recorded.event.clone())];
        let ids: [EventId; 1] = [recorded.id];
        let written = tx
            .append(numbers, &events, &read, &provenance, ids)
            .await
            .unwrap();
        assert_eq!(written, [recorded]);
        tx.commit().await.unwrap();
    }
}

/// The lines that the store's entries have.
async fn lines_of(store: &Store, first: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let after = i64::try_from(lines.len()).unwrap();
        let page = entries_page(store, first.tenant, after, 100).await.unwrap();
        lines.extend(page.iter().map(line::write));
        if page.len() < 100 {
            return lines;
        }
    }
}

fn entry(line: &str) -> Entry {
    Line::read(line.as_bytes()).unwrap().entry().unwrap()
}

on_both_stores! {
    async fn the_lines_of_any_roll_come_back_byte_for_byte(store: TestStore) {
        let mut runner = TestRunner::new_with_rng(
            Config::default(),
            TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]),
        );
        let lives = (any::<u64>(), 1..6_usize, 1..150_usize);
        for turn in 0..4 {
            let (seed, clients, entries) = lives.new_tree(&mut runner).unwrap().current();
            let lines: Vec<_> = Sample::new(seed, clients)
                .take(entries)
                .map(|entry| line::write(&entry))
                .collect();
            let empty = if turn == 0 { None } else { Some(fresh(&store).await) };
            let empty: &Store = empty.as_ref().map_or(&store, |fresh| fresh);
            read_in(empty, &lines).await;
            assert_eq!(lines_of(empty, &entry(&lines[0])).await, lines, "seed {seed}");
        }
    }
}

/// Another empty store of the same kind.
async fn fresh(store: &TestStore) -> TestStore {
    match store.backend() {
        chancery_event_store::Backend::Sqlite => TestStore::sqlite().await,
        chancery_event_store::Backend::Postgres => TestStore::postgres().await,
    }
}

story! {
    /// The roll of a tenant that operators worked on, through the admin API.
    async fn what_a_server_exports_is_the_same_roll_elsewhere(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let description = "Bills \u{1F9FE}, \"quotes\", \u{2028} and é";
        for (mutation, input) in [
            ("updateClient", json!({"client": acme.client, "description": description, "metadata": {"ü": [1, {"a": null}], "z": -9_007_199_254_740_991_i64}})),
            ("updateTenant", json!({"tenant": "acme", "policy": {"maxLiveSecrets": 5, "rateLimit": {"client": null}}})),
            ("rotateClientSecret", json!({"client": acme.client, "overlapSeconds": 60})),
            ("scheduleSecretRotation", json!({"client": acme.client, "everySeconds": 86_400})),
            ("disableClient", json!({"client": acme.client, "reason": "enough"})),
        ] {
            world.clock.advance(1);
            operator.mutation(mutation, "replayed", input).await.data();
        }
        let mut file = Vec::new();
        let slug = Slug::parse("acme").unwrap();
        world
            .platform
            .application
            .export_roll(&slug, 1, &mut file, &mut |_, _| {})
            .await
            .unwrap();
        let file = String::from_utf8(file).unwrap();
        let lines: Vec<_> = file.lines().skip(1).map(ToOwned::to_owned).collect();
        assert!(lines.len() > 12, "{}", lines.len());
        for empty in [TestStore::sqlite().await, TestStore::postgres().await] {
            read_in(&empty, &lines).await;
            assert_eq!(lines_of(&empty, &entry(&lines[0])).await, lines);
        }
    }
}
