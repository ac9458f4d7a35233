//! Rolls are sealed, and what was sealed cannot be changed unseen. Every proof is checked by other
//! people's libraries.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use chancery::platform::{Platform, Settings};
use chancery_application::{ExportFailure, NotAccepted, Patrol, SealError};
use chancery_crypto::{MasterKey, Sealer, SystemEntropy};
use chancery_domain::{TenantId, value::Slug};
use chancery_event_store::{Backend, StoreLocation};
use serde_json::{Value, json};
use signed_note::{Note, StandardVerifier, VerifierList};
use sqlx::Connection;
use tlog_tiles::{Checkpoint, Hash, HashReader, check_record, check_tree, record_hash};

use crate::support::{GraphQl, World, dump, dump_tokens, run_sql, story};

/// A tree as another library has it.
#[derive(Default)]
struct Theirs(Vec<Hash>);

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes
            .iter()
            .map(|index| self.0[usize::try_from(*index).unwrap()])
            .collect())
    }
}

impl Theirs {
    fn of(lines: &[&str]) -> Self {
        let mut tree = Self::default();
        for (number, line) in (0..).zip(lines) {
            let hashes = tlog_tiles::stored_hashes(number, line.as_bytes(), &tree).unwrap();
            tree.0.extend(hashes);
        }
        tree
    }

    fn root(&self, size: u64) -> Hash {
        tlog_tiles::tree_hash(size, self).unwrap()
    }
}

/// What a note says that is signed with this key.
fn opened(note: &str, key: &str) -> Checkpoint {
    let note = Note::from_bytes(note.as_bytes()).unwrap();
    let verifiers = VerifierList::new(vec![Box::new(StandardVerifier::new(key.trim()).unwrap())]);
    let (signed, others) = note.verify(&verifiers).unwrap();
    assert_eq!((signed.len(), others.len()), (1, 0));
    Checkpoint::from_bytes(note.text()).unwrap()
}

async fn exported(platform: &Platform, slug: &str, from: u64) -> Result<String, ExportFailure> {
    let mut bytes = Vec::new();
    let slug = Slug::parse(slug).unwrap();
    let mut each = |_, _| {};
    platform
        .application
        .export_roll(&slug, from, &mut bytes, &mut each)
        .await?;
    Ok(String::from_utf8(bytes).unwrap())
}

/// The lines of a whole export that another library found to be what its checkpoint vouches for.
fn verified(export: &str) -> Vec<&str> {
    let (header, lines) = export.split_once('\n').unwrap();
    let header: Value = serde_json::from_str(header).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    let checkpoint = opened(
        header["checkpoint"].as_str().unwrap(),
        header["key"].as_str().unwrap(),
    );
    assert_eq!(checkpoint.origin(), header["origin"].as_str().unwrap());
    assert_eq!(checkpoint.size(), lines.len() as u64);
    assert_eq!(header["to"], checkpoint.size());
    assert_eq!(
        *checkpoint.hash(),
        Theirs::of(&lines).root(checkpoint.size())
    );
    lines
}

/// A second node on the same store, which has seen nothing yet.
async fn another(world: &World) -> Platform {
    another_with(world, |_| {}).await
}

async fn another_with(world: &World, set: impl FnOnce(&mut Settings)) -> Platform {
    let key = MasterKey::from_base64(&world.master_key).unwrap();
    let settings = Settings::new(
        &world.url,
        world.clock.clone(),
        Arc::new(SystemEntropy::new()),
    );
    let mut settings = settings.unwrap();
    set(&mut settings);
    let store = world.store.another().await;
    let sealer = Arc::new(Sealer::new(key, None));
    Platform::open(store, sealer, settings, |_| unreachable!())
        .await
        .unwrap()
}

async fn tenant_id(operator: &GraphQl<'_>, slug: &str) -> TenantId {
    let tenant = operator
        .query(
            "tenant",
            &format!("{{ tenant(slug: \"{slug}\") {{ id }} }}"),
        )
        .await
        .data();
    tenant["id"].as_str().unwrap().parse().unwrap()
}

async fn checkpoint(operator: &GraphQl<'_>, slug: &str) -> Value {
    let query = format!("{{ checkpoint(tenant: \"{slug}\") {{ origin size root note key }} }}");
    operator.query("checkpoint", &query).await.data()
}

/// Past the trigger that refuses it, as somebody with the database in his hands would.
async fn tamper(world: &World, sql: &str) {
    let trigger = match world.store.backend() {
        Backend::Sqlite => "DROP TRIGGER IF EXISTS events_are_not_changed",
        Backend::Postgres => "DROP TRIGGER IF EXISTS events_are_final ON events",
    };
    run_sql(world.store.database(), trigger).await;
    let trigger = match world.store.backend() {
        Backend::Sqlite => "DROP TRIGGER IF EXISTS events_are_not_deleted",
        Backend::Postgres => "SELECT 1",
    };
    run_sql(world.store.database(), trigger).await;
    run_sql(world.store.database(), sql).await;
}

/// Renames an API so many times, each time to another name.
async fn rename(operator: &GraphQl<'_>, api: &str, times: usize) {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..times {
        let number = NAMES.fetch_add(1, Ordering::SeqCst);
        let input = json!({"api": api, "name": format!("Orders {number}")});
        operator
            .mutation("updateApi", "api { id }", input)
            .await
            .data();
    }
}

async fn get(world: &World, path: &str) -> (u16, String, String) {
    let answer = world
        .http
        .get(format!("{}{path}", world.url))
        .send()
        .await
        .unwrap();
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    (answer.status().as_u16(), kind, answer.text().await.unwrap())
}

/// Asks for proofs of all kinds of places, and lets another library check them.
async fn proofs_lead_to_the_root(operator: &GraphQl<'_>, first: &Value, lines: &[&str]) {
    let latest = checkpoint(operator, "acme").await;
    let (size, root) = (
        lines.len() as u64,
        Hash::parse_hash(latest["root"].as_str().unwrap()).unwrap(),
    );
    assert_eq!(latest["size"], size.to_string());
    assert_eq!(latest["key"], first["key"]);
    let hashes = |proof: &Value| -> Vec<Hash> {
        let hashes = proof["hashes"].as_array().unwrap().iter();
        hashes
            .map(|hash| Hash::parse_hash(hash.as_str().unwrap()).unwrap())
            .collect()
    };
    for seq in [1, 2, 255, 256, 257, size - 1, size] {
        let query = format!(
            "{{ inclusionProof(tenant: \"acme\", seq: \"{seq}\", size: \"{size}\") {{ seq size root hashes }} }}"
        );
        let proof = operator.query("inclusionProof", &query).await.data();
        assert_eq!(proof["root"], latest["root"]);
        let leaf = record_hash(lines[usize::try_from(seq).unwrap() - 1].as_bytes());
        check_record(&hashes(&proof), size, root, seq - 1, leaf).unwrap();
        assert!(check_record(&hashes(&proof), size, root, seq - 1, record_hash(b"other")).is_err());
    }
    let old: u64 = first["size"].as_str().unwrap().parse().unwrap();
    let tree = Theirs::of(lines);
    for from in [1, old, 255, 256, 257, size - 1, size] {
        let query = format!(
            "{{ consistencyProof(tenant: \"acme\", from: \"{from}\", to: \"{size}\") {{ from to fromRoot toRoot hashes }} }}"
        );
        let proof = operator.query("consistencyProof", &query).await.data();
        assert_eq!(proof["toRoot"], latest["root"]);
        let earlier = Hash::parse_hash(proof["fromRoot"].as_str().unwrap()).unwrap();
        assert_eq!(earlier, tree.root(from));
        check_tree(&hashes(&proof), size, root, from, earlier).unwrap();
    }
    assert_eq!(
        Hash::parse_hash(first["root"].as_str().unwrap()).unwrap(),
        tree.root(old),
        "the checkpoint that was kept"
    );
    for wrong in [
        format!("inclusionProof(tenant: \"acme\", seq: \"0\", size: \"{size}\") {{ root }}"),
        format!(
            "inclusionProof(tenant: \"acme\", seq: \"{}\", size: \"{size}\") {{ root }}",
            size + 1
        ),
        format!(
            "inclusionProof(tenant: \"acme\", seq: \"1\", size: \"{}\") {{ root }}",
            size + 1
        ),
        format!(
            "consistencyProof(tenant: \"acme\", from: \"1\", to: \"{}\") {{ from }}",
            size + 1
        ),
        format!("consistencyProof(tenant: \"acme\", from: \"{size}\", to: \"1\") {{ from }}"),
        "consistencyProof(tenant: \"acme\", from: \"-1\", to: \"1\") { from }".to_owned(),
    ] {
        let answer = operator.query("proof", &format!("{{ {wrong} }}")).await;
        assert_eq!(answer.code(), "INVALID_INPUT", "{wrong}");
    }
}

/// Long after it was sealed an entry is changed. The next seal looks at the last tile only; the patrol
/// finds it, and so does every export.
async fn what_was_changed_long_ago_is_found(world: &World, second: &Platform, api: &str) {
    let operator = world.operator().await;
    let id = tenant_id(&operator, "acme").await;
    let original = format!(
        "SELECT CAST(payload AS TEXT) FROM events WHERE tenant_id = '{id}' AND tenant_seq = 20"
    );
    let (original,) =
        chancery_event_store::fetch_one!(&*world.store, (String,), &original).unwrap();
    let change = |payload: &str| {
        format!(
            "UPDATE events SET payload = '{payload}' WHERE tenant_id = '{id}' AND tenant_seq = 20"
        )
    };
    tamper(world, &change(r#"{"name":"Another"}"#)).await;
    rename(&operator, api, 1).await;
    world.platform.application.seal_roll(id).await.unwrap();
    let mut patrol = Patrol::default();
    for _ in 0..3 {
        world
            .platform
            .application
            .patrol(&mut patrol)
            .await
            .unwrap();
    }
    let stopped = world.platform.application.stopped_seals(100).await.unwrap();
    assert_eq!(
        stopped.get(&id).map(|fault| &**fault),
        Some("entry 20 is not the one that was sealed")
    );
    let ready: Value = world
        .http
        .get(format!("{}/readyz", world.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&ready["status"], &ready["rolls"]),
        (&json!("ready"), &json!(1))
    );
    assert!(
        !ready.to_string().contains(&id.to_string()),
        "anybody may ask, so no tenant is named: {ready}"
    );
    let refused = exported(second, "acme", 1).await;
    assert!(
        matches!(&refused, Err(ExportFailure::Tampered(fault)) if fault.contains("entry 20")),
        "{refused:?}"
    );

    // Nothing more is sealed, the last checkpoint stays, and changes go on.
    let before = checkpoint(&operator, "acme").await;
    rename(&operator, api, 1).await;
    assert_eq!(checkpoint(&operator, "acme").await, before);
    assert!(matches!(
        second.application.seal_roll(id).await,
        Err(SealError::Stopped(_))
    ));
    assert_eq!(
        second.application.seal_rolls().await.unwrap().failed,
        0,
        "it is not tried again and again"
    );

    // Once it is as it was, an export finds so, and sealing goes on.
    tamper(world, &change(&original)).await;
    verified(&exported(second, "acme", 1).await.unwrap());
    assert!(
        world
            .platform
            .application
            .stopped_seals(100)
            .await
            .unwrap()
            .is_empty()
    );
}

story! {
    async fn checkpoint_and_key_are_published_for_everybody(world: World) {
        world.acme().await;
        let (status, kind, note) = get(&world, "/t/acme/roll/checkpoint").await;
        assert_eq!((status, &*kind), (200, "text/plain; charset=utf-8"));
        let (status, kind, key) = get(&world, "/t/acme/roll/key").await;
        assert_eq!((status, &*kind), (200, "text/plain; charset=utf-8"));
        let first = opened(&note, &key);
        let authority = world.url.strip_prefix("http://").unwrap();
        assert_eq!(first.origin(), format!("{authority}/t/acme/roll"));
        assert!(first.size() > 0);
        assert_eq!(verified(&exported(&world.platform, "acme", 1).await.unwrap()).len() as u64, first.size());

        for nobody in ["/t/nobody/roll/checkpoint", "/t/nobody/roll/key", "/t/A%20B/roll/key"] {
            let (status, kind, _) = get(&world, nobody).await;
            assert_eq!((status, &*kind), (404, "application/problem+json"), "{nobody}");
        }

        // A tenant that has ended is one that auditors look at.
        let operator = world.operator().await;
        for verb in ["suspendTenant", "closeTenant"] {
            operator.mutation(verb, "tenant { state }", json!({"tenant": "acme", "reason": "test"})).await.data();
            let sealed = checkpoint(&operator, "acme").await;
            let (_, _, note) = get(&world, "/t/acme/roll/checkpoint").await;
            assert_eq!(sealed["note"], *note);
            assert_eq!(opened(&note, &key).size().to_string(), sealed["size"]);
        }
    }


}

story! {
    async fn fifty_writers_while_two_nodes_seal(world: World) {
        let acme = world.acme().await;
        let second = Arc::new(another(&world).await);
        let operator = world.operator().await;
        let first = checkpoint(&operator, "acme").await;
        let ended = Arc::new(AtomicBool::new(false));

        let sealers: Vec<_> = [world.platform.application.clone(), second.application.clone()]
            .into_iter()
            .map(|application| {
                let ended = ended.clone();
                tokio::spawn(async move {
                    let mut sealed = 0;
                    while !ended.load(Ordering::SeqCst) {
                        let round = application.seal_rolls().await.unwrap();
                        assert_eq!(round.failed, 0);
                        sealed += round.sealed;
                        tokio::task::yield_now().await;
                    }
                    sealed
                })
            })
            .collect();
        let exporter = tokio::spawn({
            let (second, ended) = (second.clone(), ended.clone());
            async move {
                let mut exports = Vec::new();
                while exports.len() < 8 && !ended.load(Ordering::SeqCst) {
                    exports.push(exported(&second, "acme", 1).await.unwrap());
                }
                exports
            }
        });
        let writers = (0..50).map(|_| rename(&operator, &acme.api, 6));
        futures_util::future::join_all(writers).await;
        ended.store(true, Ordering::SeqCst);
        let mut sealed = 0;
        for sealer in sealers {
            sealed += sealer.await.unwrap();
        }
        assert!(sealed > 0, "something was sealed while others wrote");

        // Dense, and the tree is what the lines add up to; each earlier export is the beginning of it.
        let export = exported(&world.platform, "acme", 1).await.unwrap();
        let lines = verified(&export);
        assert!(lines.len() > 256, "{}", lines.len());
        for (line, number) in lines.iter().zip(1..) {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["tenant_seq"], number);
        }
        for earlier in exporter.await.unwrap() {
            assert!(lines.starts_with(&verified(&earlier)));
        }

        let size = lines.len() as u64;
        proofs_lead_to_the_root(&operator, &first, &lines).await;
        // An export from the middle carries the roots of what is before it.
        let part = exported(&world.platform, "acme", 200).await.unwrap();
        let (header, rest) = part.split_once('\n').unwrap();
        let header: Value = serde_json::from_str(header).unwrap();
        assert_eq!((&header["from"], &header["to"]), (&json!(200), &json!(size)));
        assert_eq!(header["prefix"].as_array().unwrap().len(), 199_u64.count_ones() as usize);
        assert_eq!(rest.lines().collect::<Vec<_>>(), lines[199..]);
        let beyond = exported(&world.platform, "acme", size + 1).await;
        assert!(matches!(beyond, Err(ExportFailure::Beyond { .. })), "{beyond:?}");

        what_was_changed_long_ago_is_found(&world, &second, &acme.api).await;
    }
}

story! {
    async fn what_was_changed_in_the_last_tile_stops_the_next_seal(world: World) {
        let operator = world.operator().await;
        for (number, sql) in [
            "UPDATE events SET payload = '{\"name\":\"Another\"}' WHERE tenant_id = '{id}' AND tenant_seq = {last}",
            "UPDATE events SET actor_id = 'nobody' WHERE tenant_id = '{id}' AND tenant_seq = {last}",
            "DELETE FROM events WHERE tenant_id = '{id}' AND tenant_seq = {last}",
            "DELETE FROM tiles WHERE tenant_id = '{id}'",
            "UPDATE seals SET note = replace(note, 'roll', 'role') WHERE tenant_id = '{id}'",
        ]
        .into_iter()
        .enumerate()
        {
            let slug = format!("acme-{number}");
            let acme = world.tenant_like_acme(&slug).await;
            rename(&operator, &acme.api, 1).await;
            let id = tenant_id(&operator, &slug).await;
            let sealed = world.platform.application.seal_roll(id).await.unwrap();
            let sql = sql.replace("{id}", &id.to_string()).replace("{last}", &sealed.checkpoint.size.to_string());
            tamper(&world, &sql).await;
            rename(&operator, &acme.api, 1).await;
            let outcome = world.platform.application.seal_roll(id).await;
            assert!(matches!(outcome, Err(SealError::Stopped(_))), "{sql}: {outcome:?}");
            let again = exported(&world.platform, &slug, 1).await;
            assert!(matches!(again, Err(ExportFailure::Tampered(_))), "{sql}: {again:?}");
        }
        assert_eq!(world.platform.application.stopped_seals(100).await.unwrap().len(), 5);
    }
}

/// Takes the seal and the tiles as they are now, to put them back later.
async fn keep_a_copy(world: &World) {
    for table in ["seals", "tiles"] {
        run_sql(
            world.store.database(),
            &format!("CREATE TABLE {table}_then AS SELECT * FROM {table}"),
        )
        .await;
    }
}

/// Puts the copy back, as somebody would who wants later entries to be sealed anew.
async fn put_it_back(world: &World, id: TenantId) {
    for table in ["seals", "tiles"] {
        let gone = format!("DELETE FROM {table} WHERE tenant_id = '{id}'");
        run_sql(world.store.database(), &gone).await;
        let back =
            format!("INSERT INTO {table} SELECT * FROM {table}_then WHERE tenant_id = '{id}'");
        run_sql(world.store.database(), &back).await;
    }
    let unsealed = format!("UPDATE tenant_log SET unsealed_since = 1 WHERE tenant_id = '{id}'");
    run_sql(world.store.database(), &unsealed).await;
}

fn is_stopped<T: std::fmt::Debug>(outcome: &Result<T, SealError>, with: &str) {
    assert!(
        matches!(outcome, Err(SealError::Stopped(fault)) if fault.contains(with)),
        "{with}: {outcome:?}"
    );
}

story! {
    async fn a_seal_that_was_put_back_is_refused_by_who_has_seen_more(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let application = &world.platform.application;
        let id = tenant_id(&operator, "acme").await;
        application.seal_roll(id).await.unwrap();
        keep_a_copy(&world).await;
        rename(&operator, &acme.api, 3).await;
        let kept = checkpoint(&operator, "acme").await;
        let size: u64 = kept["size"].as_str().unwrap().parse().unwrap();

        // Back to the earlier seal, and a later entry is another one now.
        put_it_back(&world, id).await;
        tamper(&world, &format!("UPDATE events SET payload = '{{\"name\":\"Another\"}}' WHERE tenant_id = '{id}' AND tenant_seq = {size}")).await;
        // Nobody has asked and nothing has changed since: the patrol finds it.
        application.patrol(&mut Patrol::default()).await.unwrap();
        let stopped = application.stopped_seals(100).await.unwrap();
        let seen = format!("this node has seen one of {size}");
        assert!(stopped[&id].contains(&seen) && stopped[&id].contains("chancery audit accept"), "{stopped:?}");
        is_stopped(&application.seal_roll(id).await, &seen);
        let refused = exported(&world.platform, "acme", 1).await;
        assert!(matches!(&refused, Err(ExportFailure::Tampered(_))), "{refused:?}");
        // What is published is what was signed last.
        assert_eq!(checkpoint(&operator, "acme").await, kept);
        assert_eq!(get(&world, "/t/acme/roll/checkpoint").await.2, kept["note"].as_str().unwrap());
        assert_eq!(get(&world, "/t/acme/roll/key").await.2.trim(), kept["key"].as_str().unwrap());

        // The alarm is taken away too, and a node that remembers nothing seals what it finds.
        let alarm = format!("UPDATE seals SET fault = NULL WHERE tenant_id = '{id}'");
        run_sql(world.store.database(), &alarm).await;
        let forgetful = another(&world).await;
        let forged = forgetful.application.seal_roll(id).await.unwrap();
        assert_eq!((forged.checkpoint.size, forged.checkpoint.root.to_string() == kept["root"]), (size, false));
        is_stopped(&application.sealed_roll(id).await, "does not go on from");
        run_sql(world.store.database(), &alarm).await;
        rename(&operator, &acme.api, 2).await;
        assert!(forgetful.application.seal_roll(id).await.unwrap().checkpoint.size > size);
        is_stopped(&application.seal_roll(id).await, "does not go on from");
        is_stopped(&forgetful.application.seal_roll(id).await, "does not go on from");
        assert_eq!(checkpoint(&operator, "acme").await, kept);
        let ready: Value = world.http.get(format!("{}/readyz", world.url)).send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["rolls"], 1, "{ready}");
    }
}

story! {
    async fn an_older_copy_is_taken_when_somebody_says_so(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let application = &world.platform.application;
        let id = tenant_id(&operator, "acme").await;
        let slug = Slug::parse("acme").unwrap();
        application.seal_roll(id).await.unwrap();
        assert_eq!(application.accept_seals(Some(&slug)).await.unwrap(), [], "there is nothing to accept");
        keep_a_copy(&world).await;
        rename(&operator, &acme.api, 3).await;
        let kept = checkpoint(&operator, "acme").await;
        put_it_back(&world, id).await;
        is_stopped(&application.seal_roll(id).await, "this node has seen");

        // Of a copy that is not whole there is nothing to accept.
        let change = |from: &str, to: &str| format!("UPDATE events SET actor_id = '{to}' WHERE tenant_id = '{id}' AND tenant_seq = 1 AND actor_id LIKE '{from}'");
        let (actor,) = chancery_event_store::fetch_one!(&*world.store, (String,), &format!("SELECT actor_id FROM events WHERE tenant_id = '{id}' AND tenant_seq = 1")).unwrap();
        tamper(&world, &change("%", "nobody")).await;
        let refused = application.accept_seals(Some(&slug)).await;
        assert!(matches!(&refused, Err(NotAccepted::NotWhole { fault, .. }) if fault.contains("1 of ")), "{refused:?}");
        tamper(&world, &change("nobody", &actor)).await;

        let accepted = application.accept_seals(None).await.unwrap();
        assert_eq!(accepted.len(), 1);
        assert_eq!((accepted[0].tenant, &*accepted[0].given_up), (id, kept["note"].as_str().unwrap()));
        assert!(application.stopped_seals(100).await.unwrap().is_empty());
        let sealed = application.seal_roll(id).await.unwrap();
        assert_eq!(sealed.key.to_string(), kept["key"].as_str().unwrap());
        verified(&exported(&world.platform, "acme", 1).await.unwrap());
    }
}

story! {
    async fn a_roll_that_has_lost_its_seal_gets_no_other_key(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        rename(&operator, &acme.api, 3).await;
        let kept = checkpoint(&operator, "acme").await;
        let id = tenant_id(&operator, "acme").await;
        let then: u64 = kept["size"].as_str().unwrap().parse().unwrap();
        tamper(&world, &format!("UPDATE events SET payload = '{{\"name\":\"Another\"}}' WHERE tenant_id = '{id}' AND tenant_seq = {then}")).await;
        let forgetful = another(&world).await;
        for table in ["seals", "tiles"] {
            tamper(&world, &format!("DELETE FROM {table} WHERE tenant_id = '{id}'")).await;
            // Who has seen it knows, and who has not finds what is left of it.
            is_stopped(&world.platform.application.seal_roll(id).await, "this node has seen");
            let outcome = forgetful.application.seal_roll(id).await;
            is_stopped(&outcome, "a new key is never made for a roll that had one");
            let stopped = forgetful.application.stopped_seals(100).await.unwrap();
            assert!(stopped.contains_key(&id), "the database has no place for it any more: {stopped:?}");
        }
        // Nobody has asked: the patrol finds it.
        let another_one = another(&world).await;
        another_one.application.patrol(&mut Patrol::default()).await.unwrap();
        assert!(another_one.application.stopped_seals(100).await.unwrap().contains_key(&id));

        // With the key gone too, only who kept something can tell: this node, or an auditor.
        tamper(&world, &format!("DELETE FROM sealed_keys WHERE tenant_id = '{id}' AND purpose = 'note-key'")).await;
        let export = exported(&forgetful, "acme", 1).await.unwrap();
        let lines = verified(&export);
        let header: Value = serde_json::from_str(export.lines().next().unwrap()).unwrap();
        assert_ne!(header["key"], kept["key"]);
        assert_ne!(Hash::parse_hash(kept["root"].as_str().unwrap()).unwrap(), Theirs::of(&lines).root(then));
        is_stopped(&world.platform.application.seal_roll(id).await, "as the key of this roll");
        assert_eq!(checkpoint(&operator, "acme").await, kept);
    }
}

/// What shows every write: what each row holds, and on PostgreSQL who has written it and where; on SQLite the
/// number of commits.
async fn written(world: &World) -> String {
    let database = world.store.database();
    let mut rows = dump(database).await + &dump_tokens(database).await;
    let StoreLocation::Postgres(url) = database.location() else {
        return rows;
    };
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    for table in [
        "events",
        "tenant_log",
        "seals",
        "tiles",
        "sealed_keys",
        "commands",
    ] {
        let sql = format!(
            "SELECT COALESCE(string_agg(ctid::text || ' ' || xmin::text, ', ' ORDER BY ctid), '') FROM {table}"
        );
        let (of_table,): (String,) = sqlx::query_as(&sql)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        rows.extend([table, " ", &of_table, "\n"]);
    }
    rows
}

story! {
    /// Anybody may ask for a checkpoint and a key, so what is asked again and again writes nothing: not where a roll
    /// is sealed, and not where there is an alarm of any kind.
    async fn whoever_asks_for_a_checkpoint_again_makes_the_server_write_nothing(world: World) {
        let operator = world.operator().await;
        let mut ids = Vec::new();
        for slug in ["whole", "changed", "back", "gone", "keyless"] {
            let acme = world.tenant_like_acme(slug).await;
            let id = tenant_id(&operator, slug).await;
            checkpoint(&operator, slug).await;
            ids.push((slug, id, acme.api));
        }
        let id = |slug: &str| ids.iter().find(|(of, ..)| *of == slug).unwrap().1;
        keep_a_copy(&world).await;
        rename(&operator, &ids[2].2, 2).await;
        checkpoint(&operator, "back").await;
        put_it_back(&world, id("back")).await;
        tamper(&world, &format!("UPDATE events SET actor_id = 'nobody' WHERE tenant_id = '{}' AND tenant_seq = 3", id("changed"))).await;
        rename(&operator, &ids[1].2, 1).await;
        tamper(&world, &format!("DELETE FROM seals WHERE tenant_id = '{}'", id("gone"))).await;
        tamper(&world, &format!("DELETE FROM sealed_keys WHERE tenant_id = '{}' AND purpose = 'note-key'", id("keyless"))).await;
        rename(&operator, &ids[4].2, 1).await;

        let ask = async || {
            let mut answers = Vec::new();
            for (slug, ..) in &ids {
                for what in ["checkpoint", "key"] {
                    answers.push(get(&world, &format!("/t/{slug}/roll/{what}")).await);
                }
            }
            for nobody in ["/t/nobody/roll/checkpoint", "/t/nobody/roll/key"] {
                answers.push(get(&world, nobody).await);
            }
            answers
        };
        // What is found the first time is written down, once.
        world.platform.application.seal_rolls().await.unwrap();
        let first = ask().await;
        assert!(first[..10].iter().all(|(status, ..)| *status == 200), "{first:?}");
        assert_eq!(world.platform.application.stopped_seals(100).await.unwrap().len(), 4);
        let (before, mut commits) = (written(&world).await, Commits::of(&world).await);
        for _ in 0..3 {
            assert_eq!(ask().await, first);
        }
        assert_eq!(written(&world).await, before);
        assert!(commits.are_none().await, "something was committed");
        rename(&operator, &ids[0].2, 1).await;
        assert_ne!(written(&world).await, before, "a change is seen to be written");
        assert!(!commits.are_none().await || world.store.backend() == Backend::Postgres);
    }
}

/// Whether others have committed anything to a SQLite database, as it says itself.
struct Commits(Option<(sqlx::SqliteConnection, i64)>);

impl Commits {
    async fn of(world: &World) -> Self {
        let StoreLocation::Sqlite(path) = world.store.database().location() else {
            return Self(None);
        };
        let url = format!("sqlite://{}", path.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let version = data_version(&mut connection).await;
        Self(Some((connection, version)))
    }

    async fn are_none(&mut self) -> bool {
        match &mut self.0 {
            None => true,
            Some((connection, before)) => data_version(connection).await == *before,
        }
    }
}

async fn data_version(connection: &mut sqlx::SqliteConnection) -> i64 {
    sqlx::query_scalar("PRAGMA data_version")
        .fetch_one(connection)
        .await
        .unwrap()
}

story! {
    /// What waits to be sealed is marked. Whoever takes the mark away keeps nothing from being sealed.
    async fn what_is_not_marked_is_sealed_too(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let application = &world.platform.application;
        let id = tenant_id(&operator, "acme").await;
        let before = application.seal_roll(id).await.unwrap().checkpoint.size;
        rename(&operator, &acme.api, 3).await;
        run_sql(world.store.database(), "UPDATE tenant_log SET unsealed_since = NULL").await;
        assert_eq!(application.seal_rolls().await.unwrap().sealed, 0, "nobody knows of it");
        let mut patrol = Patrol::default();
        for _ in 0..3 {
            application.patrol(&mut patrol).await.unwrap();
        }
        let sealed = application.sealed_roll(id).await.unwrap().unwrap();
        assert_eq!(sealed.checkpoint.size, before + 3);
    }
}

story! {
    async fn a_command_does_not_name_the_log_of_a_roll(world: World) {
        let operator = world.operator().await;
        let id = tenant_id(&operator, "system").await;
        for table in ["seals", "sealed_keys WHERE purpose = 'note-key'", "tiles"] {
            run_sql(world.store.database(), &format!("DELETE FROM {table}")).await;
        }
        let command = another_with(&world, |settings| settings.begins_seals = false).await;
        let outcome = command.application.seal_roll(id).await;
        assert!(matches!(outcome, Err(SealError::NotBegun)), "{outcome:?}");
        // A tenant's log has its name as soon as there is a tenant.
        world.acme().await;
        let acme = tenant_id(&operator, "acme").await;
        let sealed = command.application.seal_roll(acme).await.unwrap();
        assert!(sealed.checkpoint.origin.ends_with("/t/acme/roll"));
    }
}
