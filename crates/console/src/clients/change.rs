//! What is changed about a client on its page.

use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::ClientChange;
use chancery_domain::{
    ClientId, Faults, Timestamp,
    client::Expiry,
    value::{ClientName, Description, Patch},
};

use super::{called, found, grants as matrix, one};
use crate::{
    fields::Fields,
    posted::Posted,
    problem::Problem,
    stop::Stop,
    tenants::{confirmed, reason},
    within::Within,
};

fn nothing(client: ClientId) -> ClientChange {
    ClientChange {
        client,
        name: Patch::Keep,
        description: Patch::Keep,
        metadata: None,
        expiry: Patch::Keep,
        custom_claims: None,
        serves: None,
        grants: None,
        auth_method: None,
        jwks: None,
    }
}

pub(crate) async fn details(posted: Posted<Within>) -> Result<Response, Stop> {
    let (id, row) = found(&posted.from).await?;
    let ends = row.state.expires_at.map(|end| end.to_string());
    let change = parse(id, &posted.fields, ends.as_deref());
    save(&posted, "details", change, "saved").await
}

pub(crate) async fn grants(posted: Posted<Within>) -> Result<Response, Stop> {
    let (id, row) = found(&posted.from).await?;
    let mut faults = Faults::default();
    let mut grants = matrix::parse(&posted.fields, &mut faults);
    grants.extend(matrix::not_shown(
        &row.state,
        &matrix::apis(&posted.from).await?,
    ));
    let change = faults.finish(Some(ClientChange {
        grants: Some(grants),
        ..nothing(id)
    }));
    save(&posted, "grants", change, "grants").await
}

async fn save(
    posted: &Posted<Within>,
    form: &'static str,
    change: Result<ClientChange, Faults>,
    done: &str,
) -> Result<Response, Stop> {
    let within = &posted.from;
    let wrong = |problem: Problem| Some((form, posted.fields.clone(), problem));
    let change = match change {
        Ok(change) => change,
        Err(faults) => return one::show(within, wrong(faults.into()), None).await,
    };
    let id = change.client;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("updateClient");
    match application.update_client(caller, change, &request).await {
        Ok(_) => Ok(to(within, id, done)),
        Err(error) => one::show(within, wrong(Problem::of(error)?), None).await,
    }
}

fn parse(client: ClientId, fields: &Fields, ends: Option<&str>) -> Result<ClientChange, Faults> {
    let mut faults = Faults::default();
    let name = faults.take_optional("name", fields.get("name").map(ClientName::parse));
    let description = fields.get("description").map(Description::parse);
    let description = faults.take_optional("description", description);
    // An end that was not touched is not judged anew by the policy.
    let expiry = if fields.get("expiresAt") == ends {
        Some(Patch::Keep)
    } else {
        let end = fields.get("expiresAt").map(str::parse::<Timestamp>);
        let end = faults.take_optional("expiresAt", end);
        end.map(|end| end.map_or(Patch::Clear, |end| Patch::Set(Expiry::At(end))))
    };
    let whole = name.zip(description).zip(expiry);
    faults.finish(whole.map(|((name, description), expiry)| ClientChange {
        name: name.map_or(Patch::Clear, Patch::Set),
        description: description.map_or(Patch::Clear, Patch::Set),
        expiry,
        ..nothing(client)
    }))
}

pub(crate) async fn state(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, row) = found(within).await?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let (changed, done) = match fields.get("do") {
        Some("disable") => {
            let request = posted.request("disableClient");
            let reason = reason(fields)?;
            (
                application
                    .disable_client(caller, id, reason, &request)
                    .await,
                "disabled",
            )
        }
        Some("enable") => {
            let request = posted.request("enableClient");
            (
                application.enable_client(caller, id, &request).await,
                "enabled",
            )
        }
        Some("delete") => {
            confirmed(fields, &called(id, &row.state))?;
            let request = posted.request("deleteClient");
            let reason = reason(fields)?;
            (
                application
                    .delete_client(caller, id, reason, &request)
                    .await,
                "deleted",
            )
        }
        _ => return Err(Stop::Unreadable("The form does not say what to do.")),
    };
    changed?;
    Ok(to(within, id, done))
}

/// Back to the client's page, with what was done.
pub(super) fn to(within: &Within, id: ClientId, done: &str) -> Response {
    Redirect::to(&within.at(&format!("/clients/{id}?done={done}"))).into_response()
}
