//! The pictures of the README and of `docs/console.md`, of a tenant in the middle of its life. They are
//! written where `CHANCERY_PICTURES` says: `cargo xtask screenshots`.

use chancery_testkit::stores::TestStore;

use crate::support::{Browser, Chromium, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes pictures and shows nothing: `cargo xtask screenshots`"]
async fn pictures() {
    let directory = std::env::var_os("CHANCERY_PICTURES").expect("a directory");
    let directory = std::path::PathBuf::from(directory);
    std::fs::create_dir_all(&directory).unwrap();
    let world = World::start(TestStore::sqlite().await).await;
    let life = super::life::live(&world).await;
    let client = &life.client;
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
        (
            "calendar",
            "/console/t/acme/calendar".to_owned(),
            wide,
            false,
        ),
        (
            "api",
            format!("/console/t/acme/apis/{}", life.api),
            wide,
            false,
        ),
        ("keys", "/console/t/acme/keys".to_owned(), wide, true),
    ] {
        browser.look(size, dark).await;
        browser.open(&format!("{}{path}", world.url)).await;
        let webp = browser.picture().await;
        std::fs::write(directory.join(format!("{picture}.webp")), webp).unwrap();
    }
}
