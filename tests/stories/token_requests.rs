//! What the token endpoint takes and refuses.

use serde_json::json;

use crate::support::{TokenAnswer, World, story};

story! {
    /// Basic, post and JSON are three ways to say the same.
    async fn three_ways_to_ask(world: World) {
        let acme = world.acme().await;
        let basic = world.token("acme", &acme.client, &acme.secret).with("scope", "orders:read").send().await;
        let post = world.token("acme", &acme.client, &acme.secret).by_post().with("scope", "orders:read").send().await;
        let json = world
            .http
            .post(world.token_endpoint("acme"))
            .json(&json!({
                "grant_type": "client_credentials",
                "client_id": acme.client,
                "client_secret": acme.secret,
                "scope": "orders:read",
            }))
            .send()
            .await
            .unwrap();
        for answer in [basic, post, TokenAnswer::of(json).await] {
            let claims = answer.claims();
            assert_eq!((&claims["scope"], &claims["aud"]), (&json!("orders:read"), &json!("https://orders.example")));
            assert_eq!(answer.body["token_type"], "Bearer");
            assert_eq!(answer.body["expires_in"], 3_600);
            assert_eq!(answer.body["scope"], "orders:read");
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert!(answer.headers.contains_key("traceparent"));
            assert_eq!(answer.headers["x-ratelimit-limit"], "600");
        }
    }
}

story! {
    /// Without a scope the client gets all that it holds; what it does not hold is an error.
    async fn scopes_are_granted_or_refused_and_never_dropped(world: World) {
        let acme = world.acme().await;
        let ask = || world.token("acme", &acme.client, &acme.secret);
        assert_eq!(ask().send().await.claims()["scope"], "orders:read orders:write");
        let commas = ask().with("scope", "orders:read,orders:write").send().await;
        commas.refused(400, "invalid_scope");
        assert!(commas.body["error_description"].as_str().unwrap().contains("separate scopes by spaces"));
        for scope in ["orders:burn", "orders:read orders:burn", "tenant:admin"] {
            ask().with("scope", scope).send().await.refused(400, "invalid_scope");
        }
        for audience in ["https://unknown.example", "urn:chancery:admin"] {
            ask().with("audience", audience).send().await.refused(400, "invalid_target");
        }
        let by_resource = ask().with("resource", "https://orders.example").send().await;
        assert_eq!(by_resource.claims()["aud"], "https://orders.example");
    }
}

story! {
    /// What is wrong with a request is said, once the client has proved who it is.
    async fn malformed_requests_are_refused(world: World) {
        let acme = world.acme().await;
        let ask = || world.token("acme", &acme.client, &acme.secret);
        ask().with("scope", "a").with("scope", "b").send().await.refused(400, "invalid_request");
        ask().with("client_secret", &acme.secret).send().await.refused(400, "invalid_request");
        ask().with("client_id", &acme.client).send().await.token();
        let raw = |body: &'static str| {
            world
                .http
                .post(world.token_endpoint("acme"))
                .basic_auth(&acme.client, Some(&acme.secret))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body)
                .send()
        };
        for (body, error) in [
            ("", "invalid_request"),
            ("grant_type=password", "unsupported_grant_type"),
            ("grant_type=client_credentials&scope=%ff", "invalid_request"),
            ("grant_type=client_credentials&scope=a%00b", "invalid_request"),
        ] {
            TokenAnswer::of(raw(body).await.unwrap()).await.refused(400, error);
        }
        // As `curl -d` sends it.
        let json = TokenAnswer::of(raw(r#" {"grant_type": "client_credentials"}"#).await.unwrap()).await;
        json.refused(400, "invalid_request");
        assert!(json.body["error_description"].as_str().unwrap().contains("Content-Type: application/json"));
    }
}

story! {
    /// A secret of somebody else, or one that is not quite right, opens nothing.
    async fn only_the_clients_own_secret_opens(world: World) {
        let acme = world.acme().await;
        let umbrella = world.tenant_like_acme("umbrella").await;
        let input = json!({"tenant": "acme", "name": "second"});
        let second = world.operator().await.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
        let (second, own) = (second["client"]["id"].as_str().unwrap(), second["secret"]["plaintext"].as_str().unwrap());
        let mut altered = acme.secret.clone().into_bytes();
        let middle = altered.len() / 2;
        altered[middle] = if altered[middle] == b'a' { b'b' } else { b'a' };
        let altered = String::from_utf8(altered).unwrap();
        let unknown = world.token("acme", "client_01jd0000000000000000000000", "chs_x").send().await;
        unknown.refused(401, "invalid_client");
        assert!(unknown.headers.contains_key("www-authenticate"));
        for (slug, client, secret) in [
            ("acme", &*acme.client, ""),
            ("acme", &*acme.client, " "),
            ("acme", &*acme.client, &*umbrella.secret),
            ("acme", &*acme.client, own),
            ("acme", second, &*acme.secret),
            ("acme", &*acme.client, &*altered),
            ("umbrella", &*acme.client, &*acme.secret),
            ("nobody", &*acme.client, &*acme.secret),
        ] {
            let answer = world.token(slug, client, secret).send().await;
            assert_eq!((answer.status, &answer.body), (401, &unknown.body), "{slug} {client}");
        }
        // None is as little: left out, empty, or without whose it is.
        let nobody = || world.token("acme", "", "").without_authentication();
        nobody().with("client_id", &acme.client).send().await.refused(401, "invalid_client");
        nobody().with("client_id", &acme.client).with("client_secret", "").send().await.refused(401, "invalid_client");
        nobody().with("client_secret", &acme.secret).send().await.refused(400, "invalid_request");
        world.token("acme", second, own).send().await.refused(400, "invalid_target");
    }
}

story! {
    /// Over the policy's limit: told so, and told when to come again.
    async fn a_client_over_its_limit_waits(world: World) {
        let operator = world.operator().await;
        let policy = json!({"rateLimit": {"client": {"requests": 3, "windowSeconds": 60}}});
        operator.mutation("createTenant", "tenant { id }", json!({"slug": "slow", "displayName": "Slow", "policy": policy})).await.data();
        let input = json!({"tenant": "slow", "identifier": "https://a.example", "name": "A", "scopes": [{"name": "a"}]});
        operator.mutation("createApi", "api { id }", input).await.data();
        let input = json!({"tenant": "slow", "name": "c", "grants": [{"api": "https://a.example", "scopes": ["a"]}]});
        let created = operator.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
        let ask = || async {
            let (id, secret) = (&created["client"]["id"], &created["secret"]["plaintext"]);
            world.token("slow", id.as_str().unwrap(), secret.as_str().unwrap()).send().await
        };
        for remaining in ["2", "1", "0"] {
            let answer = ask().await;
            answer.token();
            assert_eq!(answer.headers["x-ratelimit-remaining"], remaining);
        }
        let over = ask().await;
        over.refused(429, "rate_limit_exceeded");
        let wait: i64 = over.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait));
        world.clock.advance(wait);
        ask().await.token();
    }
}

story! {
    /// Metadata and key set say what the tenant has.
    async fn metadata_is_found_both_ways(world: World) {
        world.acme().await;
        let get = |path: &str| {
            let url = format!("{}{path}", world.url);
            let http = world.http.clone();
            async move { http.get(url).send().await.unwrap() }
        };
        let first: serde_json::Value =
            get("/.well-known/oauth-authorization-server/t/acme").await.json().await.unwrap();
        let second: serde_json::Value =
            get("/t/acme/.well-known/openid-configuration").await.json().await.unwrap();
        assert_eq!(first, second);
        assert_eq!(first["issuer"], format!("{}/t/acme", world.url));
        assert_eq!(first["token_endpoint"], world.token_endpoint("acme"));
        assert_eq!(first["response_types_supported"], json!([]));
        let keys = get("/t/acme/oauth2/jwks").await;
        let etag = keys.headers()["etag"].to_str().unwrap().to_owned();
        assert!(keys.headers().contains_key("cache-control"));
        let again = world.http.get(format!("{}/t/acme/oauth2/jwks", world.url)).header("if-none-match", etag).send().await.unwrap();
        assert_eq!(again.status(), 304);
        assert_eq!(get("/t/nobody/oauth2/jwks").await.status(), 404);
        // The keys of an installation that was made anew are others, however like this one it began.
        let anew = World::start(chancery_testkit::stores::TestStore::sqlite().await).await;
        let [ours, theirs] = [&world.url, &anew.url].map(|url| world.http.get(format!("{url}/t/system/oauth2/jwks")).send());
        let (ours, theirs) = (ours.await.unwrap(), theirs.await.unwrap());
        assert_ne!(ours.headers()["etag"], theirs.headers()["etag"]);
    }
}

story! {
    /// What has ended gets no token at once: from a node that knew it, from one that knew it and did
    /// not make the change, and from one that never heard of it.
    async fn what_has_ended_gets_no_token_warm_or_cold(world: World) {
        let operator = world.operator().await;
        let warm = world.another_node().await;
        for (slug, verb, end) in [
            ("disabled", "disableClient", json!({"client": null, "reason": "r"})),
            ("deleted", "deleteClient", json!({"client": null, "reason": "r"})),
            ("revoked", "revokeClientSecret", json!({"client": null, "secret": null, "reason": "r"})),
            ("expired", "updateClient", json!({"client": null, "expiresInDays": 1})),
            ("ungranted", "updateClient", json!({"client": null, "grants": []})),
            ("suspended", "suspendTenant", json!({"tenant": "suspended", "reason": "r"})),
            ("closed", "closeTenant", json!({"tenant": "closed", "reason": "r"})),
        ] {
            let tenant = world.tenant_like_acme(slug).await;
            let ask = |node: &str| world.token(slug, &tenant.client, &tenant.secret).at(node).send();
            ask(&world.url).await.token();
            ask(&warm).await.token();
            let mut input = end.clone();
            for (member, value) in [("client", &tenant.client), ("secret", &tenant.secret_id)] {
                if input.get(member).is_some() {
                    input[member] = json!(value);
                }
            }
            let fields = if verb.ends_with("Tenant") { "tenant { id }" } else { "client { id }" };
            operator.mutation(verb, fields, input).await.data();
            if slug == "expired" {
                world.clock.advance(86_400);
            }
            let cold = world.another_node().await;
            for node in [&world.url, &warm, &cold] {
                let answer = ask(node).await;
                assert!([400, 401].contains(&answer.status), "{slug} at {node}: {:#}", answer.body);
            }
            if slug == "expired" {
                world.clock.advance(-86_400);
            }
        }
    }
}

story! {
    /// A hash is computed for the client's own genuine secret alone: with every stored hash made
    /// unreadable, that one request is the only one to notice.
    async fn only_a_genuine_secret_of_the_client_costs_a_hash(world: World) {
        let acme = world.acme().await;
        let umbrella = world.tenant_like_acme("umbrella").await;
        crate::support::run_sql(world.store.database(), "UPDATE secret_verifiers SET phc = 'unreadable'").await;

        let own = world.token("acme", &acme.client, &acme.secret).send().await;
        own.refused(500, "server_error");
        let altered = format!("{}{}", &acme.secret[..90], if acme.secret.ends_with('a') { "bb" } else { "aa" });
        for (slug, client, secret) in [
            ("acme", &*acme.client, &*umbrella.secret),
            ("umbrella", &*umbrella.client, &*acme.secret),
            ("acme", &*acme.client, &*altered),
            ("acme", "client_01jd0000000000000000000000", &*acme.secret),
            ("acme", &*acme.client, "x"),
        ] {
            world.token(slug, client, secret).send().await.refused(401, "invalid_client");
        }
    }
}

story! {
    /// What is damaged stays so, and nobody is told to try again.
    async fn a_damaged_tenant_is_a_fault_and_no_outage(world: World) {
        world.acme().await;
        let damage = "UPDATE tenants SET body = '[]' WHERE slug = 'acme'";
        crate::support::run_sql(world.store.database(), damage).await;
        let node = world.another_node().await;
        for path in ["t/acme/oauth2/jwks", ".well-known/oauth-authorization-server/t/acme"] {
            let answer = world.http.get(format!("{node}/{path}")).send().await.unwrap();
            assert_eq!(answer.status(), 500, "{path}");
            assert!(!answer.headers().contains_key("retry-after"));
            let trace = answer.headers()["traceparent"].to_str().unwrap().split('-').nth(1).unwrap().to_owned();
            let body: serde_json::Value = answer.json().await.unwrap();
            assert!(body["detail"].as_str().unwrap().contains(&trace), "{body}");
        }
    }
}
