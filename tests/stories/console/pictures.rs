//! The pictures of the README and of `docs/console.md`, of a tenant in the middle of its life. They are
//! written where `CHANCERY_PICTURES` says: `cargo xtask screenshots`.

use chancery_testkit::stores::TestStore;
use serde_json::json;

use crate::support::{Browser, Chromium, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes pictures and shows nothing: `cargo xtask screenshots`"]
async fn pictures() {
    let directory = std::env::var_os("CHANCERY_PICTURES").expect("a directory");
    let directory = std::path::PathBuf::from(directory);
    std::fs::create_dir_all(&directory).unwrap();
    let world = World::start(TestStore::sqlite().await).await;
    let client = life(&world).await;
    let cookie = Browser::operator(&world).await.cookie.unwrap();
    let (name, value) = cookie.split_once('=').unwrap();
    let mut browser = Chromium::start().await;
    browser.keep_cookie(&world.url, name, value).await;
    let wide = (1_240, 820);
    for (picture, path, size, dark) in [
        ("tenants", "/console/tenants".to_owned(), wide, false),
        ("tenant", "/console/t/acme".to_owned(), wide, false),
        (
            "client",
            format!("/console/t/acme/clients/{client}"),
            wide,
            false,
        ),
        (
            "grants",
            "/console/t/acme/clients/new".to_owned(),
            wide,
            false,
        ),
        ("roll", "/console/t/acme/roll".to_owned(), wide, true),
        (
            "past",
            "/console/t/acme/past?entry=14".to_owned(),
            wide,
            false,
        ),
        (
            "compare",
            "/console/t/acme/difference".to_owned(),
            wide,
            false,
        ),
        (
            "activity",
            "/console/t/acme/activity?over=day".to_owned(),
            wide,
            false,
        ),
        (
            "activity-dark",
            "/console/t/acme/activity?over=day".to_owned(),
            wide,
            true,
        ),
        (
            "narrow",
            format!("/console/t/acme/clients/{client}"),
            (380, 780),
            true,
        ),
        (
            "narrow-roll",
            "/console/t/acme/roll".to_owned(),
            (380, 780),
            false,
        ),
        ("sign-in", "/console/sign-in".to_owned(), (620, 640), false),
        (
            "not-found",
            "/console/t/acme/clients/client_x".to_owned(),
            (620, 480),
            false,
        ),
    ] {
        browser.look(size, dark).await;
        browser.open(&format!("{}{path}", world.url)).await;
        let webp = browser.picture().await;
        std::fs::write(directory.join(format!("{picture}.webp")), webp).unwrap();
    }
}

/// Some weeks of a tenant. Gives the client that has seen most.
async fn life(world: &World) -> String {
    let acme = world.acme().await;
    for slug in ["globex", "initech", "umbrella"] {
        world.tenant_like_acme(slug).await;
    }
    let operator = world.operator().await;
    operator
        .mutation(
            "updateTenant",
            "tenant { id }",
            json!({"tenant": "acme", "displayName": "Acme Ltd."}),
        )
        .await
        .data();
    operator
        .mutation(
            "suspendTenant",
            "tenant { id }",
            json!({"tenant": "initech", "reason": "unpaid"}),
        )
        .await
        .data();
    operator
        .mutation(
            "updateClient",
            "client { id }",
            json!({"client": acme.client, "name": "Nightly billing", "description": "Writes the bills of the day", "metadata": {"team": "payments"}}),
        )
        .await
        .data();
    for (name, scopes) in [
        ("Warehouse", vec!["orders:read"]),
        ("Web shop", vec!["orders:read", "orders:write"]),
    ] {
        operator
            .mutation("createClient", "client { id }", json!({"tenant": "acme", "name": name, "grants": [{"api": "https://orders.example", "scopes": scopes}]}))
            .await
            .data();
    }
    world.clock.advance(20 * 86_400);
    let rotated = world
        .operator()
        .await
        .mutation(
            "rotateClientSecret",
            "secret { plaintext }",
            json!({"client": acme.client, "overlapSeconds": 2 * 86_400}),
        )
        .await
        .data();
    let secret = rotated["secret"]["plaintext"].as_str().unwrap().to_owned();
    world.clock.advance(2 * 86_400);
    for hour in 0..22 {
        for _ in 0..(hour * 7) % 11 + 2 {
            world
                .token("acme", &acme.client, &secret)
                .send()
                .await
                .token();
        }
        if hour % 5 == 3 {
            world
                .token("acme", &acme.client, &secret)
                .with("scope", "orders:delete")
                .send()
                .await;
            world.token("acme", &acme.client, "chs_wrong").send().await;
        }
        world.clock.advance(3_600);
    }
    world
        .operator()
        .await
        .mutation(
            "rotateClientSecret",
            "client { id }",
            json!({"client": acme.client, "label": "autumn"}),
        )
        .await
        .data();
    world.clock.advance(600);
    acme.client
}
