//! A client's page for what is known of it, to be changed.

use std::collections::BTreeSet;

use axum::response::Response;
use chancery_application::{ClientChange, Needs};
use chancery_domain::{
    ClientId, Faults, Invalid,
    client::{Client, ClientKey, Expiry},
    value::{ApiIdentifier, ClientName, Description, Patch},
};
use maud::html;

use super::{called, change, found, grants, more};
use crate::{
    fields::Fields,
    form::{Form, Line},
    layout::Page,
    posted::{Posted, VERSION},
    problem::Problem,
    show,
    stop::Stop,
    within::Within,
};

pub(crate) async fn page(within: Within) -> Result<Response, Stop> {
    within.require(Needs::TenantAdmin)?;
    let (id, row) = found(&within).await?;
    let given = given(&row.state).with(VERSION, row.version.to_string());
    form(&within, id, &row.state, &given, None).await
}

pub(crate) async fn save(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, row) = found(within).await?;
    let version = posted.version()?;
    let change = match parse(id, &row.state, fields) {
        Ok(change) => match ends(&row.state, &change).filter(|_| !fields.has("meant", "yes")) {
            Some(ends) => {
                let mut faults = Faults::default();
                faults.add("meant", Invalid::new("meant", ends));
                return form(within, id, &row.state, fields, Some(faults.into())).await;
            }
            None => ClientChange {
                expected_version: Some(version),
                ..change
            },
        },
        Err(faults) => return form(within, id, &row.state, fields, Some(faults.into())).await,
    };
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("updateClient");
    match application.update_client(caller, change, &request).await {
        Ok(_) => Ok(change::to(within, id, "saved")),
        Err(error) => {
            let problem = Problem::of(error)?;
            form(within, id, &row.state, fields, Some(problem)).await
        }
    }
}

fn given(client: &Client) -> Fields {
    let text = |text: Option<String>| text.unwrap_or_default();
    more::given(client)
        .with("name", text(client.name.as_ref().map(ToString::to_string)))
        .with(
            "description",
            text(client.description.as_ref().map(ToString::to_string)),
        )
        .with("expiresAt", text(client.expires_at.map(show::in_field)))
}

/// What is different from the client as it is now: what nobody touched is not judged anew by the policy. Of a
/// form that is older than that nothing is taken.
fn parse(client: ClientId, before: &Client, fields: &Fields) -> Result<ClientChange, Faults> {
    let given = given(before);
    let differs = |name: &str| fields.asks(name) && !fields.all(name).eq(given.all(name));
    let mut faults = Faults::default();
    let name = faults.take_optional("name", fields.get("name").map(ClientName::parse));
    let description = fields.get("description").map(Description::parse);
    let description = faults.take_optional("description", description);
    let expiry = faults.take_optional("expiresAt", fields.moment("expiresAt"));
    let more = more::parse(fields, &mut faults);
    let whole = name.zip(description).zip(expiry).zip(more);
    faults.finish(
        whole.map(|(((name, description), expiry), more)| ClientChange {
            name: patch(differs("name"), name),
            description: patch(differs("description"), description),
            expiry: patch(differs("expiresAt"), expiry.map(Expiry::At)),
            metadata: differs("metadata").then_some(more.metadata),
            custom_claims: differs("customClaims").then_some(more.custom_claims),
            serves: serves_others(before, &more.serves).then_some(more.serves),
            auth_method: differs("authMethod").then_some(more.auth_method),
            jwks: more.jwks.filter(|_| differs("jwks")),
            ..change::nothing(client)
        }),
    )
}

/// Whether these are others than the client serves now, in whatever order they stand.
fn serves_others(before: &Client, serves: &[ApiIdentifier]) -> bool {
    !serves
        .iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .eq(&before.serves)
}

/// What it authenticates with now, and ends with a change; nothing, where it all stays.
fn ends(before: &Client, change: &ClientChange) -> Option<&'static str> {
    let other = change
        .auth_method
        .filter(|method| *method != before.auth_method);
    let kept = |key: &ClientKey| {
        let mut sets = change.jwks.iter();
        sets.all(|jwks| jwks.keys().iter().any(|other| other.is_same_key(&key.jwk)))
    };
    match other {
        Some(_) if before.auth_method.has_secrets() => Some(
            "ends every secret that it has, at once: whoever sends one is refused. Tick the box beside the button to do it",
        ),
        Some(_) => Some(
            "ends every key that it has, at once: whoever signs with one is refused. Tick the box beside the button to do it",
        ),
        None if before.live_keys().any(|(_, key)| !kept(key)) => Some(
            "ends the keys that are left out, at once: whoever signs with one is refused. Tick the box beside the button to do it",
        ),
        None => None,
    }
}

fn patch<T>(differs: bool, given: Option<T>) -> Patch<T> {
    match given {
        _ if !differs => Patch::Keep,
        Some(value) => Patch::Set(value),
        None => Patch::Clear,
    }
}

async fn form(
    within: &Within,
    id: ClientId,
    client: &Client,
    given: &Fields,
    problem: Option<Problem>,
) -> Result<Response, Stop> {
    let apis = grants::apis(within, None).await?;
    let form = Form::new(&within.visitor, given, problem.as_ref());
    let name = called(id, client);
    let back = within.at(&format!("/clients/{id}"));
    let content = html! {
        fieldset {
            legend { "Client" }
            (form.line(&Line::text("name", "Name", "")))
            (form.line(&Line::text("description", "What it is for", "")))
            (form.line(&Line::moment("expiresAt", "Ends at (UTC)", "Empty: it has no end.")))
        }
        fieldset {
            legend { "Tokens and keys" }
            (more::method(&form))
            p.hint { "Another way ends what it authenticated with before." }
            (more::fields(&form, &apis, &client.serves))
        }
        (form.meant("I know what this ends"))
        div.actions {
            button.primary type="submit" { "Save" }
            a.button href=(back) { "Cancel" }
        }
    };
    Ok(Page::within(format!("Change {name}"), within)
        .refused(problem.is_some())
        .show(&html! {
            h1 { "Change " a href=(back) { (name) } }
            (form.to(&within.at(&format!("/clients/{id}/edit")), &content))
        }))
}
