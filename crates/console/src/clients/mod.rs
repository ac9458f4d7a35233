//! Clients: listed, created, shown, changed, disabled, enabled, deleted; their secrets; a token tried out.

mod change;
mod create;
mod grants;
mod life;
mod list;
mod once;
mod one;
mod secrets;
mod snippets;
mod token;
mod trial;

use axum::{
    Router,
    routing::{get, post},
};
use chancery_application::Error;
use chancery_domain::{ClientId, Row, client::Client};

use crate::{Console, stop::Stop, within::Within};

pub(crate) fn routes() -> Router<Console> {
    let client = |rest: &str| format!("/console/t/{{slug}}/clients/{{client}}{rest}");
    Router::new()
        .route("/console/t/{slug}/clients", get(list::page))
        .route(
            "/console/t/{slug}/clients/new",
            get(create::page).post(create::create),
        )
        .route(&client(""), get(one::page).post(change::details))
        .route(&client("/grants"), post(change::grants))
        .route(&client("/state"), post(change::state))
        .route(&client("/secrets/rotate"), post(secrets::rotate))
        .route(&client("/secrets/revoke"), post(secrets::revoke))
        .route(&client("/try"), get(trial::page).post(trial::ask))
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
fn called(id: ClientId, client: &Client) -> String {
    client
        .name
        .as_ref()
        .map_or_else(|| id.to_string(), ToString::to_string)
}
