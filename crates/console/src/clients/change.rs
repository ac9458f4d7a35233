//! What is changed about a client on its page.

use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::{ClientChange, Error};
use chancery_domain::{ClientId, Faults, value::Patch};

use super::{
    called, found, grants as matrix, one,
    refused::{Refused, Which},
    secrets::revoked,
};
use crate::{
    posted::Posted,
    problem::Problem,
    stop::Stop,
    tenants::{confirmed, reason},
    within::Within,
};

/// A change of a client that changes nothing yet.
pub(super) fn nothing(client: ClientId) -> ClientChange {
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
        expected_version: None,
    }
}

pub(crate) async fn grants(posted: Posted<Within>) -> Result<Response, Stop> {
    let (id, row) = found(&posted.from).await?;
    let mut faults = Faults::default();
    let mut grants = matrix::parse(&posted.fields, &mut faults);
    grants.extend(matrix::not_shown(
        &row.state,
        &matrix::apis(&posted.from).await?,
    ));
    let wrong = |problem: Problem| Some(Refused::new(Which::Grants, &posted.fields, problem));
    let change = faults.finish(Some(ClientChange {
        grants: Some(grants),
        expected_version: Some(posted.version()?),
        ..nothing(id)
    }));
    let within = &posted.from;
    let change = match change {
        Ok(change) => change,
        Err(faults) => return one::show(within, wrong(faults.into()), None).await,
    };
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("updateClient");
    match application.update_client(caller, change, &request).await {
        Ok(_) => Ok(to(within, id, "grants")),
        Err(error) => one::show(within, wrong(Problem::of(error)?), None).await,
    }
}

pub(crate) async fn revoke_key(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, row) = found(within).await?;
    let key = fields.get("key").and_then(|id| id.parse().ok());
    let key = key.ok_or(Error::NotFound { what: "key" })?;
    let why = (reason(fields)?, fields.has("compromised", "yes"));
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("revokeClientKey");
    let told = application
        .revoke_client_key_and_tell(caller, id, key, why, &request)
        .await?;
    if told.warnings.is_empty() && told.tokens.is_empty() {
        return Ok(to(within, id, "key"));
    }
    Ok(revoked::page(within, "key", (id, &row.state), &told))
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
