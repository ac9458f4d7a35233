use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::Error;
use chancery_domain::{Faults, Invalid, value::Reason};

use crate::{fields::Fields, posted::Posted, stop::Stop, within::Within};

pub(crate) async fn change(form: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&form.from, &form.fields);
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let tenant = within.tenant;
    let done = match fields.get("do") {
        Some("suspend") => {
            let reason = reason(fields)?;
            application
                .suspend_tenant(caller, tenant, reason, &form.request("suspendTenant"))
                .await?;
            "suspended"
        }
        Some("resume") => {
            application
                .resume_tenant(caller, tenant, &form.request("resumeTenant"))
                .await?;
            "resumed"
        }
        Some("close") => {
            confirmed(fields, &within.slug)?;
            let reason = reason(fields)?;
            application
                .close_tenant(caller, tenant, reason, &form.request("closeTenant"))
                .await?;
            "closed"
        }
        _ => return Err(Stop::Unreadable("The form does not say what to do.")),
    };
    Ok(Redirect::to(&within.at(&format!("?done={done}"))).into_response())
}

/// The reason that a form gives.
pub(crate) fn reason(fields: &Fields) -> Result<Reason, Stop> {
    let mut faults = Faults::default();
    let given = fields.get("reason").unwrap_or_default();
    let reason = faults.take("reason", Reason::parse(given));
    faults
        .finish(reason)
        .map_err(|faults| Error::Invalid(faults).into())
}

/// What cannot be undone is typed out.
pub(crate) fn confirmed(fields: &Fields, word: &str) -> Result<(), Stop> {
    if fields.get("confirm") == Some(word) {
        return Ok(());
    }
    let mut faults = Faults::default();
    let message = format!("must be `{word}`, typed out, since this cannot be undone");
    faults.add("confirm", Invalid::new("confirm", message));
    Err(Error::Invalid(faults).into())
}
