//! Clients: listed, created, shown, changed, disabled, enabled, deleted; their secrets; a token tried out.

mod change;
mod create;
mod edit;
mod grants;
mod keys;
mod list;
mod more;
mod once;
mod one;
mod refused;
mod secrets;
mod snippets;
mod token;
mod trial;

use axum::routing::{get, post};
use chancery_application::Error;
use chancery_domain::{ClientId, Row, client::Client};

use crate::{routes::Routes, stop::Stop, within::Within};

pub(crate) fn routes() -> Routes {
    let client = |rest: &str| format!("/console/t/{{slug}}/clients/{{client}}{rest}");
    Routes::default()
        .page("/console/t/{slug}/clients", get(list::page))
        .page(
            "/console/t/{slug}/clients/new",
            get(create::page).post(create::create),
        )
        .page(&client(""), get(one::page))
        .page(&client("/edit"), get(edit::page).post(edit::save))
        .beside(&client("/grants"), post(change::grants))
        .beside(&client("/state"), post(change::state))
        .beside(&client("/keys/revoke"), post(change::revoke_key))
        .beside(&client("/secrets/rotate"), post(secrets::rotate))
        .beside(&client("/secrets/issue"), post(secrets::issue))
        .beside(&client("/secrets/revoke"), post(secrets::revoke))
        .beside(&client("/secrets/defer"), post(secrets::defer))
        .beside(&client("/secrets/schedule"), post(secrets::schedule))
        .page(&client("/try"), get(trial::page).post(trial::ask))
}

/// The client that the address names, if it is one of this tenant.
async fn found(within: &Within) -> Result<(ClientId, Row<Client>), Stop> {
    let id = within.id("client")?;
    let application = within.visitor.application();
    let row = application
        .client(&within.visitor.session.caller, id)
        .await?;
    if row.tenant == within.tenant {
        Ok((id, row))
    } else {
        Err(Error::NotFound { what: "client" }.into())
    }
}

/// What people call a client, or its id.
pub(crate) fn called(id: ClientId, client: &Client) -> String {
    client
        .name
        .as_ref()
        .map_or_else(|| id.to_string(), ToString::to_string)
}
