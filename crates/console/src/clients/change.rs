//! What is changed about a client on its page.

use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::{ClientChange, CredentialRevoked, Error};
use chancery_domain::{
    ClientId, Faults, KeyId, client::Client, secret_rotation::SecretRotation, value::Patch,
};

use super::{called, found, grants as matrix, one, secrets::revoked};
use crate::{
    meant::{reason, reason_for_good},
    posted::Posted,
    refused::Refused,
    stop::Stop,
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
    let within = &posted.from;
    let (id, row) = found(within).await?;
    let mut faults = Faults::default();
    let mut grants = matrix::parse(&posted.fields, &mut faults);
    let apis = matrix::apis(within, Some(&row.state)).await?;
    grants.extend(matrix::not_shown(&row.state, &apis));
    let change = faults.finish(Some(ClientChange {
        grants: Some(grants),
        expected_version: Some(posted.version()?),
        ..nothing(id)
    }));
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("updateClient");
    let changed = match (change, matrix::as_seen(&posted.fields, &apis)) {
        (_, Err(error)) => Err(error),
        (Ok(change), Ok(())) => application.update_client(caller, change, &request).await,
        (Err(faults), Ok(())) => Err(Error::Invalid(faults)),
    };
    match changed {
        Ok(_) => Ok(to(within, id, "grants")),
        Err(error) => again(&posted, "grants", error).await,
    }
}

pub(crate) async fn revoke_key(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, row) = found(within).await?;
    let key = fields.get("key").and_then(|id| id.parse().ok());
    let key = key.ok_or(Error::NotFound { what: "key" })?;
    let told = match key_revoked(&posted, id, key).await {
        Ok(told) => told,
        Err(error) => return again(&posted, &format!("revoke-{key}"), error).await,
    };
    if told.warnings.is_empty() && told.tokens.is_empty() {
        return Ok(to(within, id, "key"));
    }
    Ok(revoked::page(
        within,
        "key",
        (id, &row.state, &SecretRotation::default()),
        &told,
    ))
}

async fn key_revoked(
    posted: &Posted<Within>,
    id: ClientId,
    key: KeyId,
) -> Result<CredentialRevoked, Error> {
    let (visitor, fields) = (&posted.from.visitor, &posted.fields);
    let why = (reason(fields)?, fields.has("compromised", "yes"));
    let request = posted.request("revokeClientKey");
    let application = visitor.application();
    application
        .revoke_client_key_and_tell(&visitor.session.caller, id, key, why, &request)
        .await
}

pub(crate) async fn state(posted: Posted<Within>) -> Result<Response, Stop> {
    let (id, row) = found(&posted.from).await?;
    let what = posted.fields.get("do").unwrap_or_default();
    match done(&posted, (id, &row.state), what).await {
        Ok(Some(done)) => Ok(to(&posted.from, id, done)),
        Ok(None) => Err(Stop::Unreadable("The form does not say what to do.")),
        Err(error) => again(&posted, what, error).await,
    }
}

/// What was done of it, in a word; nothing where that is nothing that can be done.
async fn done(
    posted: &Posted<Within>,
    (id, client): (ClientId, &Client),
    what: &str,
) -> Result<Option<&'static str>, Error> {
    let (visitor, fields) = (&posted.from.visitor, &posted.fields);
    let (application, caller) = (visitor.application(), &visitor.session.caller);
    Ok(Some(match what {
        "disable" => {
            let (reason, request) = (reason(fields)?, posted.request("disableClient"));
            application
                .disable_client(caller, id, reason, &request)
                .await?;
            "disabled"
        }
        "enable" => {
            let request = posted.request("enableClient");
            application.enable_client(caller, id, &request).await?;
            "enabled"
        }
        "delete" => {
            let reason = reason_for_good(fields, &called(id, client))?;
            let request = posted.request("deleteClient");
            application
                .delete_client(caller, id, reason, &request)
                .await?;
            "deleted"
        }
        _ => return Ok(None),
    }))
}

/// The client's page once more, with what is wrong with the form of this name.
pub(super) async fn again(
    posted: &Posted<Within>,
    form: &str,
    error: Error,
) -> Result<Response, Stop> {
    let refused = Refused::by(error, form, &posted.fields)?;
    one::show(&posted.from, Some(&refused), None).await
}

/// Back to the client's page, with what was done.
pub(super) fn to(within: &Within, id: ClientId, done: &str) -> Response {
    Redirect::to(&within.at(&format!("/clients/{id}?done={done}"))).into_response()
}
