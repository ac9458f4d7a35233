//! Clients that authenticate with assertions: what is taken, and what is refused.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use jwt_simple::prelude::{
    Claims, Duration, ECDSAP256KeyPairLike as _, ECDSAP256PublicKeyLike as _, ES256KeyPair,
    HS256Key, JWTClaims, MACLike as _, NoCustomClaims,
};
use oauth2::{AuthType, ClientId, TokenResponse, TokenUrl, basic::BasicClient};
use serde_json::{Value, json};

use crate::{
    first_token::{oauth_http, verified_elsewhere},
    support::{
        GraphQl, Signer, TokenAnswer, TokenRequest, World, assertion_claims, dump, rows_of_secret,
        run_sql, story,
    },
};

/// A client of acme that signs, and its key.
struct Billing<'a> {
    world: &'a World,
    client: String,
    signer: Signer,
}

impl<'a> Billing<'a> {
    /// Acme's second client: it signs with a key of this algorithm.
    async fn new(world: &'a World, algorithm: Algorithm) -> Self {
        let signer = Signer::new(algorithm, "2026");
        let jwks = json!({"keys": [signer.jwk]});
        let client = signing_client(&world.operator().await, "acme", &jwks).await;
        Self {
            world,
            client,
            signer,
        }
    }

    fn claims(&self) -> Value {
        assertion_claims(self.world, "acme", &self.client)
    }

    fn changed(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    fn ask(&self, assertion: &str) -> TokenRequest<'a> {
        self.world.token("acme", "", "").by_assertion(assertion)
    }

    async fn send(&self, claims: &Value) -> TokenAnswer {
        self.ask(&self.signer.assertion(claims)).send().await
    }
}

fn orders() -> Value {
    json!([{"api": "https://orders.example", "scopes": ["orders:read"]}])
}

async fn signing_client(operator: &GraphQl<'_>, slug: &str, jwks: &Value) -> String {
    let input = json!({
        "tenant": slug, "name": "signer", "grants": orders(), "authMethod": "PRIVATE_KEY_JWT", "jwks": jwks,
    });
    let created = operator
        .mutation("createClient", "client { id }", input)
        .await
        .data();
    created["client"]["id"].as_str().unwrap().to_owned()
}

/// Acme lets its clients authenticate in every way; one of them keys assertions with its secret.
async fn keyed_client(world: &World) -> (String, String, String) {
    let operator = world.operator().await;
    let every = json!([
        "CLIENT_SECRET_BASIC",
        "CLIENT_SECRET_POST",
        "CLIENT_SECRET_JWT",
        "PRIVATE_KEY_JWT"
    ]);
    let input = json!({"tenant": "acme", "policy": {"allowedAuthMethods": every}});
    operator
        .mutation("updateTenant", "tenant { id }", input)
        .await
        .data();
    let input = json!({"tenant": "acme", "name": "keyed", "grants": orders(), "authMethod": "CLIENT_SECRET_JWT"});
    let created = operator
        .mutation(
            "createClient",
            "client { id } secret { id plaintext }",
            input,
        )
        .await
        .data();
    let text = |pointer: &str| {
        created
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    };
    (
        text("/client/id"),
        text("/secret/plaintext"),
        text("/secret/id"),
    )
}

/// The claims of an assertion as another library writes them.
fn claims_of_another(world: &World, client: &str) -> JWTClaims<NoCustomClaims> {
    let now = Duration::from_secs(world.now().seconds().try_into().unwrap());
    let mut claims = Claims::create(Duration::from_mins(1))
        .with_issuer(client)
        .with_subject(client)
        .with_audience(format!("{}/t/acme", world.url))
        .with_jwt_id("made elsewhere");
    claims.issued_at = Some(now);
    claims.invalid_before = Some(now);
    claims.expires_at = Some(now + Duration::from_mins(1));
    claims
}

story! {
    /// What another library signs another library sends, and a third party verifies what comes of it.
    async fn a_third_party_client_signs_with_its_key_or_with_its_secret(world: World) {
        world.acme().await;
        let (secret_client, secret, _) = keyed_client(&world).await;
        let key = ES256KeyPair::generate().with_key_id("elsewhere");
        let point = key.public_key().public_key().to_bytes_uncompressed();
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "elsewhere",
            "x": encoded(&point[1..33]), "y": encoded(&point[33..]),
        });
        let jwks = json!({"keys": [jwk]});
        let key_client = signing_client(&world.operator().await, "acme", &jwks).await;
        let by_key = key.sign(claims_of_another(&world, &key_client)).unwrap();
        let by_secret = HS256Key::from_bytes(secret.as_bytes())
            .authenticate(claims_of_another(&world, &secret_client))
            .unwrap();

        let http = oauth_http(world.http.clone());
        for (client, assertion) in [(key_client, by_key), (secret_client, by_secret)] {
            let oauth = BasicClient::new(ClientId::new(client.clone()))
                .set_token_uri(TokenUrl::new(world.token_endpoint("acme")).unwrap())
                .set_auth_type(AuthType::RequestBody);
            let ask = || {
                oauth
                    .exchange_client_credentials()
                    .add_extra_param("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                    .add_extra_param("client_assertion", assertion.clone())
            };
            let answer = ask().request_async(&http).await.unwrap();
            let claims = verified_elsewhere(&world, "acme", answer.access_token().secret()).await;
            assert_eq!(claims.subject, Some(client));
            assert!(ask().request_async(&http).await.is_err(), "twice");
        }
    }
}

story! {
    /// Each algorithm authenticates, and the token names the key by its id.
    async fn a_client_signs_with_any_algorithm_that_there_is(world: World) {
        world.acme().await;
        for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256] {
            let billing = Billing::new(&world, algorithm).await;
            let query = format!("{{ client(id: \"{}\") {{ keys {{ id kid algorithm state createdAt }} secrets {{ id }} }} }}", billing.client);
            let seen = world.operator().await.query("client", &query).await.data();
            assert_eq!(seen["secrets"], json!([]));
            let key = &seen["keys"][0];
            assert_eq!(
                (&key["kid"], &key["algorithm"], &key["state"]),
                (&json!("2026"), &billing.signer.alg(), &json!("ACTIVE"))
            );
            let claims = billing.send(&billing.claims()).await.claims();
            assert_eq!((&claims["sub"], &claims["credential_id"]), (&json!(billing.client), &key["id"]));
        }
    }
}

story! {
    /// The `aud` is the issuer, as one plain string: neither the token endpoint, nor an array, nor the
    /// issuer beside another, nor another tenant's.
    async fn an_assertion_for_anything_but_the_issuer_is_refused(world: World) {
        world.acme().await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let issuer = format!("{}/t/acme", world.url);
        for aud in [
            json!(world.token_endpoint("acme")),
            json!([issuer]),
            json!([issuer, "https://evil.example"]),
            json!(format!("{issuer}/")),
            json!(format!("{}/t/umbrella", world.url)),
            json!(world.url),
            json!(null),
        ] {
            let answer = billing.send(&billing.changed("aud", aud.clone())).await;
            answer.refused(401, "invalid_client");
            assert!(!answer.headers.contains_key("www-authenticate"), "{aud}");
        }
        // A server of another tenant passes on what it was sent.
        let umbrella = world.tenant_like_acme("umbrella").await;
        let stolen = billing.signer.assertion(&billing.claims());
        world.token("umbrella", "", "").by_assertion(&stolen).send().await.refused(401, "invalid_client");
        world.token("umbrella", &umbrella.client, &umbrella.secret).send().await.token();
        billing.ask(&stolen).send().await.token();
    }
}

story! {
    /// An assertion is good once: here and on every other node, before and after a restart.
    async fn an_assertion_used_before_is_refused(world: World) {
        world.acme().await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let claims = billing.claims();
        let assertion = billing.signer.assertion(&claims);
        billing.ask(&assertion).send().await.token();
        let again = billing.ask(&assertion).send().await;
        again.refused(401, "invalid_client");
        let description = again.body["error_description"].as_str().unwrap();
        assert!(description.starts_with("the assertion was used before"), "{description}");
        // A server that starts afterwards knows it too.
        let started = world.another_node().await;
        let again = billing.ask(&assertion).at(&started).send().await;
        assert_eq!((again.status, again.body["error_description"].as_str()), (401, Some(description)));
        // Signed again it is no other assertion.
        billing.send(&claims).await.refused(401, "invalid_client");
        // Also where the request would be refused for something else.
        billing.ask(&assertion).with("scope", "orders:burn").send().await.refused(401, "invalid_client");

        let used = billing.claims();
        let other = billing.signer.assertion(&used);
        billing.ask(&other).with("scope", "orders:burn").send().await.refused(400, "invalid_scope");
        billing.ask(&other).send().await.refused(401, "invalid_client");
    }
}

story! {
    /// Of many requests with one assertion at the same moment one wins.
    async fn an_assertion_sent_twice_at_once_is_taken_once(world: World) {
        world.acme().await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let assertion = billing.signer.assertion(&billing.claims());
        let other = world.another_node().await;
        let ask = |number| {
            let node = if number % 2 == 0 { &other } else { &world.url };
            billing.ask(&assertion).at(node).send()
        };
        let answers = futures_util::future::join_all((0..8).map(ask)).await;
        let taken = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.status == 401).count();
        assert_eq!((taken, refused), (1, 7));
    }
}

story! {
    /// An assertion that was used at one endpoint is used for all of them, on every node; and what is
    /// refused at one for another reason uses it up too.
    async fn an_assertion_is_good_for_one_request_at_any_endpoint(world: World) {
        world.acme().await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let other = world.another_node().await;
        let fresh = || billing.signer.assertion(&billing.claims());
        let token = billing.ask(&fresh()).send().await.token();
        let ways = |assertion: &str| [
            billing.ask(assertion),
            billing.ask(assertion).introspecting(&token),
            billing.ask(assertion).revoking("x"),
        ];
        for way in 0..3 {
            let assertion = fresh();
            let answer = ways(&assertion).into_iter().nth(way).unwrap().send().await;
            assert_eq!(answer.status, 200, "{:#}", answer.body);
            for again in ways(&assertion) {
                again.at(&other).send().await.refused(401, "invalid_client");
            }
        }
        let introspected = billing.ask(&fresh()).introspecting(&token).send().await;
        assert_eq!(introspected.active()["client_id"], json!(billing.client));
        billing.ask(&fresh()).revoking(&token).send().await;
        billing.ask(&fresh()).introspecting(&token).send().await.inactive();
        // Many at once at three endpoints and on two nodes: one is answered.
        let assertion = fresh();
        let all = (0..9).map(|number| {
            let way = ways(&assertion).into_iter().nth(number % 3).unwrap();
            if number % 2 == 0 { way.at(&other) } else { way }
        });
        let answers = futures_util::future::join_all(all.map(TokenRequest::send)).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    }
}

story! {
    /// With refresh tokens as without: an assertion is used up with what it obtains, and by a refresh
    /// that is refused.
    async fn a_refresh_uses_up_its_assertion_and_a_used_assertion_no_refresh_token(world: World) {
        crate::refresh_tokens::refreshing(&world, "acme").await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let fresh = || billing.signer.assertion(&billing.claims());
        let used = fresh();
        let token = billing.ask(&used).send().await.refresh_token();
        billing.ask(&used).refreshing(&token).send().await.refused(401, "invalid_client");
        let refused = fresh();
        billing.ask(&refused).refreshing("chr_x").send().await.refused(400, "invalid_grant");
        billing.ask(&refused).refreshing(&token).send().await.refused(401, "invalid_client");
        let next = billing.ask(&fresh()).refreshing(&token).send().await.refresh_token();
        world.clock.advance(11);
        billing.ask(&fresh()).refreshing(&next).send().await.token();
        billing.ask(&fresh()).refreshing(&token).send().await.refused(400, "invalid_grant");
    }
}

story! {
    /// What fails leaves the `jti` to be used, and the `jti` of one client says nothing of another's.
    async fn a_refused_assertion_uses_up_nothing(world: World) {
        world.acme().await;
        world.tenant_like_acme("umbrella").await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let claims = billing.changed("jti", json!("the one"));
        let stranger = Signer::new(Algorithm::ES256, "2026");
        let mut elsewhere = claims.clone();
        elsewhere["aud"] = json!("https://elsewhere.example");
        for refused in [stranger.assertion(&claims), billing.signer.assertion(&elsewhere)] {
            billing.ask(&refused).send().await.refused(401, "invalid_client");
        }
        billing.send(&claims).await.token();

        // Another client, and one of another tenant, may call an assertion the same.
        let other = Billing::new(&world, Algorithm::ES256).await;
        other.send(&other.changed("jti", json!("the one"))).await.token();
        let jwks = json!({"keys": [billing.signer.jwk]});
        let abroad = signing_client(&world.operator().await, "umbrella", &jwks).await;
        let mut claims = assertion_claims(&world, "umbrella", &abroad);
        claims["jti"] = json!("the one");
        let assertion = billing.signer.assertion(&claims);
        world.token("umbrella", "", "").by_assertion(&assertion).send().await.token();
    }
}

story! {
    /// The id of a token and that of an assertion are of two kinds: neither uses the other up.
    async fn the_id_of_a_token_is_not_that_of_an_assertion(world: World) {
        world.acme().await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let fresh = || billing.signer.assertion(&billing.claims());
        let (token, other) = (billing.ask(&fresh()).send().await, billing.ask(&fresh()).send().await);
        assert_eq!(billing.ask(&fresh()).revoking(&token.token()).send().await.status, 200);
        for known in [&token, &other] {
            billing.send(&billing.changed("jti", known.claims()["jti"].clone())).await.token();
        }
        billing.ask(&fresh()).introspecting(&token.token()).send().await.inactive();
        billing.ask(&fresh()).introspecting(&other.token()).send().await.active();
    }
}

story! {
    /// The key decides the algorithm: not the header, not an unsigned JWT, not an HMAC keyed with
    /// what everybody may know.
    async fn an_assertion_of_another_algorithm_is_refused(world: World) {
        world.acme().await;
        let billing = Billing::new(&world, Algorithm::RS256).await;
        let none = billing.signer.sign(&json!({"alg": "none"}), &billing.claims());
        let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
        let jwk = billing.signer.jwk.to_string();
        let modulus = billing.signer.jwk["n"].as_str().unwrap();
        let by_public_key = |known: &str| Signer::of_secret(known).assertion(&billing.claims());
        let named = |alg: &str| billing.signer.sign(&json!({"alg": alg, "kid": "2026"}), &billing.claims());
        for assertion in [
            none,
            unsigned,
            by_public_key(&jwk),
            by_public_key(modulus),
            named("PS256"),
            named("HS256"),
            named("RS384"),
            Signer::new(Algorithm::ES256, "2026").assertion(&billing.claims()),
        ] {
            billing.ask(&assertion).send().await.refused(401, "invalid_client");
        }
        billing.send(&billing.claims()).await.token();
    }
}

story! {
    /// A client that signs cannot fall back to a secret, one that sends its secret cannot sign, and
    /// no request does both.
    async fn a_downgrade_is_refused(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let signer = Signer::new(Algorithm::EdDSA, "1");
        let assertion = || signer.assertion(&assertion_claims(&world, "acme", &acme.client));
        let ask = |assertion: &str| world.token("acme", "", "").by_assertion(assertion);
        // Not before it is registered for that, with whichever key.
        ask(&assertion()).send().await.refused(401, "invalid_client");
        let by_secret = Signer::of_secret(&acme.secret).assertion(&assertion_claims(&world, "acme", &acme.client));
        ask(&by_secret).send().await.refused(401, "invalid_client");

        let input = json!({"client": acme.client, "authMethod": "PRIVATE_KEY_JWT", "jwks": {"keys": [signer.jwk]}});
        operator.mutation("updateClient", "client { id }", input).await.data();
        ask(&assertion()).send().await.token();
        // The secret that it had was genuine.
        world.token("acme", &acme.client, &acme.secret).send().await.refused(401, "invalid_client");
        world.token("acme", &acme.client, &acme.secret).by_post().send().await.refused(401, "invalid_client");

        for beside in [
            ask(&assertion()).with("client_secret", &acme.secret).with("client_id", &acme.client),
            ask("bad").with("client_secret", &acme.secret).with("client_id", &acme.client),
        ] {
            beside.send().await.refused(400, "invalid_request");
        }
        let both = world
            .http
            .post(world.token_endpoint("acme"))
            .basic_auth(&acme.client, Some(&acme.secret))
            .form(&[
                ("grant_type", "client_credentials"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", &assertion()),
            ])
            .send()
            .await
            .unwrap();
        TokenAnswer::of(both).await.refused(400, "invalid_request");
        let half = world.token("acme", &acme.client, "").by_post().with("client_assertion", &assertion());
        half.send().await.refused(400, "invalid_request");
    }
}

story! {
    /// Times are integers, an assertion ends within five minutes, and it has an id.
    async fn an_assertion_without_its_times_and_id_is_refused(world: World) {
        world.acme().await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let now = world.now().seconds();
        for name in ["exp", "jti", "iss", "sub", "aud"] {
            let mut claims = billing.claims();
            claims.as_object_mut().unwrap().remove(name);
            billing.send(&claims).await.refused(401, "invalid_client");
        }
        for (name, value) in [
            ("exp", json!((now + 60).to_string())),
            ("exp", json!(60.0)),
            ("exp", json!(null)),
            ("exp", json!(now - 30)),
            ("exp", json!(now + 331)),
            ("nbf", json!(now.to_string())),
            ("nbf", json!(0.5)),
            ("nbf", json!(now + 31)),
            ("iat", json!("0")),
            ("iat", json!(1.5)),
            ("iat", json!(now + 31)),
            ("jti", json!("")),
            ("jti", json!("x".repeat(129))),
            ("jti", json!(7)),
            ("iss", json!("somebody else")),
            ("sub", json!("somebody else")),
        ] {
            let answer = billing.send(&billing.changed(name, value.clone())).await;
            assert_eq!((answer.status, answer.error()), (401, "invalid_client"), "{name} = {value}");
        }
        for (name, value) in [
            ("exp", json!(now + 300)),
            ("exp", json!(now - 29)),
            ("nbf", json!(now + 30)),
            ("iat", json!(now)),
            ("jti", json!("ü".repeat(128))),
        ] {
            billing.send(&billing.changed(name, value)).await.token();
        }
    }
}

story! {
    /// The `client_id` beside an assertion is the client's, if it is there; the kind of assertion is
    /// named, and the kind of JWT is right.
    async fn an_assertion_in_the_wrong_clothes_is_refused(world: World) {
        world.acme().await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let fresh = || billing.signer.assertion(&billing.claims());
        billing.ask(&fresh()).with("client_id", &billing.client).send().await.token();
        billing.ask(&fresh()).with("client_id", "client_01jd0000000000000000000000").send().await.refused(401, "invalid_client");
        for typ in ["at+jwt", "JWS"] {
            let header = json!({"alg": "ES256", "typ": typ});
            billing.ask(&billing.signer.sign(&header, &billing.claims())).send().await.refused(401, "invalid_client");
        }
        let header = json!({"alg": "ES256", "typ": "client-authentication+jwt"});
        billing.ask(&billing.signer.sign(&header, &billing.claims())).send().await.token();
        // Empty parameters count as absent.
        let saml = world
            .token("acme", "", "")
            .by_post()
            .with("client_assertion", &fresh())
            .with("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
        saml.send().await.refused(401, "invalid_client");
        // An access token of its own is no assertion either.
        let token = billing.ask(&fresh()).send().await.token();
        billing.ask(&token).send().await.refused(401, "invalid_client");
    }
}

story! {
    /// Whoever cannot sign learns nothing: an unknown client, another's key and a disabled client
    /// without its key are answered alike; whoever can sign learns why it gets nothing.
    async fn only_who_can_sign_learns_whether_the_client_is_there(world: World) {
        let acme = world.acme().await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let operator = world.operator().await;
        let stranger = Signer::new(Algorithm::ES256, "2026");
        let wrong = |client: &str| stranger.assertion(&assertion_claims(&world, "acme", client));
        let nobody = billing.ask(&wrong("client_01jd0000000000000000000000")).send().await;
        nobody.refused(401, "invalid_client");
        assert_eq!(billing.ask(&wrong(&billing.client)).send().await.body, nobody.body);
        assert_eq!(billing.ask(&wrong(&acme.client)).send().await.body, nobody.body);
        assert_eq!(billing.ask(&wrong("no id at all")).send().await.body, nobody.body);

        let input = json!({"client": billing.client, "reason": "under review"});
        operator.mutation("disableClient", "client { id }", input).await.data();
        assert_eq!(billing.ask(&wrong(&billing.client)).send().await.body, nobody.body);
        let told = billing.send(&billing.claims()).await;
        told.refused(401, "invalid_client");
        let description = told.body["error_description"].as_str().unwrap();
        assert!(description.starts_with("the client is disabled"), "{description}");
        operator.mutation("enableClient", "client { id }", json!({"client": billing.client})).await.data();

        // A policy that forbids the way ends it at once.
        let input = json!({"tenant": "acme", "policy": {"allowedAuthMethods": ["CLIENT_SECRET_POST"]}});
        operator.mutation("updateTenant", "tenant { id }", input).await.data();
        billing.send(&billing.claims()).await.refused(401, "invalid_client");
    }
}

story! {
    /// A secret can key assertions, as a whole; it then opens nothing when it is sent. In a rotation
    /// both key them, and what ended keys nothing.
    async fn a_secret_that_keys_assertions_is_never_sent(world: World) {
        world.acme().await;
        let (client, secret, id) = keyed_client(&world).await;
        let operator = world.operator().await;
        let claims = || assertion_claims(&world, "acme", &client);
        let ask = async |secret: &str| {
            let assertion = Signer::of_secret(secret).assertion(&claims());
            world.token("acme", "", "").by_assertion(&assertion).send().await
        };
        assert_eq!(ask(&secret).await.claims()["credential_id"], json!(id));
        ask(&secret[4..]).await.refused(401, "invalid_client");
        world.token("acme", &client, &secret).send().await.refused(401, "invalid_client");
        world.token("acme", &client, &secret).by_post().send().await.refused(401, "invalid_client");
        let signed = Signer::new(Algorithm::ES256, "1").assertion(&claims());
        world.token("acme", "", "").by_assertion(&signed).send().await.refused(401, "invalid_client");

        let input = json!({"client": client, "overlapSeconds": 60});
        let rotated = operator.mutation("rotateClientSecret", "secret { id plaintext }", input).await.data();
        let new = rotated["secret"]["plaintext"].as_str().unwrap().to_owned();
        assert_eq!(ask(&secret).await.claims()["credential_id"], json!(id));
        assert_eq!(ask(&new).await.claims()["credential_id"], rotated["secret"]["id"]);
        world.clock.advance(60);
        ask(&secret).await.refused(401, "invalid_client");
        ask(&new).await.token();

        let operator = world.operator().await;
        let input = json!({"client": client, "secret": rotated["secret"]["id"], "reason": "left"});
        operator.mutation("revokeClientSecret", "client { id }", input).await.data();
        ask(&new).await.refused(401, "invalid_client");
    }
}

story! {
    /// A secret that keys assertions is kept sealed, without a hash, until it ends.
    async fn a_secret_that_keys_assertions_is_kept_sealed_until_it_ends(world: World) {
        world.acme().await;
        let (client, secret, id) = keyed_client(&world).await;
        let core = &secret[20..70];
        assert!(!dump(world.store.database()).await.contains(core));
        let rows = |table: &'static str| rows_of_secret(world.store.database(), table, &id);
        assert_eq!((rows("sealed_secrets").await, rows("secret_verifiers").await), (1, 0));
        let operator = world.operator().await;
        let input = json!({"client": client, "secret": id, "reason": "seen in a log", "compromised": true});
        operator.mutation("revokeClientSecret", "client { id }", input).await.data();
        assert_eq!((rows("sealed_secrets").await, rows("secret_verifiers").await), (0, 0));
    }
}

story! {
    /// A sealed secret that was damaged or moved opens nothing, and nobody is told that it is there.
    async fn a_damaged_sealed_secret_is_a_fault_of_the_server(world: World) {
        world.acme().await;
        let (client, secret, _) = keyed_client(&world).await;
        let ask = async || {
            let assertion = Signer::of_secret(&secret).assertion(&assertion_claims(&world, "acme", &client));
            world.token("acme", "", "").by_assertion(&assertion).send().await
        };
        run_sql(world.store.database(), "UPDATE sealed_secrets SET sealed = (SELECT sealed FROM sealed_keys LIMIT 1)").await;
        let answer = ask().await;
        answer.refused(500, "server_error");
        assert!(!answer.body.to_string().contains("seal"));
        // What another master key may open is not damaged, and its server is to be restarted with that key.
        run_sql(world.store.database(), "UPDATE sealed_secrets SET master_key_id = 'other'").await;
        let answer = ask().await;
        answer.refused(503, "temporarily_unavailable");
        assert!(!answer.body.to_string().contains("other"));
    }
}

story! {
    /// Each tenant's metadata says exactly what its policy allows.
    async fn the_metadata_names_what_the_policy_allows(world: World) {
        world.acme().await;
        let metadata = async || -> Value {
            let url = format!("{}/t/acme/.well-known/openid-configuration", world.url);
            world.http.get(url).send().await.unwrap().json().await.unwrap()
        };
        let of = |document: &Value, name: &str| document[format!("token_endpoint_auth_{name}_supported")].clone();
        let document = metadata().await;
        assert_eq!(of(&document, "methods"), json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]));
        assert_eq!(of(&document, "signing_alg_values"), json!(["ES256", "ES384", "EdDSA", "RS256", "PS256"]));
        let operator = world.operator().await;
        for (allowed, methods, algorithms) in [
            (json!(["CLIENT_SECRET_JWT"]), json!(["client_secret_jwt"]), json!(["HS256"])),
            (json!(["CLIENT_SECRET_POST"]), json!(["client_secret_post"]), Value::Null),
        ] {
            let input = json!({"tenant": "acme", "policy": {"allowedAuthMethods": allowed}});
            operator.mutation("updateTenant", "tenant { id }", input).await.data();
            let document = metadata().await;
            assert_eq!((of(&document, "methods"), of(&document, "signing_alg_values")), (methods, algorithms));
        }
    }
}

story! {
    /// Anybody can make up an assertion about a client that there is; from where too many were made up, what is
    /// right still passes, also of a client that this node has never seen.
    async fn beyond_an_addresss_limit_made_up_assertions_are_refused_and_right_ones_pass(world: World) {
        world.acme().await;
        let billing = Billing::new(&world, Algorithm::ES256).await;
        let reports = Billing::new(&world, Algorithm::ES256).await;
        let stranger = Signer::new(Algorithm::ES256, "2026");
        let nobody = "client_01h455vb4pex5vsknk084sn02q";
        let made_up = |client: &str| billing.ask(&stranger.assertion(&assertion_claims(&world, "acme", client)));
        billing.send(&billing.claims()).await.token();
        for _ in 0..300 {
            billing.ask("made up").send().await.refused(401, "invalid_client");
        }
        for client in [&*billing.client, nobody] {
            made_up(client).send().await.refused(429, "rate_limit_exceeded");
            made_up(client).introspecting("x").send().await.refused(429, "rate_limit_exceeded");
            made_up(client).revoking("x").send().await.refused(429, "rate_limit_exceeded");
        }
        let token = billing.send(&billing.claims()).await.token();
        let right = billing.ask(&billing.signer.assertion(&billing.claims()));
        right.introspecting(&token).send().await.active();
        reports.send(&reports.claims()).await.token();
        world.clock.advance(60);
        made_up(&billing.client).send().await.refused(401, "invalid_client");
    }
}

story! {
    /// Few assertions from such an address are looked up at a time; one that has proved its client keeps no
    /// other waiting while its token is recorded.
    async fn a_doubtful_assertion_has_its_turn_while_others_are_recorded(world: World) {
        world.acme().await;
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(Billing::new(&world, Algorithm::ES256).await);
        }
        for _ in 0..300 {
            clients[0].ask("made up").send().await.refused(401, "invalid_client");
        }
        let looked_up = async || world.counted(r#"chancery_directory_fills_total{chancery_directory_entry="client"}"#).await;
        let (held, before) = (world.hold_tokens().await, looked_up().await);
        let all_are = async {
            let begun = std::time::Instant::now();
            while looked_up().await < before + 6 {
                assert!(begun.elapsed().as_secs() < 30, "some are kept waiting");
            }
            drop(held);
        };
        let asks = crate::repeated_commands::join_all(6, |number| {
            let client = &clients[number];
            async move { client.send(&client.claims()).await }
        });
        let (answers, ()) = tokio::join!(asks, all_are);
        for answer in answers {
            answer.token();
        }
    }
}
