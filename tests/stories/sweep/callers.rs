//! Those who ask: one for each scope in each kind of tenant, and those whose token is worth nothing.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    forged,
    matrix::{Holder, Needs},
    target::{Target, text},
};
use crate::support::{GraphQl, World};

const ADMIN: &str = "urn:chancery:admin";

/// A client of the admin API.
pub(crate) struct Admin {
    pub(crate) client: String,
    pub(crate) secret: String,
    pub(crate) plaintext: String,
}

/// Creates a client of a tenant that holds these scopes of the admin API.
pub(crate) async fn admin(
    operator: &GraphQl<'_>,
    slug: &str,
    name: &str,
    scopes: &[&str],
) -> Admin {
    let grants = json!([{"api": ADMIN, "scopes": scopes}]);
    let input = json!({"tenant": slug, "name": name, "grants": grants});
    let made = operator
        .mutation(
            "createClient",
            "client { id } secret { id plaintext }",
            input,
        )
        .await;
    let made = made.data();
    Admin {
        client: text(&made, "/client/id"),
        secret: text(&made, "/secret/id"),
        plaintext: text(&made, "/secret/plaintext"),
    }
}

/// A caller with one scope: `Bearer …`.
pub(crate) struct Caller {
    pub(crate) holder: Holder,
    pub(crate) bearer: String,
}

pub(crate) async fn bearer(world: &World, slug: &str, admin: &Admin) -> String {
    let caller = world.admin(slug, &admin.client, &admin.plaintext).await;
    format!("Bearer {}", caller.token())
}

/// Every holder there can be, those outside of `system` at home in this tenant.
pub(crate) async fn holders(world: &World, operator: &GraphQl<'_>, home: &Target) -> Vec<Caller> {
    let mut callers = Vec::new();
    for holder in Holder::all() {
        let slug = if holder.of_system {
            "system"
        } else {
            &home.slug
        };
        // A token has to have a scope; one that the client has lost meanwhile counts for nothing.
        let scope = holder.scope.map_or("tenant:read", |scope| scope.as_str());
        let made = admin(operator, slug, "holder", &[scope]).await;
        let bearer = bearer(world, slug, &made).await;
        if holder.scope.is_none() {
            let input = json!({"client": made.client, "grants": []});
            operator
                .mutation("updateClient", "replayed", input)
                .await
                .data();
        }
        callers.push(Caller { holder, bearer });
    }
    callers
}

/// What may stand in the `Authorization` header and lets nobody in. Where it is made of a token, it is
/// one that would be good for everything.
pub(crate) async fn unusable(
    world: &World,
    operator: &GraphQl<'_>,
    other: &Target,
) -> BTreeMap<&'static str, Option<String>> {
    let expiring = admin(operator, "system", "expiring", &["platform:admin"]).await;
    let expired = bearer(world, "system", &expiring).await;
    world.clock.advance(3_600);

    let operator = &world.operator().await;
    let good = operator.token();
    let secret = operator_secret(world);
    let mut found = BTreeMap::from([
        ("an expired token", Some(expired)),
        ("no token", None),
        ("an empty token", Some("Bearer ".to_owned())),
        ("text", Some("Bearer nonsense".to_owned())),
        ("two points", Some("Bearer ..".to_owned())),
        ("another scheme", Some(format!("Token {good}"))),
        ("a token without a scheme", Some(good.to_owned())),
        ("two tokens", Some(format!("Bearer {good}, Bearer {good}"))),
        (
            "the secret",
            Some(format!("Basic {}", STANDARD.encode(&secret))),
        ),
        ("the secret as a token", Some(format!("Bearer {secret}"))),
    ]);
    let url = format!("{}/t/system/oauth2/jwks", world.url);
    let published = world
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for (what, token) in forged::of(good, &published) {
        found.insert(what, Some(format!("Bearer {token}")));
    }
    let answer = world
        .token(&other.slug, &other.client, &other.plaintext)
        .send()
        .await;
    found.insert(
        "a token for another audience",
        Some(format!("Bearer {}", answer.token())),
    );
    found.extend(ended(world, operator).await);
    found
}

fn operator_secret(world: &World) -> String {
    let text = |member: &str| world.operator[member].as_str().unwrap();
    format!("{}:{}", text("client_id"), text("client_secret"))
}

/// Tokens whose client, credential or tenant has ended since.
async fn ended(world: &World, operator: &GraphQl<'_>) -> Vec<(&'static str, Option<String>)> {
    let mut found = Vec::new();
    let tenant = json!({"slug": "ended", "displayName": "Ended"});
    operator
        .mutation("createTenant", "replayed", tenant)
        .await
        .data();
    for (what, slug, verb, extra) in [
        (
            "a disabled client's token",
            "system",
            "disableClient",
            json!({}),
        ),
        (
            "a deleted client's token",
            "system",
            "deleteClient",
            json!({}),
        ),
        (
            "a compromised secret's token",
            "system",
            "revokeClientSecret",
            json!({"compromised": true}),
        ),
        (
            "a suspended tenant's token",
            "ended",
            "suspendTenant",
            json!({}),
        ),
    ] {
        let scope = if slug == "system" {
            "platform:admin"
        } else {
            "tenant:admin"
        };
        let ending = admin(operator, slug, what, &[scope]).await;
        found.push((what, Some(bearer(world, slug, &ending).await)));
        let mut input = extra;
        input["reason"] = json!("test");
        if verb == "suspendTenant" {
            input["tenant"] = json!(slug);
        } else {
            input["client"] = json!(ending.client);
        }
        if verb == "revokeClientSecret" {
            input["secret"] = json!(ending.secret);
        }
        operator.mutation(verb, "replayed", input).await.data();
    }
    found
}

/// A caller with the least scope that is enough: `Bearer …`.
pub(crate) async fn least(
    world: &World,
    operator: &GraphQl<'_>,
    needs: Needs,
    target: &Target,
) -> String {
    let (slug, scope) = match needs {
        Needs::PlatformAdmin => ("system", "platform:admin"),
        Needs::PlatformRead => ("system", "platform:read"),
        Needs::TenantAdmin => (&*target.slug, "tenant:admin"),
        Needs::TenantRead => (&*target.slug, "tenant:read"),
        Needs::AuditRead => (&*target.slug, "audit:read"),
    };
    let made = admin(operator, slug, "least", &[scope]).await;
    bearer(world, slug, &made).await
}
