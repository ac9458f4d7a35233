//! What an operation can be aimed at: a tenant with one of everything.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::GraphQl;

/// Everything in one tenant that an operation can name.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) slug: String,
    pub(crate) tenant: String,
    pub(crate) identifier: String,
    pub(crate) api: String,
    pub(crate) client: String,
    pub(crate) secret: String,
    /// A client that signs its assertions, and its key.
    pub(crate) signer: String,
    pub(crate) key: String,
    /// The key that signs the tenant's tokens.
    pub(crate) signing_key: String,
    pub(crate) tenant_cursor: String,
    pub(crate) api_cursor: String,
    pub(crate) client_cursor: String,
    pub(crate) roll_cursor: String,
    pub(crate) activity_cursor: String,
    pub(crate) agenda_cursor: String,
    /// The secret of the client: no operation takes it.
    pub(crate) plaintext: String,
}

const TENANT: &str = "query ($slug: String!) { tenant(slug: $slug) { id signingKeys { id }
    apis { edges { cursor node { id } } } clients { edges { cursor node { id } } } } }";

impl Target {
    /// Makes a tenant with one of everything.
    pub(crate) async fn make(operator: &GraphQl<'_>, slug: &str) -> Self {
        let identifier = format!("https://orders.{slug}.example");
        let tenant = json!({"slug": slug, "displayName": format!("The {slug} company")});
        let made = operator
            .mutation("createTenant", "tenant { id }", tenant)
            .await;
        let tenant = text(&made.data(), "/tenant/id");
        let api = json!({
            "tenant": slug,
            "identifier": identifier,
            "name": format!("Orders of {slug}"),
            "scopes": [{"name": "read"}, {"name": "write"}],
            "roles": [{"name": "clerk", "scopes": ["read"]}],
        });
        let made = operator.mutation("createApi", "api { id }", api).await;
        let api = text(&made.data(), "/api/id");
        let client = json!({
            "tenant": slug,
            "name": format!("billing of {slug}"),
            "description": format!("what {slug} does"),
            "metadata": {"team": slug},
            "customClaims": {"plan": slug},
            "serves": [identifier],
            "grants": [{"api": identifier, "scopes": ["read", "write"], "roles": ["clerk"]}],
        });
        let made = operator
            .mutation(
                "createClient",
                "client { id } secret { id plaintext }",
                client,
            )
            .await;
        let made = made.data();
        let (signer, key) = signer(operator, slug, &json!([])).await;
        let seen = operator
            .send("tenant", TENANT, json!({"slug": slug}))
            .await
            .data();
        let tenants = operator
            .query(
                "tenants",
                "{ tenants(first: 1000) { edges { cursor node { id } } } }",
            )
            .await;
        let cursor = |page: &Value, id: &str| {
            let edges = page["edges"].as_array().unwrap();
            let edge = edges.iter().find(|edge| edge["node"]["id"] == id).unwrap();
            edge["cursor"].as_str().unwrap().to_owned()
        };
        let client = text(&made, "/client/id");
        Self {
            slug: slug.to_owned(),
            tenant_cursor: cursor(&tenants.data(), &tenant),
            api_cursor: cursor(&seen["apis"], &api),
            client_cursor: cursor(&seen["clients"], &client),
            roll_cursor: URL_SAFE_NO_PAD.encode("entry_1"),
            // A record's id tells its moment: here that of the tenant's creation.
            activity_cursor: URL_SAFE_NO_PAD.encode(tenant.replace("tenant_", "activity_")),
            agenda_cursor: URL_SAFE_NO_PAD.encode(format!("1 client.expires 0 {client} ")),
            tenant,
            identifier,
            api,
            client,
            secret: text(&made, "/secret/id"),
            signer,
            key,
            signing_key: text(&seen, "/signingKeys/0/id"),
            plaintext: text(&made, "/secret/plaintext"),
        }
    }

    /// A target that is only to be told from another.
    pub(crate) fn named(name: &str) -> Self {
        let of = |kind: &str| format!("{kind} of {name}");
        Self {
            slug: of("slug"),
            tenant: of("tenant"),
            identifier: of("identifier"),
            api: of("api"),
            client: of("client"),
            secret: of("secret"),
            signer: of("signer"),
            key: of("key"),
            signing_key: of("signing key"),
            tenant_cursor: of("tenant's cursor"),
            api_cursor: of("api's cursor"),
            client_cursor: of("client's cursor"),
            roll_cursor: of("roll's cursor"),
            activity_cursor: of("activity's cursor"),
            agenda_cursor: of("agenda's cursor"),
            plaintext: String::new(),
        }
    }

    /// What looks like this target and does not exist.
    pub(crate) fn nowhere(&self) -> Self {
        Self {
            slug: "nowhere".to_owned(),
            identifier: "https://orders.nowhere.example".to_owned(),
            tenant: other(&self.tenant),
            api: other(&self.api),
            client: other(&self.client),
            secret: other(&self.secret),
            signer: other(&self.signer),
            key: other(&self.key),
            signing_key: other(&self.signing_key),
            tenant_cursor: other_cursor(&self.tenant_cursor),
            api_cursor: other_cursor(&self.api_cursor),
            client_cursor: other_cursor(&self.client_cursor),
            roll_cursor: self.roll_cursor.clone(),
            activity_cursor: other_cursor(&self.activity_cursor),
            agenda_cursor: URL_SAFE_NO_PAD
                .encode(format!("1 client.expires 0 {} ", other(&self.client))),
            plaintext: String::new(),
        }
    }

    /// Everything by which the tenant could be recognised in an answer.
    pub(crate) fn marks(&self) -> Vec<&str> {
        vec![
            &self.slug,
            &self.tenant,
            &self.identifier,
            &self.api,
            &self.client,
            &self.secret,
            &self.signer,
            &self.key,
            &self.signing_key,
            &self.tenant_cursor,
            &self.api_cursor,
            &self.client_cursor,
        ]
    }
}

/// A client that signs its assertions, with these grants; and its key.
pub(crate) async fn signer(operator: &GraphQl<'_>, slug: &str, grants: &Value) -> (String, String) {
    let point = URL_SAFE_NO_PAD.encode([7; 32]);
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": point});
    let input = json!({
        "tenant": slug,
        "name": format!("signer of {slug}"),
        "authMethod": "PRIVATE_KEY_JWT",
        "jwks": {"keys": [jwk]},
        "grants": grants,
    });
    let made = operator
        .mutation("createClient", "client { id keys { id } }", input)
        .await;
    let made = made.data();
    (text(&made, "/client/id"), text(&made, "/client/keys/0/id"))
}

pub(crate) fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
        .to_owned()
}

/// An id that differs in its last bits, so it is of the same age and kind.
fn other(id: &str) -> String {
    let (rest, last) = id.split_at(id.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

/// A cursor to a place right beside; the same, when it is not made of an id.
fn other_cursor(cursor: &str) -> String {
    let id = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    id.filter(|id| id.contains('_')).map_or_else(
        || cursor.to_owned(),
        |id| URL_SAFE_NO_PAD.encode(other(&id)),
    )
}
