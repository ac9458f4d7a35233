use std::collections::BTreeSet;

use axum::response::Response;
use chancery_application::{Needs, NewClient};
use chancery_domain::{
    Faults, TenantId,
    client::Expiry,
    value::{ClientName, Description},
};
use maud::html;

use super::{grants, more, once};
use crate::{
    fields::Fields,
    form::{Form, Line},
    layout::Page,
    posted::Posted,
    problem::Problem,
    stop::Stop,
    within::Within,
};

pub(crate) async fn page(within: Within) -> Result<Response, Stop> {
    within.require(Needs::TenantAdmin)?;
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
    let expiry = fields.whole("expiresInDays");
    let expiry = expiry.map(|days| days.map(Expiry::InDays));
    let expiry = faults.take_optional("expiresInDays", expiry);
    let more = more::parse(fields, &mut faults);
    let grants = grants::parse(fields, &mut faults);
    let whole = name.zip(description).zip(expiry).zip(more);
    faults.finish(
        whole.map(|(((name, description), expiry), more)| NewClient {
            tenant,
            name,
            description,
            metadata: more.metadata,
            expiry,
            custom_claims: more.custom_claims,
            serves: more.serves,
            grants,
            auth_method: more.auth_method,
            jwks: more.jwks,
        }),
    )
}

async fn show(within: &Within, given: &Fields, problem: Option<Problem>) -> Result<Response, Stop> {
    let apis = grants::apis(within, None).await?;
    let form = Form::new(&within.visitor, given, problem.as_ref());
    let name = Line::text(
        "name",
        "Name",
        "What people call the program, like Nightly billing.",
    );
    let needed = within
        .known
        .as_ref()
        .is_some_and(|tenant| tenant.policy.require_client_name);
    let name = if needed { name.required() } else { name };
    let content = html! {
        fieldset {
            legend { "Client" }
            (form.line(&name))
            (form.line(&Line::text("description", "What it is for", "")))
            (form.line(&Line::number("expiresInDays", "Ends after (days)", "Empty: as the tenant's policy has it.")))
            (more::method(&form))
            details open[problem.is_some()] {
                summary { "Metadata, claims and keys" }
                (more::fields(&form, &apis, &BTreeSet::new()))
            }
        }
        h2 { "What it may ask for" }
        @if apis.shown.iter().all(|(_, row)| row.state.built_in) {
            div.empty { p { "This tenant has no API yet. " a href=(within.at("/apis/new")) { "Create one" } " first, or grant the client something later." } }
        }
        (grants::fields(&form, &apis, None))
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
