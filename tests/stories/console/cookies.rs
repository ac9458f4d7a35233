//! The session's cookie, by how the console is reached.

use std::sync::Arc;

use chancery::platform::Settings;
use chancery_crypto::SystemEntropy;

use crate::support::{World, story};

/// The cookie that signing in at this node sets for whoever asked for `host`.
async fn cookie(world: &World, node: &str, host: &str) -> String {
    let text = |name: &str| world.operator[name].as_str().unwrap();
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let fields = [
        ("tenant", "system"),
        ("client", text("client_id")),
        ("secret", text("client_secret")),
    ];
    let request = http
        .post(format!("{node}/console/sign-in"))
        .header("host", host);
    let answer = request.form(&fields).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    // What was set is what is asked for afterwards.
    let sent = cookie.split(';').next().unwrap();
    let page = http
        .get(format!("{node}/console/tenants"))
        .header("host", host)
        .header("cookie", sent);
    assert_eq!(page.send().await.unwrap().status(), 200, "{cookie}");
    cookie
}

/// A node whose issuers are at a public address, and whose console may be elsewhere.
async fn node(world: &World, admin_url: Option<&str>) -> String {
    let clock = world.clock.clone();
    world
        .another_node_with(|settings| {
            *settings = Settings::new(
                "https://auth.example",
                clock,
                Arc::new(SystemEntropy::new()),
            )
            .unwrap();
            settings.admin_url = admin_url.map(ToOwned::to_owned);
        })
        .await
}

story! {
    async fn a_cookie_is_secure_but_within_one_machine(world: World) {
        const SECURE: &str = "__Host-chancery-console=";
        // One address for everything, on this machine.
        let plain = cookie(&world, &world.url, "127.0.0.1:8080").await;
        assert!(plain.starts_with("chancery-console=") && !plain.contains("Secure"), "{plain}");
        assert!(plain.contains("HttpOnly") && plain.contains("SameSite=Strict"), "{plain}");

        // Behind TLS, whatever the request says of itself.
        let public = node(&world, None).await;
        for host in ["auth.example", "localhost:8080"] {
            let secure = cookie(&world, &public, host).await;
            assert!(secure.starts_with(SECURE) && secure.contains("; Secure"), "{secure}");
        }

        // The console on a plain address of its own: by its own name, and by that of a proxy before it.
        let internal = node(&world, Some("http://127.0.0.1:9090")).await;
        for host in ["127.0.0.1:9090", "localhost:9090", "[::1]:9090"] {
            let plain = cookie(&world, &internal, host).await;
            assert!(plain.starts_with("chancery-console=") && !plain.contains("Secure"), "{plain}");
        }
        let proxied = cookie(&world, &internal, "ops.example").await;
        assert!(proxied.starts_with(SECURE) && proxied.contains("; Secure"), "{proxied}");
    }
}
