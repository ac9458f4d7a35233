//! A client's secrets: rotated, revoked.

use axum::response::Response;
use chancery_application::Error;
use chancery_domain::{Faults, Invalid, value::Label};

use super::{change, found, once};
use crate::{posted::Posted, show, stop::Stop, tenants::reason, within::Within};

pub(crate) async fn rotate(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, row) = found(within).await?;
    let mut faults = Faults::default();
    let overlap = fields.get("overlapSeconds").map(|seconds| {
        seconds
            .parse::<u32>()
            .map_err(|_| Invalid::new("number", "must be a whole number of seconds"))
    });
    let overlap = faults.take_optional("overlapSeconds", overlap);
    let label = faults.take_optional("label", fields.get("label").map(Label::parse));
    let (overlap, label) = faults.finish(overlap.zip(label)).map_err(Error::Invalid)?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("rotateClientSecret");
    let issued = application
        .rotate_secret(caller, id, overlap, label, &request)
        .await?;
    let says = overlap.map(|seconds| match seconds {
        0 => "The old ones have ended.".to_owned(),
        seconds => format!(
            "The old ones keep working for {}: put the new one in place until then.",
            show::span(seconds.into())
        ),
    });
    let says = says.or_else(|| {
        Some("The old ones keep working for as long as the tenant's policy has it: put the new one in place until then.".to_owned())
    });
    Ok(once::rotated(within, id, &row.state, issued.secret, says))
}

pub(crate) async fn revoke(posted: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&posted.from, &posted.fields);
    let (id, _) = found(within).await?;
    let secret = fields.get("secret").and_then(|id| id.parse().ok());
    let secret = secret.ok_or(Error::NotFound { what: "secret" })?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    application
        .revoke_secret(
            caller,
            id,
            secret,
            reason(fields)?,
            fields.has("compromised", "yes"),
            &posted.request("revokeClientSecret"),
        )
        .await?;
    Ok(change::to(within, id, "revoked"))
}
