//! An auditor with what they kept, against somebody who has the file and would like it to say something
//! else.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    export::audit,
    projections::run,
    server::{Server, on_both_stores},
};

async fn create(server: &Server, token: &str, mutation: &str) {
    let made = server
        .graphql(token, &format!("mutation {{ {mutation} }}"))
        .await
        .unwrap();
    assert!(made["errors"].is_null(), "{made}");
}

async fn keep(server: &Server, path: &str, to: &Path) -> String {
    let answer = server.get(path).await;
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    let text = answer.text().await.unwrap();
    fs::write(to, &text).unwrap();
    text
}

/// Two tenants with some history, what was published of the first before the end of it, and the exports
/// of both.
async fn history(directory: &Path, arguments: &[String]) -> Server {
    let server = Server::start(directory, arguments);
    let token = server.operator_token().await;
    for slug in ["acme", "umbrella"] {
        let tenant = format!(
            "createTenant(input: {{slug: \"{slug}\", displayName: \"The company\"}}) {{ replayed }}"
        );
        create(&server, &token, &tenant).await;
        server.checkpoint(slug).await;
    }
    let client = |slug: &str, name: &str| {
        format!("createClient(input: {{tenant: \"{slug}\", name: \"{name}\"}}) {{ replayed }}")
    };
    create(&server, &token, &client("acme", "billing")).await;
    // An export seals to the end.
    let words = ["export", "--tenant", "acme", "-o", "early.ndjson"];
    assert_eq!(audit(directory, arguments, &words).0, 0);
    keep(&server, "/t/acme/roll/checkpoint", &directory.join("kept")).await;
    keep(&server, "/t/acme/roll/key", &directory.join("acme.key")).await;
    for slug in ["acme", "umbrella"] {
        create(&server, &token, &client(slug, "reports")).await;
        create(&server, &token, &client(slug, "stock")).await;
        let file = format!("{slug}.ndjson");
        let words = ["export", "--tenant", slug, "-o", &file, "--json"];
        let (status, stdout, stderr) = audit(directory, arguments, &words);
        assert_eq!((status, stderr.as_str()), (0, ""));
        let told: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((&told["file"], &told["from"]), (&file.into(), &1.into()));
        let origin = told["origin"].as_str().unwrap();
        assert!(origin.ends_with(&format!("/t/{slug}/roll")), "{origin}");
    }
    keep(
        &server,
        "/t/umbrella/roll/checkpoint",
        &directory.join("theirs"),
    )
    .await;
    server
}

on_both_stores! {
    async fn what_was_kept_finds_out_whatever_was_done(directory: &Path, arguments: &[String]) {
        let server = history(directory, arguments).await;
        let verify = |words: &[&str]| audit(directory, &[], &[&["verify"], words].concat());
        let right = ["acme.ndjson", "--key", "acme.key", "--checkpoint", "kept"];
        let (status, stdout, stderr) = verify(&right);
        assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
        assert!(stdout.contains("agrees with 1 checkpoint") && stdout.contains("the key is the one that you gave"), "{stdout}");
        // The server need not be there.
        drop(server);
        assert_eq!(verify(&right).0, 0);

        let refused = |words: &[&str], expected: i32, says: &str| {
            let (status, stdout, stderr) = verify(words);
            assert_eq!(status, expected, "{words:?}: {stdout}{stderr}");
            assert!(stderr.contains(says), "{words:?}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "one sentence: {stderr}");
            assert!(!stdout.contains("verified: entries"), "{stdout}");
        };
        // Another tenant's file, and another tenant's checkpoint.
        refused(&["umbrella.ndjson", "--key", "acme.key"], 1, "one of the two is of another tenant");
        refused(&["umbrella.ndjson", "--checkpoint", "kept"], 1, "/t/umbrella/roll");
        refused(&["acme.ndjson", "--checkpoint", "theirs"], 1, "/t/umbrella/roll");
        refused(&["acme.ndjson", "--key", "acme.key", "--checkpoint", "kept", "theirs"], 1, "/t/umbrella/roll");
        // An earlier file under a later checkpoint: its end was cut off, as far as the auditor knows.
        let later = header(directory, "acme.ndjson")["checkpoint"].as_str().unwrap().to_owned();
        fs::write(directory.join("later"), &later).unwrap();
        refused(&["early.ndjson", "--key", "acme.key", "--checkpoint", "later"], 1, "later");
        assert_eq!(verify(&["early.ndjson", "--key", "acme.key", "--checkpoint", "kept"]).0, 0);

        // The checkpoint edited: another size, another root, another name, no signature, half of it.
        let kept = fs::read_to_string(directory.join("kept")).unwrap();
        let lines: Vec<_> = kept.lines().collect();
        let size: u64 = lines[1].parse().unwrap();
        let edits = [
            (kept.replacen(lines[1], &(size - 1).to_string(), 1), 1),
            (kept.replacen(lines[2], &STANDARD.encode([7; 32]), 1), 1),
            (kept.replacen("/t/acme/roll\n", "/t/other/roll\n", 1), 1),
            (lines[..4].join("\n"), 2),
            (format!("{kept}\n"), 0),
            (kept.trim_end().to_owned(), 0),
            (kept[..kept.len() / 2].to_owned(), 2),
            (String::new(), 2),
        ];
        for (number, (edited, expected)) in edits.iter().enumerate() {
            fs::write(directory.join("edited"), edited).unwrap();
            let (status, stdout, stderr) = verify(&["acme.ndjson", "--key", "acme.key", "--checkpoint", "edited"]);
            assert_eq!(status, *expected, "{number}: {stdout}{stderr}");
        }

        // The file: every line that is changed, missing, doubled or swapped, and every place where it is cut.
        let file = fs::read_to_string(directory.join("acme.ndjson")).unwrap();
        let lines: Vec<_> = file.lines().collect();
        let names_it = |changed: &[&str], entry: usize| {
            fs::write(directory.join("changed"), changed.join("\n") + "\n").unwrap();
            refused(&["changed", "--key", "acme.key", "--checkpoint", "kept"], 1, "entr");
            let (_, stdout, _) = verify(&["changed", "--json"]);
            let fault = &serde_json::from_str::<Value>(&stdout).unwrap()["fault"];
            let (first, last) = (fault["first_entry"].as_u64().unwrap(), fault["last_entry"].as_u64().unwrap());
            assert!((first..=last).contains(&(entry as u64)), "{entry}: {fault}");
        };
        for entry in [1, 2, lines.len() / 2, lines.len() - 1] {
            let mut changed = lines.clone();
            let other = lines[entry].replace("\"recorded_at\":\"20", "\"recorded_at\":\"19");
            changed[entry] = &other;
            names_it(&changed, entry);
            let mut missing = lines.clone();
            missing.remove(entry);
            names_it(&missing, entry);
            let mut doubled = lines.clone();
            doubled.insert(entry, lines[entry]);
            names_it(&doubled, entry + 1);
        }
        let mut swapped = lines.clone();
        swapped.swap(2, 5);
        names_it(&swapped, 2);
        for cut in [1, 9, lines[0].len() / 2, lines[0].len()] {
            fs::write(directory.join("cut"), &file[..cut]).unwrap();
            let (status, stdout, stderr) = verify(&["cut", "--key", "acme.key"]);
            assert!((1..=2).contains(&status) && stdout.is_empty(), "{cut}: {stdout}{stderr}");
        }
        for cut in [lines[0].len() + 1, file.len() / 2, file.len() - 1] {
            fs::write(directory.join("cut"), &file[..cut]).unwrap();
            refused(&["cut", "--key", "acme.key"], 1, "entry");
        }
    }
}

on_both_stores! {
    async fn an_entry_that_is_not_in_the_database_is_named_and_never_passed_over(directory: &Path, arguments: &[String]) {
        let server = history(directory, arguments).await;
        let token = server.operator_token().await;
        let events = r#"{ events(tenant: "acme", first: 1000) { edges { node { tenantSeq recordedAt } } } }"#;
        let replay = || audit(directory, arguments, &["replay", "--tenant", "acme", "--json"]);
        let before = server.graphql(&token, events).await.unwrap();
        let entries = before["data"]["events"]["edges"].as_array().unwrap();
        let last = entries.len();
        let at = |entry: &Value| entry["node"]["recordedAt"].as_str().unwrap().to_owned();
        let (from, to) = (at(&entries[1]), at(&entries[last - 1]));
        let diff = || audit(directory, arguments, &["diff", "--tenant", "acme", "--from", &from, "--to", &to]);
        assert_eq!(replay().0, 0);
        for trigger in match arguments {
            [] => &["events_are_not_deleted"][..],
            _ => &["events_are_final ON events"],
        } {
            run(directory, arguments, &format!("DROP TRIGGER {trigger}")).await;
        }
        for gone in [last, 5] {
            let of_acme = "tenant_id = (SELECT tenant_id FROM tenants WHERE slug = 'acme')";
            run(directory, arguments, &format!("DELETE FROM events WHERE {of_acme} AND tenant_seq = {gone}")).await;
            let (status, stdout, stderr) = replay();
            assert_eq!((status, stdout.as_str()), (1, ""), "{stderr}");
            assert!(stderr.contains(&format!("entry {gone} of the roll of tenant_")), "{stderr}");
            let answer = server.graphql(&token, events).await.unwrap();
            assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer}");
        }
        let (status, stdout, stderr) = diff();
        assert_eq!((status, stdout.as_str()), (1, ""), "{stderr}");
        assert!(stderr.contains("entry 5 of the roll of tenant_"), "{stderr}");
    }
}

/// The header of an export.
fn header(directory: &Path, file: &str) -> Value {
    let text = fs::read_to_string(directory.join(file)).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}
