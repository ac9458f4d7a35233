use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::{Error, NewTenant};
use chancery_domain::{
    Faults,
    access::AdminScope,
    tenant::PolicyChange,
    value::{DisplayName, Slug},
};
use maud::html;

use crate::{
    fields::Fields,
    form::{Form, Line},
    layout::Page,
    posted::Posted,
    problem::Problem,
    stop::Stop,
    visitor::Visitor,
};

pub(crate) async fn page(visitor: Visitor) -> Result<Response, Stop> {
    if visitor.session.caller.holds(AdminScope::PlatformAdmin) {
        return Ok(show(&visitor, &Fields::default(), None));
    }
    let needs = AdminScope::PlatformAdmin.as_str();
    Err(Error::Forbidden { needs }.into())
}

pub(crate) async fn create(form: Posted<Visitor>) -> Result<Response, Stop> {
    let (visitor, fields) = (&form.from, &form.fields);
    let input = match parse(fields) {
        Ok(input) => input,
        Err(faults) => return Ok(show(visitor, fields, Some(&faults.into()))),
    };
    let slug = input.slug.clone();
    let created = visitor
        .application()
        .create_tenant(
            &visitor.session.caller,
            input,
            &form.request("createTenant"),
        )
        .await;
    match created {
        Ok(_) => Ok(Redirect::to(&format!("/console/t/{slug}?done=created")).into_response()),
        Err(error) => Ok(show(visitor, fields, Some(&Problem::of(error)?))),
    }
}

fn parse(fields: &Fields) -> Result<NewTenant, Faults> {
    let mut faults = Faults::default();
    let slug = faults.take("slug", Slug::parse(fields.get("slug").unwrap_or_default()));
    let name = fields.get("displayName").unwrap_or_default();
    let display_name = faults.take("displayName", DisplayName::parse(name));
    let both = slug.zip(display_name);
    faults.finish(both.map(|(slug, display_name)| NewTenant {
        slug,
        display_name,
        policy: PolicyChange::default(),
    }))
}

fn show(visitor: &Visitor, given: &Fields, problem: Option<&Problem>) -> Response {
    let form = Form::new(visitor, given, problem);
    let fields = html! {
        (form.line(&Line::text("displayName", "Name", "What people call it, like Acme Ltd.").required()))
        (form.line(&Line::text("slug", "Short name", "3 to 40 of a–z, 0–9 and -, beginning with a letter. It stands in every address of the tenant, for ever.").required()))
        p.hint { "The tenant begins with the default policy: access tokens live for an hour and are signed with ES256, and a client may have two live secrets. You can change that at any time." }
        div.actions {
            button.primary type="submit" { "Create the tenant" }
            a.button href="/console/tenants" { "Cancel" }
        }
    };
    Page::new("Create a tenant", visitor)
        .refused(problem.is_some())
        .show(&html! {
            h1 { "Create a tenant" }
            (form.to("/console/tenants/new", &fields))
        })
}
