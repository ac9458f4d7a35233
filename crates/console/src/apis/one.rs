use std::collections::BTreeSet;

use axum::response::Response;
use chancery_application::{ApiChange, ClientFilter, Error, Needs, PageRequest};
use chancery_domain::{
    ApiId, Faults, Invalid, Row,
    api::{Api, ApiState},
    client::{Client, ClientState},
    value::{ApiName, CustomClaims, Patch},
};
use maud::{Markup, html};

use super::{definition, matrix};
use crate::{
    clients::{called, grants::counting},
    fields::{Asked, Fields, NOTHING},
    form::{Form, Line},
    layout::Page,
    meant::for_good,
    posted::{Posted, VERSION},
    refused::Refused,
    show,
    stop::Stop,
    within::Within,
};

/// How many of the clients are shown.
const CLIENTS: u32 = 20;
/// How many are looked at for what is taken from them, and how many of those are named.
const LOOKED_AT: u32 = 200;
const NAMED: usize = 5;

fn done(word: Option<&str>) -> Option<&'static str> {
    Some(match word? {
        "created" => "The API is created. Next: a client that may ask for it.",
        "changed" => "The API is changed.",
        "retired" => "The API is retired: no token is issued for it any more.",
        _ => return None,
    })
}

/// The API that the address names, if it is one of this tenant.
async fn found(within: &Within) -> Result<(ApiId, Row<Api>), Stop> {
    let id = within.id("api")?;
    let application = within.visitor.application();
    let row = application.api(&within.visitor.session.caller, id).await?;
    if row.tenant == within.tenant {
        Ok((id, row))
    } else {
        Err(Error::NotFound { what: "API" }.into())
    }
}

pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    show(&within, None, done(asked.get("done"))).await
}

pub(crate) async fn change(posted: Posted<Within>) -> Result<Response, Stop> {
    let within = &posted.from;
    let (id, row) = found(within).await?;
    let version = posted.version()?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("updateApi");
    let parsed = match parse(id, &posted.fields) {
        Ok(change) if !posted.fields.has("meant", "yes") => taken(within, id, &row.state, &change)
            .await?
            .map(|()| change),
        parsed => parsed,
    };
    let changed = match parsed {
        Ok(change) => {
            let change = ApiChange {
                expected_version: Some(version),
                ..change
            };
            application
                .update_api(caller, change, &request)
                .await
                .map(|_| "changed")
        }
        Err(faults) => Err(Error::Invalid(faults)),
    };
    let page = format!("/apis/{id}");
    match posted.answered(&page, "change", changed)? {
        Ok(response) => Ok(response),
        Err(refused) => show(within, Some(&refused), None).await,
    }
}

pub(crate) async fn retire(posted: Posted<Within>) -> Result<Response, Stop> {
    let within = &posted.from;
    let (id, row) = found(within).await?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let request = posted.request("retireApi");
    let retired = match for_good(&posted.fields, row.state.identifier.as_str()) {
        Ok(()) => application
            .retire_api(caller, id, &request)
            .await
            .map(|_| "retired"),
        Err(error) => Err(error),
    };
    let page = format!("/apis/{id}");
    match posted.answered(&page, "retire", retired)? {
        Ok(response) => Ok(response),
        Err(refused) => show(within, Some(&refused), None).await,
    }
}

/// Whose grants a change takes away for good, which has to be meant: a line that was lost or mistyped does that too.
async fn taken(
    within: &Within,
    id: ApiId,
    api: &Api,
    change: &ApiChange,
) -> Result<Result<(), Faults>, Stop> {
    let scopes = change.scopes.iter().flatten().map(|scope| &scope.name);
    let scopes: BTreeSet<_> = scopes.collect();
    let roles = change.roles.iter().flatten().map(|role| &role.name);
    let roles: BTreeSet<_> = roles.collect();
    let mut gone: Vec<_> = api
        .scopes
        .keys()
        .filter(|scope| !scopes.contains(scope))
        .collect();
    let gone_roles: Vec<_> = api
        .roles
        .keys()
        .filter(|role| !roles.contains(role))
        .collect();
    if gone.is_empty() && gone_roles.is_empty() {
        return Ok(Ok(()));
    }
    let filter = ClientFilter {
        api: Some(id),
        ..ClientFilter::default()
    };
    let page = PageRequest {
        first: LOOKED_AT,
        after: None,
    };
    let (application, caller) = (within.visitor.application(), &within.visitor.session.caller);
    let clients = application
        .clients(caller, within.tenant, &filter, page)
        .await?;
    let has = |client: &Client| {
        let Some(grant) = client.grants.get(&id) else {
            return false;
        };
        let (scopes, roles) = counting(grant, api);
        gone.iter().any(|scope| scopes.contains(scope))
            || gone_roles.iter().any(|role| roles.contains(*role))
    };
    let named: Vec<_> = clients
        .items
        .iter()
        .filter(|(_, (_, row))| has(&row.state))
        .map(|(_, (id, row))| called(*id, &row.state))
        .collect();
    if named.is_empty() {
        return Ok(Ok(()));
    }
    gone.sort();
    let what = gone.iter().map(ToString::to_string);
    let what = what.chain(gone_roles.iter().map(|role| format!("role {role}")));
    let what: Vec<_> = what.collect();
    let (first, rest) = named.split_at(named.len().min(NAMED));
    let more = match (rest.len(), clients.has_next) {
        (0, false) => String::new(),
        (number, false) => format!(" and {number} more"),
        (_, true) => " and more".to_owned(),
    };
    let message = format!(
        "takes {} at once from {}{more}, for good: also after it has come back it has to be granted to each of them again. Tick the box beside the button to do it",
        what.join(", "),
        first.join(", ")
    );
    let mut faults = Faults::default();
    faults.add("meant", Invalid::new("meant", message));
    Ok(Err(faults))
}

fn parse(api: ApiId, fields: &Fields) -> Result<ApiChange, Faults> {
    let mut faults = Faults::default();
    let name = fields.get("name").unwrap_or_default();
    let name = faults.take("name", ApiName::parse(name));
    let scopes = definition::scopes(fields, &mut faults);
    let roles = definition::roles(fields, &mut faults);
    let tokens = definition::tokens(fields, &mut faults);
    let claims = fields
        .json("customClaims")
        .map(|claims| claims.and_then(CustomClaims::parse));
    let claims = faults.take_optional("customClaims", claims);
    // What the form did not have stays as it is.
    let asked = |name: &str| fields.asks(name);
    faults.finish(name.zip(claims).map(|(name, claims)| ApiChange {
        api,
        name: Some(name),
        scopes: Some(scopes),
        roles: Some(roles),
        custom_claims: asked("customClaims").then(|| claims.unwrap_or_default()),
        access_token_seconds: patch(asked("accessTokenSeconds"), tokens.access_token_seconds),
        signing_algorithm: patch(asked("signingAlgorithm"), tokens.signing_algorithm),
        expected_version: None,
    }))
}

fn patch<T>(is_asked: bool, given: Option<T>) -> Patch<T> {
    match given {
        Some(value) => Patch::Set(value),
        None if is_asked => Patch::Clear,
        None => Patch::Keep,
    }
}

async fn show(
    within: &Within,
    refused: Option<&Refused>,
    notice: Option<&'static str>,
) -> Result<Response, Stop> {
    let (id, row) = found(within).await?;
    let api = &row.state;
    let application = within.visitor.application();
    // Whoever is deleted asks for nothing any more.
    let filter = ClientFilter {
        api: Some(id),
        states: Some(vec![
            ClientState::Active,
            ClientState::Disabled,
            ClientState::Expired,
        ]),
        ..ClientFilter::default()
    };
    let page = PageRequest {
        first: CLIENTS,
        after: None,
    };
    let caller = &within.visitor.session.caller;
    let clients = application
        .clients(caller, within.tenant, &filter, page)
        .await?;
    let may_change =
        within.may(Needs::TenantAdmin) && !api.built_in && api.state == ApiState::Active;
    let given = definition::given(api).with(VERSION, row.version.to_string());
    let edit = Form::one_of(&within.visitor, "change", &given, refused);
    let retire = Form::one_of(&within.visitor, "retire", &NOTHING, refused);
    let content = html! {
        (edit.line(&Line::text("name", "Name", "").required()))
        (definition::fields(&edit))
        (definition::token_fields(&edit))
        p.hint { "A scope or role that is taken away counts for nothing at once, also after it has come back: it has to be granted again." }
        (edit.meant("I know whom this takes it from"))
        button.primary type="submit" { "Save" }
    };
    Ok(Page::within(api.name.as_str(), within)
        .noting(notice)
        .refusing(refused)
        .show(&html! {
            div.head { h1 { (api.name) } (show::api_state(api.state)) @if api.built_in { (show::badge("info", "built in")) } }
            (show::only_read(within))
            section {
                dl.facts {
                    dt { "Identifier" } dd { (show::id(&api.identifier)) }
                    dt { "Id" } dd { (show::id(&id)) }
                    dt { "Created" } dd { (show::moment(row.created_at)) }
                    @if let Some(seconds) = api.tokens.access_token_seconds { dt { "Its access tokens live" } dd { (show::span(seconds.into())) } }
                    @if let Some(algorithm) = api.tokens.signing_algorithm { dt { "They are signed with" } dd { (algorithm.as_str()) } }
                    @if !api.custom_claims.is_empty() { dt { "Claims that it adds" } dd { pre tabindex="0" { code { (show::pretty(api.custom_claims.members())) } } } }
                }
            }
            (scopes(api))
            (matrix::section(within, id, api, &clients))
            @if may_change {
                section { h2 { "Change" } (edit.to(&within.at(&format!("/apis/{id}")), &content)) }
                section.danger {
                    h2 { "Retire" }
                    (retire.to(&within.at(&format!("/apis/{id}/retire")), &html! {
                        p { "This cannot be undone. No token is issued for it any more, and its identifier is never given again." }
                        (retire.confirmation(api.identifier.as_str()))
                        button.bad type="submit" { "Retire the API for good" }
                    }))
                }
            }
        }))
}

fn scopes(api: &Api) -> Markup {
    html! {
        div.table tabindex="0" role="region" aria-label="Scopes" {
            table {
                thead { tr { th scope="col" { "Scope" } th scope="col" { "What it allows" } } }
                tbody { @for (scope, description) in &api.scopes {
                    tr { th scope="row" { code { (scope) } } td { (show::or_dash(description.as_ref().map(chancery_domain::value::Description::as_str))) } }
                } }
            }
        }
        @if !api.roles.is_empty() {
            div.table tabindex="0" role="region" aria-label="Roles" {
                table {
                    thead { tr { th scope="col" { "Role" } th scope="col" { "Its scopes" } } }
                    tbody { @for (role, scopes) in &api.roles {
                        tr { th scope="row" { code { (role) } } td { code { (scopes) } } }
                    } }
                }
            }
        }
    }
}
