//! Some weeks of a tenant, with something on every page: for pictures, and for whoever looks at every page.

use serde_json::{Value, json};

use crate::support::{GraphQl, World};

/// What there is to be seen.
pub(super) struct Life {
    /// The client that has seen most.
    pub(super) client: String,
    /// The one with a key of its own.
    pub(super) keyed: String,
    /// One that was disabled.
    pub(super) disabled: String,
    /// One that was deleted.
    pub(super) deleted: String,
    /// An API in use.
    pub(super) api: String,
    /// One that was retired.
    pub(super) retired: String,
}

const LONG: &str =
    "Reconciliation of everything that was ordered, delivered, returned and paid since yesterday";

pub(super) async fn live(world: &World) -> Life {
    let acme = world.acme().await;
    for slug in ["globex", "initech", "umbrella"] {
        world.tenant_like_acme(slug).await;
    }
    let operator = world.operator().await;
    let empty = json!({"slug": "empty", "displayName": "Nothing yet"});
    operator
        .mutation("createTenant", "tenant { id }", empty)
        .await
        .data();
    let renamed = json!({"tenant": "acme", "displayName": "Acme Ltd."});
    operator
        .mutation("updateTenant", "tenant { id }", renamed)
        .await
        .data();
    let suspended = json!({"tenant": "initech", "reason": "unpaid"});
    operator
        .mutation("suspendTenant", "tenant { id }", suspended)
        .await
        .data();
    let described = json!({
        "client": acme.client, "name": "Nightly billing", "description": "Writes the bills of the day",
        "metadata": {"team": "payments"}, "customClaims": {"region": "eu"}, "serves": ["https://orders.example"],
    });
    operator
        .mutation("updateClient", "client { id }", described)
        .await
        .data();
    let orders = |scopes: &[&str]| json!([{"api": "https://orders.example", "scopes": scopes}]);
    created(
        &operator,
        json!({"name": "Warehouse", "grants": orders(&["orders:read"]), "expiresInDays": 60}),
    )
    .await;
    created(
        &operator,
        json!({"name": "Web shop", "grants": orders(&["orders:read", "orders:write"])}),
    )
    .await;
    created(
        &operator,
        json!({"name": LONG, "grants": orders(&["orders:read"])}),
    )
    .await;
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "first",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    let keyed = created(
        &operator,
        json!({"name": "Ledger", "authMethod": "PRIVATE_KEY_JWT", "jwks": {"keys": [jwk]}}),
    )
    .await;
    let disabled = created(&operator, json!({"name": "Import of last year"})).await;
    let why = json!({"client": disabled, "reason": "not needed for now"});
    operator
        .mutation("disableClient", "client { id }", why)
        .await
        .data();
    let deleted = created(&operator, json!({"name": "A try"})).await;
    let why = json!({"client": deleted, "reason": "it was one"});
    operator
        .mutation("deleteClient", "client { id }", why)
        .await
        .data();
    let old = json!({"tenant": "acme", "identifier": "https://fax.example", "name": "Fax", "scopes": [{"name": "fax:send"}]});
    let old = operator
        .mutation("createApi", "api { id }", old)
        .await
        .data();
    let retired = text(&old, "/api/id");
    operator
        .mutation("retireApi", "api { id }", json!({"api": retired}))
        .await
        .data();
    weeks(world, &acme.client).await;
    Life {
        client: acme.client,
        keyed,
        disabled,
        deleted,
        api: acme.api,
        retired,
    }
}

/// Three weeks of one of its clients, with the traffic of the last day.
async fn weeks(world: &World, client: &str) {
    world.clock.advance(20 * 86_400);
    let rotate = json!({"client": client, "overlapSeconds": 2 * 86_400});
    let rotated = world
        .operator()
        .await
        .mutation("rotateClientSecret", "secret { plaintext }", rotate)
        .await
        .data();
    let secret = text(&rotated, "/secret/plaintext");
    world.clock.advance(2 * 86_400);
    traffic(world, client, &secret).await;
    let operator = world.operator().await;
    let rotate = json!({"client": client, "label": "autumn"});
    operator
        .mutation("rotateClientSecret", "client { id }", rotate)
        .await
        .data();
    let schedule = json!({"client": client, "everySeconds": 60 * 86_400});
    operator
        .mutation("scheduleSecretRotation", "client { id }", schedule)
        .await
        .data();
    operator
        .mutation(
            "rotateSigningKey",
            "tenant { id }",
            json!({"tenant": "acme"}),
        )
        .await
        .data();
    world.clock.advance(600);
}

async fn created(operator: &GraphQl<'_>, mut input: Value) -> String {
    input["tenant"] = json!("acme");
    text(
        &operator
            .mutation("createClient", "client { id }", input)
            .await
            .data(),
        "/client/id",
    )
}

/// Most of a day of it.
async fn traffic(world: &World, client: &str, secret: &str) {
    for hour in 0..22 {
        for _ in 0..(hour * 7) % 11 + 2 {
            world.token("acme", client, secret).send().await.token();
        }
        if hour % 5 == 3 {
            world
                .token("acme", client, secret)
                .with("scope", "orders:delete")
                .send()
                .await;
            world.token("acme", client, "chs_wrong").send().await;
        }
        world.clock.advance(3_600);
    }
}

fn text(answer: &Value, pointer: &str) -> String {
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap()
        .to_owned()
}
