//! What most clients do without: how they authenticate otherwise, metadata, claims, APIs that they serve.

use std::collections::BTreeSet;

use chancery_domain::{
    Faults,
    client::Client,
    json::JsonObject,
    tenant::AuthMethod,
    value::{ApiIdentifier, ClientJwks, CustomClaims},
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::grants::Apis;
use crate::{fields::Fields, form::Form, show};

/// How large the notes about a client may be, in bytes of JSON.
const METADATA: usize = 4096;

const METHODS: &[(AuthMethod, &str)] = &[
    (AuthMethod::ClientSecret, "A secret that it sends"),
    (
        AuthMethod::ClientSecretJwt,
        "A secret that keys its assertions",
    ),
    (
        AuthMethod::PrivateKeyJwt,
        "A key of its own that signs its assertions",
    ),
];

/// What was typed.
pub(super) struct More {
    pub(super) metadata: JsonObject,
    pub(super) custom_claims: CustomClaims,
    pub(super) serves: Vec<ApiIdentifier>,
    pub(super) auth_method: AuthMethod,
    pub(super) jwks: Option<ClientJwks>,
}

pub(super) fn method(form: &Form<'_>) -> Markup {
    let methods: Vec<_> = METHODS
        .iter()
        .map(|(method, text)| (method.as_str(), *text))
        .collect();
    form.choice("authMethod", "It authenticates with", "", &methods)
}

/// `served` are those that the client serves: what has no box of its own among `apis`, since it is retired or one of very
/// many, has one all the same, or it would be taken away by whoever saves the form for another reason.
pub(super) fn fields(form: &Form<'_>, apis: &Apis, served: &BTreeSet<ApiIdentifier>) -> Markup {
    let others = |api: &&ApiIdentifier| {
        let mut shown = apis.shown.iter();
        !shown.any(|(_, row)| row.state.identifier == **api)
    };
    let others: Vec<_> = served.iter().filter(others).collect();
    html! {
        (form.lines("metadata", "Metadata", "Notes of yours as a JSON object, like {\"team\": \"payments\"}. Whoever may read or audit this tenant sees them, and they stand in the roll for ever; no token has them.", 3))
        (form.lines("customClaims", "Claims that it adds to its tokens", "A JSON object. What Chancery sets itself cannot be set here.", 3))
        (form.lines("jwks", "Public keys", "Its JWK set, where it signs with a key of its own. Keys that are left out of a new set end.", 4))
        @if !others.is_empty() || apis.shown.iter().any(|(_, row)| !row.state.built_in) {
            fieldset.plain {
                legend { "APIs that it serves" }
                p.hint { "It may ask whether a token for one of these is good (RFC 7662)." }
                // Nothing ticked is an answer, too.
                input type="hidden" name="serves" value="";
                @for (_, row) in apis.shown.iter().filter(|(_, row)| !row.state.built_in) {
                    (form.tick("serves", row.state.identifier.as_str(), row.state.name.as_str()))
                }
                @for api in &others { (form.tick("serves", api.as_str(), api.as_str())) }
            }
            @if apis.is_cut {
                (form.lines("servesToo", "Others that it serves", "This tenant has more APIs than these. The identifier of one on each line.", 2))
            }
        }
    }
}

pub(super) fn parse(fields: &Fields, faults: &mut Faults) -> Option<More> {
    let nothing = || Ok(Value::Object(Map::new()));
    let object = |name: &str| fields.json(name).unwrap_or_else(nothing);
    let metadata = object("metadata").and_then(|value| JsonObject::parse(value, METADATA));
    let metadata = faults.take("metadata", metadata);
    let claims = object("customClaims").and_then(CustomClaims::parse);
    let custom_claims = faults.take("customClaims", claims);
    let jwks = faults
        .take_optional("jwks", fields.json("jwks"))
        .flatten()
        .and_then(|value| ClientJwks::parse("jwks", value, faults));
    let typed = fields.raw("servesToo").lines().map(str::trim);
    let typed = typed.filter(|line| !line.is_empty());
    let serves = fields.all("serves").chain(typed).map(ApiIdentifier::parse);
    let serves = serves.filter_map(|api| faults.take("serves", api));
    let serves = serves.collect();
    let methods = AuthMethod::ALL.map(|method| (method.as_str(), method));
    let method = faults.take_optional("authMethod", fields.chosen("authMethod", &methods));
    Some(More {
        metadata: metadata?,
        custom_claims: custom_claims?,
        serves,
        auth_method: method?.unwrap_or(AuthMethod::ClientSecret),
        jwks,
    })
}

/// What stands in the fields for a client that is there.
pub(super) fn given(client: &Client) -> Fields {
    let object = |members: &Map<String, Value>| {
        if members.is_empty() {
            String::new()
        } else {
            show::pretty(members)
        }
    };
    let keys: Vec<_> = client
        .live_keys()
        .map(|(_, key)| Value::from(key.jwk.public().members().clone()))
        .collect();
    let jwks = if keys.is_empty() {
        String::new()
    } else {
        serde_json::to_string_pretty(&json!({"keys": keys})).unwrap_or_default()
    };
    let fields = Fields::default()
        .with("authMethod", client.auth_method.as_str())
        .with("metadata", object(client.metadata.members()))
        .with("customClaims", object(client.custom_claims.members()))
        .with("jwks", jwks);
    client
        .serves
        .iter()
        .fold(fields, |fields, api| fields.with("serves", api.to_string()))
}
