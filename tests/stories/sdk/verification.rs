use std::time::Duration;

use axum::{Router, extract::Path, routing::get};
use chancery_sdk::{
    AuthLayer, Caller, ClientAuth, InvalidToken, Permission, Permitted, Require, TokenRequest,
    introspection::Introspection, middleware::BearerToken,
};
use serde_json::json;

use super::support::{Counter, client, issuer, verifying};
use crate::support::{World, story};

const ORDERS: &str = "https://orders.example";

story! {
    /// Every algorithm that an API can choose is verified with what its tenant publishes, by one verifier
    /// that nobody makes anew.
    async fn tokens_of_every_algorithm_are_verified(world: World) {
        let acme = world.acme().await;
        let verifier = verifying(&world).issuer(issuer(&world, "acme")).build().unwrap();
        let mut signed_by = Vec::new();
        for algorithm in ["ES256", "EDDSA", "RS256"] {
            let input = json!({"api": acme.api, "signingAlgorithm": algorithm});
            world.operator().await.mutation("updateApi", "api { id }", input).await.data();
            let tokens = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
            // Its key is published for an hour before it signs. Until then the one before does.
            let token = tokens.get_token().await.unwrap();
            verifier.verify(token.reveal()).await.unwrap();
            world.clock.advance(3_600);
            tokens.clear_cache().await;
            let token = tokens.get_token().await.unwrap();
            signed_by.push(jsonwebtoken::decode_header(token.reveal()).unwrap().alg);
            let caller = verifier.verify(token.reveal()).await.unwrap();
            assert_eq!(caller.client_id(), acme.client);
            assert!(caller.tenant_id().unwrap().starts_with("tenant_"));
            assert_eq!(caller.credential_id(), Some(acme.secret_id.as_str()));
            assert_eq!(caller.scopes().to_string(), "orders:read orders:write");
            assert_eq!(caller.roles(), ["clerk"]);
            assert_eq!(caller.claim::<String>("type").as_deref(), Some("m2m"));
        }
        let algorithms = signed_by.iter().map(|algorithm| format!("{algorithm:?}")).collect::<Vec<_>>();
        assert_eq!(algorithms, ["ES256", "EdDSA", "RS256"]);
    }
}

story! {
    /// A token of one tenant is worth nothing at another's API, and an API of all tenants sees whose it is.
    async fn tenants_are_told_apart(world: World) {
        let acme = world.acme().await;
        let globex = world.tenant_like_acme("globex").await;
        let token = async |slug: &str, id: &str, secret: &str| {
            let tokens = client(&world, slug, id).secret(secret).build().unwrap();
            tokens.get_token().await.unwrap()
        };
        let ours = token("acme", &acme.client, &acme.secret).await;
        let theirs = token("globex", &globex.client, &globex.secret).await;

        let only_acme = verifying(&world).issuer(issuer(&world, "acme")).build().unwrap();
        only_acme.verify(ours.reveal()).await.unwrap();
        let refused = only_acme.verify(theirs.reveal()).await.unwrap_err();
        assert_eq!(refused, InvalidToken::UnknownIssuer.into());

        let every = verifying(&world).tenants_of(&world.url).build().unwrap();
        let (ours, theirs) = (every.verify(ours.reveal()).await.unwrap(), every.verify(theirs.reveal()).await.unwrap());
        assert_eq!((ours.tenant(), theirs.tenant()), (Some("acme"), Some("globex")));
        assert_ne!(ours.tenant_id(), theirs.tenant_id());

        // The admin API's tokens are for the admin API.
        let operator = world.operator().await;
        assert_eq!(
            every.verify(operator.token()).await.unwrap_err(),
            InvalidToken::WrongAudience.into()
        );
    }
}

story! {
    /// The signing key is followed by another and then the algorithm by another, while calls go on. Nobody
    /// clears a cache, and the key set is fetched no more often than its headers say.
    async fn a_rotation_of_the_key_and_of_the_algorithm_fails_no_call(world: World) {
        let acme = world.acme().await;
        let update = json!({"tenant": "acme", "policy": {"accessTokenSeconds": 600}});
        world.operator().await.mutation("updateTenant", "replayed", update).await.data();
        let tokens = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
        let verifier = verifying(&world).issuer(issuer(&world, "acme")).build().unwrap();
        let mut signed_by = Vec::new();
        for step in 0..150 {
            let operator = world.operator().await;
            if step == 10 {
                operator.mutation("rotateSigningKey", "replayed", json!({"tenant": "acme"})).await.data();
            } else if step == 70 {
                let update = json!({"tenant": "acme", "policy": {"signingAlgorithm": "RS256"}});
                operator.mutation("updateTenant", "replayed", update).await.data();
            }
            world.clock.advance(97);
            let token = tokens.get_token().await.unwrap();
            verifier.verify(token.reveal()).await.unwrap_or_else(|error| panic!("step {step}: {error}"));
            let header = jsonwebtoken::decode_header(token.reveal()).unwrap();
            if signed_by.last() != Some(&header.kid) {
                signed_by.push(header.kid);
            }
        }
        assert_eq!(signed_by.len(), 3, "{signed_by:?}");
    }
}

story! {
    /// Where the API asks the issuer, what is disabled, revoked or compromised is refused when the answer
    /// that is remembered has aged, although the tokens have not ended.
    async fn what_is_revoked_is_refused_within_the_time_of_the_cache(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = json!({"tenant": "acme", "name": "orders", "serves": [ORDERS]});
        let made = operator.mutation("createClient", "client { id } secret { plaintext }", input).await.data();
        let text = |pointer: &str| made.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let auth = ClientAuth::basic(text("/secret/plaintext"));
        let asking = Introspection::new(text("/client/id"), auth).remember_for(Duration::from_secs(10));
        let verifier = verifying(&world).issuer(issuer(&world, "acme")).introspection(asking).build().unwrap();
        let token = async || {
            let tokens = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
            tokens.get_token().await.unwrap()
        };
        let held = token().await;
        verifier.verify(held.reveal()).await.unwrap();
        let disable = json!({"client": acme.client, "reason": "left"});
        operator.mutation("disableClient", "client { id }", disable).await.data();
        world.clock.advance(10);
        assert_eq!(verifier.verify(held.reveal()).await.unwrap_err(), InvalidToken::Revoked.into());
        operator.mutation("enableClient", "client { id }", json!({"client": acme.client})).await.data();
        world.clock.advance(10);
        verifier.verify(held.reveal()).await.unwrap();

        let given_back = token().await;
        verifier.verify(given_back.reveal()).await.unwrap();
        let tokens = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
        tokens.revoke(&given_back).await.unwrap();
        world.clock.advance(10);
        assert_eq!(verifier.verify(given_back.reveal()).await.unwrap_err(), InvalidToken::Revoked.into());
        verifier.verify(held.reveal()).await.unwrap();

        let leaked = json!({"client": acme.client, "secret": acme.secret_id, "reason": "found in a log", "compromised": true});
        operator.mutation("revokeClientSecret", "client { id }", leaked).await.data();
        world.clock.advance(10);
        assert_eq!(verifier.verify(held.reveal()).await.unwrap_err(), InvalidToken::Revoked.into());
    }
}

struct Write;

impl Permission for Write {
    const REQUIRE: Require<'_> = Require::new()
        .all_scopes(&["orders:write"])
        .any_role(&["clerk"]);
}

/// Serves an API, and says where.
async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

story! {
    /// A token is revoked while its client goes on using it: the API that asks refuses it, and the middleware
    /// gets another, so that no call fails.
    async fn a_token_that_is_refused_is_replaced_within_the_call(world: World) {
        let acme = world.acme().await;
        let asking = Introspection::new(&acme.client, ClientAuth::basic(acme.secret.as_str()));
        let verifier = verifying(&world).issuer(issuer(&world, "acme")).introspection(asking).build().unwrap();
        let url = serve(Router::new().route("/", get(async |_: Caller| "in")).layer(AuthLayer::new(verifier))).await;
        let counter = Counter::default();
        let ours = || client(&world, "acme", &acme.client).secret(acme.secret.as_str());
        let tokens = ours().hooks(counter.clone()).build().unwrap();
        let bearer = BearerToken::new(tokens.clone()).only_for([&url]).unwrap();
        let http = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(bearer).build();
        let call = async || http.get(&url).send().await.unwrap().status().as_u16();
        assert_eq!(call().await, 200);
        let held = tokens.get_token().await.unwrap();
        // Somebody else revokes it, so this client does not know.
        ours().build().unwrap().revoke(&held).await.unwrap();
        world.clock.advance(10);
        assert_eq!(call().await, 200);
        assert_ne!(tokens.get_token().await.unwrap().reveal(), held.reveal());
        assert_eq!(counter.requests(), 2);
    }
}

story! {
    /// From one service to another: middleware on this side, layer and extractors on that.
    async fn a_call_between_services_is_let_in_by_what_was_granted(world: World) {
        let acme = world.acme().await;
        let verifier = verifying(&world).tenants_of(&world.url).build().unwrap();
        let of_tenant = async |caller: Caller, Path(tenant): Path<String>| {
            if caller.tenant() == Some(tenant.as_str()) { Ok("yours") } else { Err(http::StatusCode::NOT_FOUND) }
        };
        let app = Router::new()
            .route("/orders", get(async |_: Permitted<Write>| "written"))
            .route("/tenants/{tenant}", get(of_tenant))
            .layer(AuthLayer::new(verifier));
        let url = serve(app).await;

        let tokens = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
        let all = BearerToken::new(tokens.clone()).only_for([&url]).unwrap();
        let narrow = all.clone().with_request(TokenRequest::new().scopes("orders:read"));
        let status = async |with: &BearerToken, path: &str| {
            let http = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(with.clone()).build();
            http.get(format!("{url}{path}")).send().await.unwrap().status().as_u16()
        };
        assert_eq!(status(&all, "/orders").await, 200);
        assert_eq!(status(&narrow, "/orders").await, 403);
        assert_eq!(status(&all, "/tenants/acme").await, 200);
        assert_eq!(status(&all, "/tenants/globex").await, 404);
        assert_eq!(world.http.get(format!("{url}/orders")).send().await.unwrap().status(), 401);
    }
}
