//! The session's cookie, by how the console is reached.

use std::sync::Arc;

use chancery::platform::Settings;
use chancery_crypto::SystemEntropy;

use crate::support::{World, story};

/// The cookie that signing in at this node sets for whoever asked for `host`.
async fn cookie(world: &World, node: &str, host: &str) -> String {
    cookie_by(world, node, host, None).await
}

/// The same by a proxy that says that it forwards, by a header.
async fn cookie_by(world: &World, node: &str, host: &str, forwarded: Option<&str>) -> String {
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
        .header("host", host)
        .header("origin", format!("https://{host}"));
    let by = |request: reqwest::RequestBuilder| match forwarded {
        Some(name) => request.header(name, "https"),
        None => request,
    };
    let answer = by(request).form(&fields).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    // What was set is what is asked for afterwards.
    let sent = cookie.split(';').next().unwrap();
    let page = http
        .get(format!("{node}/console/tenants"))
        .header("host", host)
        .header("cookie", sent);
    assert_eq!(by(page).send().await.unwrap().status(), 200, "{cookie}");
    cookie
}

story! {
    /// Browsers are told to come by TLS alone, where that is how the console is reached for good.
    async fn a_console_at_an_address_of_tls_is_reached_by_it_alone(world: World) {
        let said = async |node: &str| {
            let answer = world.http.get(format!("{node}/console/sign-in")).send().await.unwrap();
            answer.headers().get("strict-transport-security").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(said(&node(&world, None).await).await.as_deref(), Some("max-age=31536000"));
        assert_eq!(said(&node(&world, Some("https://localhost:9090")).await).await, None);
        assert_eq!(said(&world.url).await, None);
    }
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
    /// Over plain HTTP from another machine no browser stays signed in: it is said before anything is typed, or a link
    /// is used up.
    async fn who_comes_in_a_way_that_keeps_no_session_is_told(world: World) {
        let shown = async |path: &str, host: &str, fetch: Option<&str>| {
            let request = world.http.get(format!("{}{path}", world.url)).header("host", host);
            let request = fetch.iter().fold(request, |request, fetch| request.header("sec-fetch-site", *fetch));
            request.send().await.unwrap().text().await.unwrap()
        };
        for path in ["/console/sign-in", "/console/link"] {
            let told = |html: &str| html.contains("Your browser keeps no session at this address");
            let html = shown(path, "server.lan:8080", None).await;
            assert!(told(&html) && !html.contains("data-link"), "{path}: {html}");
            // Behind a proxy that speaks TLS a browser says where it comes from; at home it stays signed in.
            assert!(!told(&shown(path, "auth.example", Some("none")).await), "{path}");
            assert!(!told(&shown(path, "localhost:8080", None).await), "{path}");
        }
        assert!(shown("/console/link", "localhost:8080", None).await.contains("data-link"));
    }
}

story! {
    async fn a_cookie_is_secure_but_within_one_machine(world: World) {
        const SECURE: &str = "__Host-chancery-console=";
        // One address for everything, on this machine.
        let plain = cookie(&world, &world.url, "127.0.0.1:8080").await;
        assert!(plain.starts_with("chancery-console-8080=") && !plain.contains("Secure"), "{plain}");
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
            assert!(plain.starts_with("chancery-console-9090=") && !plain.contains("Secure"), "{plain}");
        }
        // A proxy that keeps the name of the plain address says at least that it forwards.
        for forwarded in ["x-forwarded-proto", "x-forwarded-host", "forwarded"] {
            let proxied = cookie_by(&world, &internal, "127.0.0.1:9090", Some(forwarded)).await;
            assert!(proxied.starts_with(SECURE) && proxied.contains("; Secure"), "{forwarded}: {proxied}");
        }
        let proxied = cookie(&world, &internal, "ops.example").await;
        assert!(proxied.starts_with(SECURE) && proxied.contains("; Secure"), "{proxied}");
    }
}
