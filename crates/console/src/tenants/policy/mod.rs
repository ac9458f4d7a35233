//! The policy: shown, changed, and what a change does before it is saved.

mod differences;
mod edit;
mod parse;
mod review;

use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::{Needs, TenantChange};
use chancery_domain::Faults;

use crate::{
    posted::{Posted, VERSION},
    problem::Problem,
    stop::Stop,
    within::Within,
};

/// How many clients are named for each rule that a change breaks.
const NAMED: usize = 10;

pub(crate) async fn page(within: Within) -> Result<Response, Stop> {
    let application = within.visitor.application();
    let row = application
        .tenant(&within.visitor.session.caller, within.tenant)
        .await?;
    if !within.may(Needs::TenantAdmin) {
        return Ok(edit::read(&within, &row.state.policy));
    }
    let given = parse::fields_of(&row.state.policy)
        .with("displayName", row.state.display_name.as_str())
        .with(VERSION, row.version.to_string());
    Ok(edit::show(&within, &given, None))
}

pub(crate) async fn save(form: Posted<Within>) -> Result<Response, Stop> {
    let (within, fields) = (&form.from, &form.fields);
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let row = application.tenant(caller, within.tenant).await?;
    let version = form.version()?;
    let (display_name, change) = match parse::change(fields) {
        Ok(parsed) => parsed,
        Err(faults) => return Ok(edit::show(within, fields, Some(&faults.into()))),
    };
    let after = match change.over(&row.state.policy) {
        Ok(after) => after,
        Err(faults) => return Ok(edit::show(within, fields, Some(&named(faults).into()))),
    };
    if fields.get("step") != Some("save") {
        // What is reviewed is a change of what was seen.
        if version != row.version {
            let problem = Problem::overtaken("tenant");
            return Ok(edit::show(within, fields, Some(&problem)));
        }
        let mut changes = differences::between(&row.state.policy, &after);
        if display_name != row.state.display_name {
            changes.insert(
                0,
                (
                    "Name".to_owned(),
                    row.state.display_name.to_string(),
                    display_name.to_string(),
                ),
            );
        }
        let previewed = application.preview_policy(caller, within.tenant, &change, NAMED);
        return match previewed.await {
            Ok(preview) => Ok(review::show(within, fields, &changes, &preview)),
            Err(error) => Ok(edit::show(within, fields, Some(&Problem::of(error)?))),
        };
    }
    let change = TenantChange {
        display_name: Some(display_name).filter(|name| *name != row.state.display_name),
        policy: change,
        refuse_if_breaks: false,
        expected_version: Some(version),
    };
    let saved = application
        .update_tenant(caller, within.tenant, change, &form.request("updateTenant"))
        .await;
    match saved {
        Ok(_) => Ok(Redirect::to(&within.at("?done=policy")).into_response()),
        Err(error) => Ok(edit::show(within, fields, Some(&Problem::of(error)?))),
    }
}

/// Faults of a policy, by the names of the form's fields.
fn named(faults: Faults) -> Faults {
    let mut renamed = Faults::default();
    for fault in faults.into_vec() {
        let path = fault.path.strip_prefix("policy.").unwrap_or(&fault.path);
        renamed.add(path, fault.invalid);
    }
    renamed
}
