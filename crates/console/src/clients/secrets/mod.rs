//! A client's secrets: shown along a line of time, issued, rotated, given more time, revoked.

mod days;
mod forms;
mod life;
pub(super) mod revoked;
mod table;

use std::collections::HashMap;

use axum::response::Response;
use chancery_application::{Error, NewSecretInput};
use chancery_domain::{
    ClientId, Faults, Invalid, SecretId,
    client::{Client, ClientState},
    secret_rotation::SecretRotation,
    value::Label,
};
use maud::{Markup, html};

use super::{change, found, may_change, once};
use crate::{meant::reason, posted::Posted, refused::Refused, show, stop::Stop, within::Within};

/// How many secrets are shown: the newest ones.
const SHOWN: usize = 25;
/// A day, in seconds.
const DAY: u32 = 86_400;

/// The part of a client's page that is about its secrets.
pub(super) async fn section(
    within: &Within,
    id: ClientId,
    client: &Client,
    refused: Option<&Refused>,
) -> Result<Markup, Stop> {
    if !client.auth_method.has_secrets() {
        return Ok(html! {});
    }
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let secrets = application
        .client_secrets_of(caller, within.tenant, &[id])
        .await?
        .remove(&id);
    let (version, secrets) = secrets.map_or_else(Default::default, |row| (row.version, row.state));
    let newest = life::newest_first(&secrets);
    let ids = newest.iter().take(SHOWN).map(|(id, _)| id.to_string());
    let ids: Vec<_> = ids.collect();
    let advice = application.rotation_advice(caller, id).await?;
    let known = table::Known {
        refused,
        uses: application.last_uses(caller, within.tenant, &ids).await?,
        advice: advice
            .into_iter()
            .map(|advice| (advice.credential.clone(), advice))
            .collect::<HashMap<_, _>>(),
        now: application.now(),
    };
    let is_changed = may_change(within, client) && client.state(known.now) != ClientState::Deleted;
    Ok(html! {
        section id="secrets" {
            h2 { "Secrets" }
            @if client.state(known.now) == ClientState::Active && !newest.iter().any(|(_, secret)| secret.state(known.now).is_accepted()) {
                p.aside { "None of its secrets is accepted: it obtains no token" @if is_changed { " until it has another. Rotate, or issue one below." } @else { "." } }
            }
            (life::drawn(&newest, |secret| known.uses.get(&secret.to_string()).map(|last| last.at), known.now))
            (table::shown(within, id, (&newest, SHOWN), &known, is_changed))
            (forms::due(&secrets, known.now))
            @if is_changed { (forms::all(within, id, (version, &secrets), refused)) }
        }
    })
}

pub(crate) async fn rotate(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, row) = found(within).await?;
    let mut faults = Faults::default();
    let overlap = faults.take_optional("overlapSeconds", fields.whole("overlapSeconds"));
    let label = faults.take_optional("label", fields.get("label").map(Label::parse));
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("rotateClientSecret");
    // Of two who rotate at once, one would end the secret that the other has just been given.
    let version = Some(posted.version()?);
    let outcome = match faults.finish(overlap.zip(label)) {
        Ok((overlap, label)) => application
            .rotate_secret(caller, id, (overlap, label), version, &request)
            .await
            .map(|issued| (issued, overlap)),
        Err(faults) => Err(Error::Invalid(faults)),
    };
    let (issued, overlap) = match outcome {
        Ok(done) => done,
        Err(error) => return change::again(&posted, "rotate", error).await,
    };
    let usual = within
        .known
        .as_ref()
        .map(|tenant| tenant.policy.rotation_overlap_seconds);
    let says = match overlap.or(usual) {
        Some(0) => "The old ones have ended.".to_owned(),
        Some(seconds) => {
            let until = show::second(application.now().plus_seconds(seconds.into()));
            format!(
                "The old ones keep working for {}, until {until} UTC at the latest: put the new one in place until then.",
                show::span(seconds.into())
            )
        }
        None => "The old ones keep working for as long as the tenant's policy has it: put the new one in place until then.".to_owned(),
    };
    let told = (issued.secret, &*issued.warnings);
    let secrets = secrets_of(within, id).await?;
    Ok(once::issued(
        within,
        id,
        &row.state,
        told,
        (&says, &secrets),
    ))
}

pub(crate) async fn issue(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, row) = found(within).await?;
    let mut faults = Faults::default();
    let label = faults.take_optional("label", fields.get("label").map(Label::parse));
    let not_before = faults.take_optional("notBefore", fields.moment("notBefore"));
    let expires_at = faults.take_optional("expiresAt", fields.moment("expiresAt"));
    let whole = label.zip(not_before).zip(expires_at);
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("issueClientSecret");
    let outcome = match faults.finish(whole) {
        Ok(((label, not_before), expires_at)) => {
            let input = NewSecretInput {
                client: id,
                label,
                not_before,
                expires_at,
            };
            application.issue_secret(caller, input, &request).await
        }
        Err(faults) => Err(Error::Invalid(faults)),
    };
    let issued = match outcome {
        Ok(issued) => issued,
        Err(error) => return change::again(&posted, "issue", error).await,
    };
    let says = "Those that it has stay as they are.";
    let told = (issued.secret, &*issued.warnings);
    let secrets = secrets_of(within, id).await?;
    Ok(once::issued(within, id, &row.state, told, (says, &secrets)))
}

/// The secrets of a client as they are.
async fn secrets_of(within: &Within, id: ClientId) -> Result<SecretRotation, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let found = application
        .client_secrets_of(caller, within.tenant, &[id])
        .await?
        .remove(&id);
    Ok(found.map(|row| row.state).unwrap_or_default())
}

/// The secret that a form of its own names.
fn named(posted: &Posted<Within>) -> Result<SecretId, Error> {
    let secret = posted.fields.get("secret").and_then(|id| id.parse().ok());
    secret.ok_or(Error::NotFound { what: "secret" })
}

pub(crate) async fn revoke(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, row) = found(within).await?;
    let secret = named(&posted)?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("revokeClientSecret");
    let outcome = match reason(fields) {
        Ok(reason) => {
            let why = (reason, fields.has("compromised", "yes"));
            application
                .revoke_secret_and_tell(caller, id, secret, why, &request)
                .await
        }
        Err(error) => Err(error),
    };
    let told = match outcome {
        Ok(told) => told,
        Err(error) => return change::again(&posted, &format!("revoke-{secret}"), error).await,
    };
    if told.warnings.is_empty() && told.tokens.is_empty() {
        return Ok(change::to(within, id, "revoked"));
    }
    let secrets = secrets_of(within, id).await?;
    Ok(revoked::page(
        within,
        "secret",
        (id, &row.state, &secrets),
        &told,
    ))
}

pub(crate) async fn defer(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, _) = found(within).await?;
    let secret = named(&posted)?;
    let mut faults = Faults::default();
    let missing = || Err(Invalid::new("required", "must say until when"));
    let until = fields.moment("until").unwrap_or_else(missing);
    let until = faults.take("until", until);
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("deferSecretRetirement");
    let outcome = match faults.finish(until) {
        Ok(until) => application
            .defer_retirement(caller, id, secret, until, &request)
            .await
            .map(|_| ()),
        Err(faults) => Err(Error::Invalid(faults)),
    };
    match outcome {
        Ok(()) => Ok(change::to(within, id, "deferred")),
        Err(error) => change::again(&posted, &format!("defer-{secret}"), error).await,
    }
}

pub(crate) async fn schedule(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, _) = found(within).await?;
    let mut faults = Faults::default();
    let every = fields.get("everyDays").map(days::parse);
    let every = faults.take_optional("everyDays", every);
    let overlap = faults.take_optional("overlapSeconds", fields.whole("overlapSeconds"));
    let version = Some(posted.version()?);
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("scheduleSecretRotation");
    let outcome = match faults.finish(every.zip(overlap)) {
        Ok((every, overlap)) => {
            application
                .schedule_rotation(caller, id, every, overlap, version, &request)
                .await
        }
        Err(faults) => Err(Error::Invalid(faults)),
    };
    match outcome {
        Ok(_) => Ok(change::to(within, id, "scheduled")),
        Err(error) => change::again(&posted, "schedule", error).await,
    }
}
