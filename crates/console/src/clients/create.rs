use axum::response::Response;
use chancery_application::NewClient;
use chancery_domain::{
    Faults, Invalid, TenantId,
    client::Expiry,
    json::JsonObject,
    tenant::AuthMethod,
    value::{ClientJwks, ClientName, CustomClaims, Description},
};
use maud::html;
use serde_json::Value;

use super::{grants, once};
use crate::{
    fields::Fields,
    form::{Form, Line},
    layout::Page,
    posted::Posted,
    problem::Problem,
    stop::Stop,
    within::Within,
};

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

pub(crate) async fn page(within: Within) -> Result<Response, Stop> {
    show(&within, &Fields::default(), None).await
}

pub(crate) async fn create(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let input = match parse(within.tenant, fields) {
        Ok(input) => input,
        Err(faults) => return show(within, fields, Some(faults.into())).await,
    };
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("createClient");
    match application.create_client(caller, input, &request).await {
        Ok(created) => {
            let id = created.client;
            Ok(once::client(within, id, &created.row.state, created.secret))
        }
        Err(error) => show(within, fields, Some(Problem::of(error)?)).await,
    }
}

fn parse(tenant: TenantId, fields: &Fields) -> Result<NewClient, Faults> {
    let mut faults = Faults::default();
    let name = faults.take_optional("name", fields.get("name").map(ClientName::parse));
    let description = fields.get("description").map(Description::parse);
    let description = faults.take_optional("description", description);
    let metadata = fields.get("metadata").unwrap_or("{}");
    let metadata = faults.take(
        "metadata",
        json(metadata).and_then(|value| JsonObject::parse(value, METADATA)),
    );
    let expiry = fields.get("expiresInDays").map(|days| {
        days.parse()
            .map(Expiry::InDays)
            .map_err(|_| Invalid::new("number", "must be a whole number of days"))
    });
    let expiry = faults.take_optional("expiresInDays", expiry);
    let jwks = faults
        .take_optional("jwks", fields.get("jwks").map(json))
        .flatten()
        .and_then(|value| ClientJwks::parse("jwks", value, &mut faults));
    let method = METHODS
        .iter()
        .find(|(method, _)| fields.has("authMethod", method.as_str()))
        .map_or(AuthMethod::ClientSecret, |(method, _)| *method);
    let grants = grants::parse(fields, &mut faults);
    let whole = name.zip(description).zip(metadata).zip(expiry);
    faults.finish(
        whole.map(|(((name, description), metadata), expiry)| NewClient {
            tenant,
            name,
            description,
            metadata,
            expiry,
            custom_claims: CustomClaims::default(),
            serves: Vec::new(),
            grants,
            auth_method: method,
            jwks,
        }),
    )
}

fn json(text: &str) -> Result<Value, Invalid> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Invalid::new(
            "json",
            format!("must be JSON; line {line}, column {column} is not"),
        )
    })
}

async fn show(within: &Within, given: &Fields, problem: Option<Problem>) -> Result<Response, Stop> {
    let apis = grants::apis(within).await?;
    let form = Form::new(&within.visitor, given, problem.as_ref());
    let methods: Vec<_> = METHODS
        .iter()
        .map(|(method, text)| (method.as_str(), *text))
        .collect();
    let content = html! {
        fieldset {
            legend { "Client" }
            (form.line(&Line::text("name", "Name", "What people call the program, like Nightly billing.")))
            (form.line(&Line::text("description", "What it is for", "")))
            (form.line(&Line::number("expiresInDays", "Ends after (days)", "Empty: as the tenant's policy has it.")))
            (form.choice("authMethod", "It authenticates with", "", &methods))
            details {
                summary { "Metadata and keys" }
                (form.lines("metadata", "Metadata", "Notes of yours as a JSON object, like {\"team\": \"payments\"}. Nobody but operators sees them.", 3))
                (form.lines("jwks", "Public keys", "Its JWK set, where it signs with a key of its own.", 4))
            }
        }
        h2 { "What it may ask for" }
        @if apis.iter().all(|(_, row)| row.state.built_in) {
            div.empty { p { "This tenant has no API yet. " a href=(within.at("/apis/new")) { "Create one" } " first, or grant the client something later." } }
        }
        (grants::fields(&form, &apis))
        div.actions {
            button.primary type="submit" { "Create the client" }
            a.button href=(within.at("/clients")) { "Cancel" }
        }
    };
    Ok(Page::within("Create a client", within)
        .refused(problem.is_some())
        .show(&html! {
            h1 { "Create a client" }
            (form.to(&within.at("/clients/new"), &content))
        }))
}
