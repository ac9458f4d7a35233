//! Who may ask for an API, as a matrix: a row for each client, a column for each scope and role.

use std::collections::BTreeSet;

use chancery_application::{Needs, Page, Place};
use chancery_domain::{
    ApiId, ClientId, Row,
    api::{Api, ApiState},
    client::{Client, ClientState, Grant},
    value::{RoleName, Scope, ScopeSet},
};
use maud::{Markup, html};

use crate::{clients::called, show, within::Within};

type Clients = Page<Place<ClientId>, (ClientId, Row<Client>)>;

pub(super) fn section(within: &Within, id: ApiId, api: &Api, clients: &Clients) -> Markup {
    let may_create = within.may(Needs::TenantAdmin) && api.state == ApiState::Active;
    html! {
        section {
            h2 { "Clients that may ask for it" }
            @if clients.items.is_empty() {
                p {
                    "None yet."
                    @if may_create { " " a href=(within.at("/clients/new")) { "Create a client" } ", or grant it to one on its page." }
                }
            } @else {
                (table(within, id, api, clients))
                @if clients.has_next { p { a href=(within.at(&format!("/clients?api={id}"))) { "All of them" } } }
            }
        }
    }
}

fn table(within: &Within, id: ApiId, api: &Api, clients: &Clients) -> Markup {
    html! {
        div.table tabindex="0" role="region" aria-label="Clients and what they may ask for" {
            table.matrix {
                thead { tr {
                    th scope="col" { "Client" }
                    @for scope in api.scopes.keys() { th scope="col" { code { (scope) } } }
                    @for role in api.roles.keys() { th scope="col" { "role " code { (role) } } }
                } }
                tbody { @for (_, (client, row)) in &clients.items {
                    @let grant = row.state.grants.get(&id).map(AsRef::as_ref);
                    tr {
                        @let state = row.state.state(within.visitor.application().now());
                        th scope="row" { a href=(within.at(&format!("/clients/{client}"))) { (called(*client, &row.state)) } @if state != ClientState::Active { " " (show::client_state(state)) } }
                        @for scope in api.scopes.keys() { td { (tick(by_scope(grant, api, scope))) } }
                        @for role in api.roles.keys() { td { (tick(by_role(grant, api, role))) } }
                    }
                } }
            }
        }
        p.hint { "● by name, ○ by a role." }
    }
}

/// How something is granted.
#[derive(Clone, Copy)]
enum By {
    Name,
    Role,
    Nothing,
}

/// What has been taken away from the API since it was granted counts for nothing, so it is not shown.
fn by_scope(grant: Option<&Grant>, api: &Api, scope: &Scope) -> By {
    let Some(grant) = grant else {
        return By::Nothing;
    };
    let generation = grant.api_generation;
    let has = |scopes: ScopeSet| scopes.iter().any(|other| other == scope);
    if has(api.effective(&grant.scopes, &BTreeSet::new(), generation)) {
        By::Name
    } else if has(api.effective(&ScopeSet::default(), &grant.roles, generation)) {
        By::Role
    } else {
        By::Nothing
    }
}

fn by_role(grant: Option<&Grant>, api: &Api, role: &RoleName) -> By {
    let counts = |grant: &Grant| api.effective_roles(&grant.roles, grant.api_generation);
    if grant.is_some_and(|grant| counts(grant).contains(role)) {
        By::Name
    } else {
        By::Nothing
    }
}

fn tick(by: By) -> Markup {
    match by {
        By::Name => html! { span.yes role="img" aria-label="yes" { "●" } },
        By::Role => html! { span.yes role="img" aria-label="by a role" { "○" } },
        By::Nothing => html! { span.quiet role="img" aria-label="no" { "·" } },
    }
}
