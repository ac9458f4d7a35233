//! Clients: listed, created, shown, changed, disabled, enabled, deleted; their secrets; a token tried out.

mod change;
mod create;
mod edit;
pub(crate) mod grants;
mod keys;
mod list;
mod more;
mod once;
mod one;
mod said;
mod secrets;
mod snippets;
mod token;
mod trial;

use axum::routing::{get, post};
use chancery_application::{Error, Needs};
use chancery_domain::{ClientId, Row, client::Client};

use crate::{answered::once as once_shown, routes::Routes, stop::Stop, within::Within};

/// The page that the forms of a client stand on.
const CLIENT: &str = "/console/t/{slug}/clients/{client}";

pub(crate) fn routes() -> Routes {
    let client = |rest: &str| format!("{CLIENT}{rest}");
    Routes::default()
        .page("/console/t/{slug}/clients", get(list::page))
        .page(
            "/console/t/{slug}/clients/new",
            get(create::page).post(|posted| once_shown(posted, create::create)),
        )
        .page(&client(""), get(one::page))
        .page(&client("/edit"), get(edit::page).post(edit::save))
        .form(&client("/grants"), CLIENT, post(change::grants))
        .form(&client("/state"), CLIENT, post(change::state))
        .form(&client("/keys/revoke"), CLIENT, post(change::revoke_key))
        .form(
            &client("/secrets/rotate"),
            CLIENT,
            post(|posted| once_shown(posted, secrets::rotate)),
        )
        .form(
            &client("/secrets/issue"),
            CLIENT,
            post(|posted| once_shown(posted, secrets::issue)),
        )
        .form(&client("/secrets/revoke"), CLIENT, post(secrets::revoke))
        .form(&client("/secrets/defer"), CLIENT, post(secrets::defer))
        .form(
            &client("/secrets/schedule"),
            CLIENT,
            post(secrets::schedule),
        )
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

/// Whether whoever asks may change this client and its credentials.
fn may_change(within: &Within, client: &Client) -> bool {
    within.may(Needs::TenantAdmin) && within.visitor.session.caller.may_change(client)
}

/// What people call a client, or its id.
pub(crate) fn called(id: ClientId, client: &Client) -> String {
    client
        .name
        .as_ref()
        .map_or_else(|| id.to_string(), ToString::to_string)
}
