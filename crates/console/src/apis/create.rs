use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::{Needs, NewApi};
use chancery_domain::{
    Faults, TenantId,
    value::{ApiIdentifier, ApiName, CustomClaims},
};
use maud::html;

use super::definition;
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
    Ok(show(&within, &Fields::default(), None))
}

pub(crate) async fn create(form: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&form.from, &form.fields);
    let input = match parse(within.tenant, fields) {
        Ok(input) => input,
        Err(faults) => return Ok(show(within, fields, Some(&faults.into()))),
    };
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = form.request("createApi");
    match application.create_api(caller, input, &request).await {
        Ok((api, _)) => {
            Ok(Redirect::to(&within.at(&format!("/apis/{api}?done=created"))).into_response())
        }
        Err(error) => Ok(show(within, fields, Some(&Problem::of(error)?))),
    }
}

fn parse(tenant: TenantId, fields: &Fields) -> Result<NewApi, Faults> {
    let mut faults = Faults::default();
    let identifier = fields.get("identifier").unwrap_or_default();
    let identifier = faults.take("identifier", ApiIdentifier::parse(identifier));
    let name = fields.get("name").unwrap_or_default();
    let name = faults.take("name", ApiName::parse(name));
    let scopes = definition::scopes(fields, &mut faults);
    let roles = definition::roles(fields, &mut faults);
    let tokens = definition::tokens(fields, &mut faults);
    let claims = fields
        .json("customClaims")
        .map(|claims| claims.and_then(CustomClaims::parse));
    let claims = faults.take_optional("customClaims", claims);
    let whole = identifier.zip(name).zip(claims);
    faults.finish(whole.map(|((identifier, name), claims)| NewApi {
        tenant,
        identifier,
        name,
        scopes,
        roles,
        tokens,
        custom_claims: claims.unwrap_or_default(),
    }))
}

fn show(within: &Within, given: &Fields, problem: Option<&Problem>) -> Response {
    let form = Form::new(&within.visitor, given, problem);
    let content = html! {
        (form.line(&Line::text("name", "Name", "What people call it, like Orders.").required()))
        (form.line(&Line::text("identifier", "Identifier", "A URI, like https://orders.example. It is never called: it is the aud of the API's tokens, for ever.").required()))
        (definition::fields(&form))
        details open[problem.is_some()] {
            summary { "How its tokens differ from the tenant's" }
            (definition::token_fields(&form))
        }
        div.actions {
            button.primary type="submit" { "Create the API" }
            a.button href=(within.at("/apis")) { "Cancel" }
        }
    };
    Page::within("Create an API", within)
        .refused(problem.is_some())
        .show(&html! {
            h1 { "Create an API" }
            (form.to(&within.at("/apis/new"), &content))
        })
}
