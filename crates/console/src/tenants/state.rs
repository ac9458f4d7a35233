use axum::response::Response;
use chancery_application::Error;

use super::overview;
use crate::{
    meant::{reason, reason_for_good},
    posted::Posted,
    stop::Stop,
    within::Within,
};

pub(crate) async fn change(form: Posted<Within>) -> Result<Response, Stop> {
    let what = form.fields.get("do").unwrap_or_default();
    let done = match done(&form, what).await {
        Ok(Some(done)) => Ok(done),
        Ok(None) => return Err(Stop::Unreadable("The form does not say what to do.")),
        Err(error) => Err(error),
    };
    match form.answered("", what, done)? {
        Ok(response) => Ok(response),
        Err(refused) => overview::show(&form.from, Some(&refused), None).await,
    }
}

/// What was done of it, in a word; nothing where that is nothing that can be done.
async fn done(form: &Posted<Within>, what: &str) -> Result<Option<&'static str>, Error> {
    let (within, fields) = (&form.from, &form.fields);
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let tenant = within.tenant;
    Ok(Some(match what {
        "suspend" => {
            let (reason, request) = (reason(fields)?, form.request("suspendTenant"));
            application
                .suspend_tenant(caller, tenant, reason, &request)
                .await?;
            "suspended"
        }
        "resume" => {
            let request = form.request("resumeTenant");
            application.resume_tenant(caller, tenant, &request).await?;
            "resumed"
        }
        "close" => {
            let reason = reason_for_good(fields, &within.slug)?;
            let request = form.request("closeTenant");
            application
                .close_tenant(caller, tenant, reason, &request)
                .await?;
            "closed"
        }
        _ => return Ok(None),
    }))
}
