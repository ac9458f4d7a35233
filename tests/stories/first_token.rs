//! The main job: from nothing to a token that a third party verifies.

use chancery_domain::StreamId;
use jwt_simple::prelude::*;
use oauth2::{
    AuthType, ClientId, ClientSecret, Scope, TokenResponse, TokenUrl, basic::BasicClient,
};
use serde_json::{Value, json};

use crate::support::{World, story};

story! {
    /// A third-party client gets the token, a third-party verifier checks it, and every change on
    /// the way is in the tenant's roll.
    async fn a_tenants_service_gets_a_token_that_others_verify(world: World) {
        let acme = world.acme().await;

        let oauth = BasicClient::new(ClientId::new(acme.client.clone()))
            .set_client_secret(ClientSecret::new(acme.secret.clone()))
            .set_token_uri(TokenUrl::new(world.token_endpoint("acme")).unwrap());
        let http = oauth_http(world.http.clone());
        let answer = oauth
            .exchange_client_credentials()
            .add_scope(Scope::new("orders:read".to_owned()))
            .request_async(&http)
            .await
            .unwrap();
        assert_eq!(answer.expires_in().unwrap().as_secs(), 3_600);
        let token = answer.access_token().secret();

        let claims = verified_elsewhere(&world, "acme", token).await;
        assert_eq!(claims.subject.as_deref(), Some(&*acme.client));
        assert_eq!(claims.custom["tenant_id"], json!(tenant_id(&world, "acme").await));
        assert_eq!(claims.custom["client_id"], json!(acme.client));
        assert_eq!(claims.custom["scope"], json!("orders:read"));
        assert_eq!(claims.custom["scopes"], json!(["orders:read"]));
        assert_eq!(claims.custom["roles"], json!(["clerk"]));
        assert_eq!(claims.custom["type"], json!("m2m"));
        assert_eq!(claims.custom["credential_id"], json!(acme.secret_id));

        let roll = roll(&world, "acme").await;
        let kinds: Vec<_> = roll.iter().map(|entry| entry.event.kind().0).collect();
        assert_eq!(
            kinds,
            ["TenantCreated", "KeyGenerated", "KeyActivated", "ApiCreated", "ApiCreated", "ClientCreated", "ClientGranted", "SecretIssued"]
        );
        let numbers: Vec<_> = roll.iter().map(|entry| entry.tenant_seq).collect();
        assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
        let operator = world.operator["client_id"].as_str().unwrap();
        assert!(roll.iter().all(|entry| entry.actor.kind() == "client" && entry.actor.id() == operator));
        assert!(matches!(roll[0].stream, StreamId::Tenant(_)));
    }
}

story! {
    async fn a_third_party_client_sends_its_secret_in_the_header_or_in_the_body(world: World) {
        let acme = world.acme().await;
        let http = oauth_http(world.http.clone());
        for way in [AuthType::BasicAuth, AuthType::RequestBody] {
            let oauth = BasicClient::new(ClientId::new(acme.client.clone()))
                .set_client_secret(ClientSecret::new(acme.secret.clone()))
                .set_token_uri(TokenUrl::new(world.token_endpoint("acme")).unwrap())
                .set_auth_type(way);
            let answer = oauth.exchange_client_credentials().request_async(&http).await.unwrap();
            let claims = verified_elsewhere(&world, "acme", answer.access_token().secret()).await;
            assert_eq!(claims.subject.as_deref(), Some(&*acme.client));
        }
    }
}

/// The `oauth2` crate speaks to any HTTP client through a function.
pub(crate) fn oauth_http(
    http: reqwest::Client,
) -> impl Fn(
    oauth2::HttpRequest,
) -> std::pin::Pin<
    Box<dyn Future<Output = Result<oauth2::HttpResponse, reqwest::Error>> + Send>,
> {
    move |request| {
        let http = http.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let sent = http
                .request(parts.method, parts.uri.to_string())
                .headers(parts.headers)
                .body(body)
                .send()
                .await?;
            let mut response = axum::http::Response::builder().status(sent.status());
            if let Some(headers) = response.headers_mut() {
                headers.extend(sent.headers().clone());
            }
            Ok(response.body(sent.bytes().await?.to_vec()).unwrap())
        })
    }
}

/// Verifies a token as a stranger would, by RFC 9068: metadata, key set, type, signature, issuer, audience,
/// times.
pub(crate) async fn verified_elsewhere(world: &World, slug: &str, token: &str) -> JWTClaims<Value> {
    let metadata: Value = world
        .http
        .get(format!(
            "{}/.well-known/oauth-authorization-server/t/{slug}",
            world.url
        ))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let keys: Value = world
        .http
        .get(metadata["jwks_uri"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let header = Token::decode_metadata(token).unwrap();
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == json!(header.key_id().unwrap()))
        .unwrap();
    let mut point = vec![4];
    for coordinate in ["x", "y"] {
        point.extend(
            Base64UrlSafeNoPadding::decode_to_vec(key[coordinate].as_str().unwrap(), None).unwrap(),
        );
    }
    let options = VerificationOptions {
        required_signature_type: Some("at+jwt".to_owned()),
        allowed_issuers: Some([metadata["issuer"].as_str().unwrap().to_owned()].into()),
        allowed_audiences: Some(["https://orders.example".to_owned()].into()),
        artificial_time: Some(Duration::from_secs(
            world.now().seconds().try_into().unwrap(),
        )),
        ..VerificationOptions::default()
    };
    ES256PublicKey::from_bytes(&point)
        .unwrap()
        .verify_token::<Value>(token, Some(options))
        .unwrap()
}

/// A tenant's id.
pub(crate) async fn tenant_id(world: &World, slug: &str) -> String {
    let query = format!("{{ tenant(slug: \"{slug}\") {{ id }} }}");
    let tenant = world.operator().await.query("tenant", &query).await.data();
    tenant["id"].as_str().unwrap().to_owned()
}

/// A tenant's whole roll, from the store.
pub(crate) async fn roll(world: &World, slug: &str) -> Vec<chancery_domain::Recorded> {
    let tenant = tenant_id(world, slug).await.parse().unwrap();
    world
        .platform
        .store
        .events_page(tenant, 0, 10_000)
        .await
        .unwrap()
}

story! {
    /// A restart keeps everything, the signing key too.
    async fn a_restart_keeps_everything(world: World) {
        let acme = world.acme().await;
        let before = world.token("acme", &acme.client, &acme.secret).send().await.token();
        let world = world.restart().await;
        let after = world.token("acme", &acme.client, &acme.secret).send().await.token();
        let kid = |token: &str| Token::decode_metadata(token).unwrap().key_id().unwrap().to_owned();
        assert_eq!(kid(&before), kid(&after));
        world.operator().await.query("tenant", "{ tenant(slug: \"acme\") { id } }").await.data();
    }
}
