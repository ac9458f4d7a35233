//! What a client may ask for, as a matrix to be ticked.

use std::collections::{BTreeMap, BTreeSet};

use chancery_application::{Error, GrantInput, PageRequest};
use chancery_domain::{
    ApiId, ClientId, Faults, Row,
    api::{Api, ApiState},
    client::Client,
    value::{ApiIdentifier, RoleName, Scope, ScopeSet},
};
use maud::{Markup, html};

use crate::{fields::Fields, form::Form, within::Within};

/// How many APIs a matrix shows.
const APIS: u32 = 200;

/// The tenant's APIs that can be granted.
pub(super) async fn apis(within: &Within) -> Result<Vec<(ApiId, Row<Api>)>, Error> {
    let page = PageRequest {
        first: APIS,
        after: None,
    };
    let listed = within
        .visitor
        .application()
        .apis(&within.visitor.session.caller, within.tenant, &page)
        .await?;
    let items = listed.items.into_iter().map(|(_, item)| item);
    let mut apis: Vec<_> = items
        .filter(|(_, row)| row.state.state == ApiState::Active)
        .collect();
    // Few clients administer; what the others ask for comes first.
    apis.sort_by_key(|(_, row)| row.state.built_in);
    Ok(apis)
}

/// What a client has been granted, as the form's texts.
pub(super) fn given(client: &Client) -> Fields {
    let mut fields = Fields::default();
    for grant in client.grants.values() {
        for scope in grant.scopes.iter() {
            fields = fields.with("scope", format!("{} {scope}", grant.identifier));
        }
        for role in &grant.roles {
            fields = fields.with("role", format!("{} {role}", grant.identifier));
        }
    }
    fields
}

/// The boxes to tick.
pub(super) fn fields(form: &Form<'_>, apis: &[(ApiId, Row<Api>)]) -> Markup {
    html! {
        @for (_, row) in apis {
            fieldset {
                legend { (row.state.name) " " code.quiet { (row.state.identifier) } }
                @if row.state.built_in {
                    p.hint { "To administer this tenant. Most clients need nothing of it." }
                }
                @for (scope, description) in &row.state.scopes {
                    label.tick {
                        input type="checkbox" name="scope" value={(row.state.identifier) " " (scope)}
                            checked[form.given.has("scope", &format!("{} {scope}", row.state.identifier))];
                        span { code { (scope) } @if let Some(text) = description { " " span.quiet { (text) } } }
                    }
                }
                @for (role, scopes) in &row.state.roles {
                    label.tick {
                        input type="checkbox" name="role" value={(row.state.identifier) " " (role)}
                            checked[form.given.has("role", &format!("{} {role}", row.state.identifier))];
                        span { "Role " code { (role) } " " span.quiet { (scopes) } }
                    }
                }
            }
        }
    }
}

/// What a client may ask for, to be changed.
pub(super) fn section(
    within: &Within,
    id: ClientId,
    form: &Form<'_>,
    apis: &[(ApiId, Row<Api>)],
) -> Markup {
    html! {
        section id="grants" {
            h2 { "What it may ask for" }
            (form.to(&within.at(&format!("/clients/{id}/grants")), &html! {
                (fields(form, apis))
                @if apis.is_empty() { p { "This tenant has no API yet." } }
                @else { button.primary type="submit" { "Save what it may ask for" } }
            }))
        }
    }
}

/// The same for somebody who may not change it.
pub(super) fn read(client: &Client) -> Markup {
    html! {
        section id="grants" {
            h2 { "What it may ask for" }
            @if client.grants.is_empty() { p { "Nothing." } } @else {
                dl.facts { @for grant in client.grants.values() {
                    dt { code { (grant.identifier) } }
                    dd {
                        code { (grant.scopes) }
                        @for role in &grant.roles { " role " code { (role) } }
                    }
                } }
            }
        }
    }
}

/// What a client has been granted at APIs that the form does not show, because they are retired or too
/// many: it stays as it is.
pub(super) fn not_shown(client: &Client, apis: &[(ApiId, Row<Api>)]) -> Vec<GrantInput> {
    let shown: BTreeSet<_> = apis.iter().map(|(id, _)| id).collect();
    let grants = client.grants.iter().filter(|(id, _)| !shown.contains(id));
    grants
        .map(|(_, grant)| GrantInput {
            api: grant.identifier.clone(),
            scopes: grant.scopes.clone(),
            roles: grant.roles.clone(),
        })
        .collect()
}

/// What was ticked.
pub(super) fn parse(fields: &Fields, faults: &mut Faults) -> Vec<GrantInput> {
    let mut grants: BTreeMap<ApiIdentifier, (Vec<Scope>, BTreeSet<RoleName>)> = BTreeMap::new();
    for text in fields.all("scope") {
        let (api, scope) = text.split_once(' ').unwrap_or((text, ""));
        let api = faults.take("scope", ApiIdentifier::parse(api));
        let scope = faults.take("scope", Scope::parse(scope));
        if let Some((api, scope)) = api.zip(scope) {
            grants.entry(api).or_default().0.push(scope);
        }
    }
    for text in fields.all("role") {
        let (api, role) = text.split_once(' ').unwrap_or((text, ""));
        let api = faults.take("role", ApiIdentifier::parse(api));
        let role = faults.take("role", RoleName::parse(role));
        if let Some((api, role)) = api.zip(role) {
            grants.entry(api).or_default().1.insert(role);
        }
    }
    grants
        .into_iter()
        .map(|(api, (scopes, roles))| GrantInput {
            api,
            scopes: scopes.into_iter().collect::<ScopeSet>(),
            roles,
        })
        .collect()
}
