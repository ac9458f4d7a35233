//! A tenant's signing keys: each in its life, followed by another, revoked.

use axum::{
    response::Response,
    routing::{get, post},
};
use chancery_application::{Error, Needs};
use chancery_domain::{
    Faults, KeyId, Timestamp,
    key_ring::{KeyRing, KeyState, SigningKey},
    tenant::SigningAlgorithm,
};
use maud::{Markup, html};

use crate::{
    fields::{Asked, NOTHING},
    form::{Form, Line},
    layout::Page,
    meant::reason,
    posted::Posted,
    refused::Refused,
    routes::Routes,
    show,
    stop::Stop,
    within::Within,
};

pub(crate) fn routes() -> Routes {
    Routes::default()
        .page("/console/t/{slug}/keys", get(page).post(rotate))
        .form(
            "/console/t/{slug}/keys/revoke",
            "/console/t/{slug}/keys",
            post(revoke),
        )
}

fn done(word: Option<&str>) -> Option<&'static str> {
    Some(match word? {
        "rotated" => {
            "The next key is made and published. It signs once everybody has had the time to see it."
        }
        "revoked" => {
            "The key is revoked: it is out of the key set, and the tokens that it signed are refused."
        }
        _ => return None,
    })
}

async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    show(&within, None, done(asked.get("done"))).await
}

async fn rotate(posted: Posted<Within>) -> Result<Response, Stop> {
    let within = &posted.from;
    let mut faults = Faults::default();
    let algorithm = posted.fields.chosen("algorithm", &algorithms());
    let algorithm = faults.take_optional("algorithm", algorithm);
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("rotateSigningKey");
    let rotated = match faults.finish(algorithm) {
        Ok(algorithm) => application
            .rotate_signing_key(caller, within.tenant, algorithm, &request)
            .await
            .map(|_| "rotated"),
        Err(faults) => Err(Error::Invalid(faults)),
    };
    match posted.answered("/keys", "rotate", rotated)? {
        Ok(response) => Ok(response),
        Err(refused) => show(within, Some(&refused), None).await,
    }
}

async fn revoke(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let key = fields.get("key").and_then(|id| id.parse::<KeyId>().ok());
    let key = key.ok_or(Error::NotFound { what: "key" })?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("revokeSigningKey");
    let revoked = match reason(fields) {
        Ok(reason) => application
            .revoke_signing_key(caller, within.tenant, key, reason, &request)
            .await
            .map(|_| "revoked"),
        Err(error) => Err(error),
    };
    let form = format!("revoke-{key}");
    match posted.answered("/keys", &form, revoked)? {
        Ok(response) => Ok(response),
        Err(refused) => show(within, Some(&refused), None).await,
    }
}

async fn show(
    within: &Within,
    refused: Option<&Refused>,
    notice: Option<&'static str>,
) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let ring = application.key_ring(caller, within.tenant).await?;
    let policy = application
        .tenant(caller, within.tenant)
        .await?
        .state
        .policy;
    let now = application.now();
    let issuer = format!("{}/t/{}", application.public_url(), within.slug);
    let rotate = Form::one_of(&within.visitor, "rotate", &NOTHING, refused);
    let algorithms =
        SigningAlgorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm.as_str()));
    Ok(Page::within("Signing keys", within)
        .noting(notice)
        .refusing(refused)
        .show(&html! {
            h1 { "Signing keys" }
            p.lead { "What this tenant's tokens are signed with. Whoever accepts them reads the public side from the key set." }
            (show::only_read(within))
            (table(within, &ring, refused, now))
            section {
                dl.facts {
                    dt { "Key set" } dd { (show::id(&format!("{issuer}/oauth2/jwks"))) }
                    dt { "The tenant signs with" } dd { (policy.signing_algorithm.as_str()) }
                    dt { "A key is followed by another" } dd { @match policy.signing_key_rotation_days {
                        Some(days) => { "after " (show::count(days.into(), "day")) ", by itself" }
                        None => "when an operator says so",
                    } }
                }
            }
            @if within.may(Needs::TenantAdmin) {
                section {
                    h2 { "The next key" }
                    p { "It is in the key set at once, and signs an hour later, when nobody can have an older key set. The one before it stays until its last token has ended. No client notices." }
                    (rotate.to(&within.at("/keys"), &html! {
                        (rotate.choice("algorithm", "Algorithm", "Of the keys of this algorithm the newest signs.", &ordered(&algorithms, policy.signing_algorithm)))
                        button.primary type="submit" { "Make the next key" }
                    }))
                }
            }
        }))
}

/// Every algorithm by its name.
pub(crate) fn algorithms() -> [(&'static str, SigningAlgorithm); 3] {
    SigningAlgorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm))
}

/// The policy's own first.
fn ordered(
    all: &[(&'static str, &'static str)],
    first: SigningAlgorithm,
) -> Vec<(&'static str, &'static str)> {
    let mut all = all.to_vec();
    all.sort_by_key(|(name, _)| *name != first.as_str());
    all
}

fn table(within: &Within, ring: &KeyRing, refused: Option<&Refused>, now: Timestamp) -> Markup {
    let may_change = within.may(Needs::TenantAdmin);
    // The newest first: who comes here comes for those.
    let keys = ring.as_made().into_iter().rev();
    html! {
        div.table tabindex="0" role="region" aria-label="Signing keys" {
            table {
                thead { tr {
                    th scope="col" { "Key" } th scope="col" { "State" } th scope="col" { "Algorithm" }
                    th scope="col" { "Signs from" } th scope="col" { "In the key set until" }
                    @if may_change { th scope="col" { "If somebody else may have it" } }
                } }
                tbody { @for (id, key) in keys {
                    @if let Some(state) = ring.state(id, now) { (row(within, (id, key), state, (ring.retires_at(id), now), refused)) }
                } }
            }
        }
    }
}

fn row(
    within: &Within,
    (id, key): (KeyId, &SigningKey),
    state: KeyState,
    (ends, now): (Option<Timestamp>, Timestamp),
    refused: Option<&Refused>,
) -> Markup {
    let revoke = Form::one_of(&within.visitor, format!("revoke-{id}"), &NOTHING, refused);
    html! {
        tr {
            th scope="row" {
                code { (id) } br;
                span.quiet { "made " (show::when(key.generated_at, now)) }
            }
            td { (show::key_state(state)) }
            td { (key.algorithm.as_str()) }
            td { (show::exact(key.begins_at(), now)) }
            td { @match ends { Some(end) => (show::exact(end, now)), None => span.quiet { "it stays" } } }
            @if within.may(Needs::TenantAdmin) {
                td { @if state != KeyState::Revoked {
                    details open[revoke.is_refused()] {
                        summary { "Revoke" }
                        (revoke.to(&within.at("/keys/revoke"), &html! {
                            input type="hidden" name="key" value=(id);
                            p { "Every token that it signed is refused at once, and its clients ask for new ones. Another key signs from now on." }
                            (revoke.line(&Line::reason()))
                            button.bad type="submit" { "Revoke the key now" }
                        }))
                    }
                } }
            }
        }
    }
}
