//! What a client may ask for, as a matrix to be ticked.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chancery_application::{Error, GrantInput, InputDigest, PageRequest};
use chancery_domain::{
    ApiId, ClientId, Faults, Row,
    api::{Api, ApiState},
    client::{Client, Grant},
    value::{ApiIdentifier, RoleName, Scope, ScopeSet},
};
use maud::{Markup, html};

use crate::{fields::Fields, form::Form, within::Within};

/// How many APIs a matrix shows, but for those that the client is granted already.
const APIS: usize = 200;
/// How many scopes and roles they have together: each has a box, on every client's page.
const BOXES: usize = 2_000;
/// How many are read at once, and how often: retired ones are passed over.
const PAGE: u32 = 200;
const PAGES: usize = 5;

/// The APIs of a matrix.
pub(super) struct Apis {
    /// Those that can be granted, with what each is.
    pub(super) shown: Vec<(ApiId, Row<Api>)>,
    /// Whether the tenant has more of them.
    pub(super) is_cut: bool,
}

impl Apis {
    fn find(&self, id: ApiId) -> Option<&Api> {
        let found = self.shown.iter().find(|(other, _)| *other == id);
        found.map(|(_, row)| &row.state)
    }
}

/// The tenant's APIs that can be granted, those that this client is granted among them.
pub(super) async fn apis(within: &Within, client: Option<&Client>) -> Result<Apis, Error> {
    let (mut shown, is_cut) = listed(within).await?;
    if let Some(client) = client {
        let missing = |id: &&ApiId| shown.iter().all(|(other, _)| other != *id);
        let missing: Vec<_> = client.grants.keys().filter(missing).copied().collect();
        shown.extend(with_ids(within, &missing).await?);
    }
    shown.retain(|(_, row)| row.state.state == ApiState::Active);
    // Few clients administer; what the others ask for comes first.
    shown.sort_by_key(|(_, row)| row.state.built_in);
    Ok(Apis { shown, is_cut })
}

/// The oldest that are not retired, and whether there may be more.
async fn listed(within: &Within) -> Result<(Vec<(ApiId, Row<Api>)>, bool), Error> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let (mut shown, mut after, mut boxes) = (Vec::new(), None, 0);
    for _ in 0..PAGES {
        let page = PageRequest { first: PAGE, after };
        let listed = application.apis(caller, within.tenant, &page).await?;
        for (_, (id, row)) in listed.items {
            if row.state.state == ApiState::Active {
                boxes += row.state.scopes.len() + row.state.roles.len();
                if shown.len() == APIS || boxes > BOXES {
                    return Ok((shown, true));
                }
                shown.push((id, row));
            }
        }
        after = listed.end;
        if !listed.has_next {
            return Ok((shown, false));
        }
    }
    Ok((shown, true))
}

async fn with_ids(within: &Within, ids: &[ApiId]) -> Result<Vec<(ApiId, Row<Api>)>, Error> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let found = application.apis_of(caller, ids).await?;
    let known = found
        .into_iter()
        .filter_map(|(id, row)| Some((id, row.ok()?)));
    Ok(known.collect())
}

/// What of a grant counts: what the API has had ever since. What was taken away counts no more, also where it has
/// come back.
pub(crate) fn counting(grant: &Grant, api: &Api) -> (ScopeSet, BTreeSet<RoleName>) {
    let generation = grant.api_generation;
    (
        api.effective(&grant.scopes, &BTreeSet::new(), generation),
        api.effective_roles(&grant.roles, generation),
    )
}

/// What of a client's grants counts, as the form's texts.
pub(super) fn given(client: &Client, apis: &Apis) -> Fields {
    let mut fields = Fields::default();
    for (id, grant) in &client.grants {
        let Some(api) = apis.find(*id) else {
            continue;
        };
        let (scopes, roles) = counting(grant, api);
        for scope in scopes.iter() {
            fields = fields.with("scope", format!("{} {scope}", grant.identifier));
        }
        for role in &roles {
            fields = fields.with("role", format!("{} {role}", grant.identifier));
        }
    }
    fields
}

/// The field that says how the APIs were of which a form has boxes.
const APIS_SEEN: &str = "apis";

/// How they are: which they are, and of which version each is.
fn seen(apis: &Apis) -> String {
    let each = apis.shown.iter();
    let each: serde_json::Value = each
        .map(|(id, row)| format!("{id} {}", row.version))
        .collect();
    InputDigest::of("apis", &each).to_string()
}

/// That a form was made from these APIs as they are: what was taken away from one meanwhile would be given back by a
/// box that was ticked before.
pub(super) fn as_seen(fields: &Fields, apis: &Apis) -> Result<(), Error> {
    if fields.raw(APIS_SEEN) == seen(apis) {
        return Ok(());
    }
    Err(Error::Changed {
        what: "API",
        expected: 0,
        version: 0,
    })
}

/// What was opened stays what was opened, however often it is sent.
fn opened(form: &Form<'_>, apis: &Apis) -> String {
    match form.given.get(APIS_SEEN) {
        Some(before) => before.to_owned(),
        None => seen(apis),
    }
}

fn chosen<'a>(form: &'a Form<'_>, name: &'a str) -> HashSet<&'a str> {
    form.given.all(name).collect()
}

/// The boxes to tick; of a client that is there, with what it was granted and counts no more.
pub(super) fn fields(form: &Form<'_>, apis: &Apis, client: Option<&Client>) -> Markup {
    let (scopes_given, roles_given) = (chosen(form, "scope"), chosen(form, "role"));
    html! {
        @if client.is_some() { input type="hidden" name=(APIS_SEEN) value=(opened(form, apis)); }
        @for (id, row) in &apis.shown {
            @let grant = client.and_then(|client| client.grants.get(id));
            @let (scopes, roles) = grant.map(|grant| counting(grant, &row.state)).unwrap_or_default();
            fieldset {
                legend { (row.state.name) " " code.quiet { (row.state.identifier) } }
                @if row.state.built_in {
                    p.hint { "To administer this tenant. Most clients need nothing of it." }
                }
                @for (scope, description) in &row.state.scopes {
                    @let lapsed = grant.is_some_and(|grant| grant.scopes.contains(scope)) && !scopes.contains(scope);
                    label.tick {
                        input type="checkbox" name="scope" value={(row.state.identifier) " " (scope)}
                            checked[scopes_given.contains(&*format!("{} {scope}", row.state.identifier))];
                        span { code { (scope) } @if let Some(text) = description { " " span.quiet { (text) } } @if lapsed { (lapsed_since()) } }
                    }
                }
                @for (role, scopes) in &row.state.roles {
                    @let lapsed = grant.is_some_and(|grant| grant.roles.contains(role)) && !roles.contains(role);
                    label.tick {
                        input type="checkbox" name="role" value={(row.state.identifier) " " (role)}
                            checked[roles_given.contains(&*format!("{} {role}", row.state.identifier))];
                        span { "Role " code { (role) } " " span.quiet { (scopes) } @if lapsed { (lapsed_since()) } }
                    }
                }
            }
        }
        @if apis.is_cut {
            (form.lines("others", "Others", "This tenant has more APIs than these. One on each line: the API's identifier, and its scopes with spaces between.", 3))
        }
    }
}

fn lapsed_since() -> Markup {
    html! { " " span.quiet { "(was granted before it was taken away, and counts no more: tick it to grant it again)" } }
}

/// What a client may ask for, to be changed.
pub(super) fn section(
    within: &Within,
    id: ClientId,
    form: &Form<'_>,
    (apis, client): (&Apis, &Client),
) -> Markup {
    html! {
        section id="grants" {
            h2 { "What it may ask for" }
            (form.to(&within.at(&format!("/clients/{id}/grants")), &html! {
                (fields(form, apis, Some(client)))
                @if apis.shown.is_empty() { p { "This tenant has no API yet." } }
                @else { button.primary type="submit" { "Save what it may ask for" } }
            }))
        }
    }
}

/// The same for somebody who may not change it.
pub(super) async fn read(within: &Within, client: &Client) -> Result<Markup, Error> {
    let ids: Vec<_> = client.grants.keys().copied().collect();
    let apis: BTreeMap<_, _> = with_ids(within, &ids).await?.into_iter().collect();
    Ok(html! {
        section id="grants" {
            h2 { "What it may ask for" }
            @if client.grants.is_empty() { p { "Nothing." } } @else {
                dl.facts { @for (id, grant) in &client.grants {
                    dt { code { (grant.identifier) } }
                    dd { (told(grant, apis.get(id).map(|row| &row.state))) }
                } }
            }
        }
    })
}

/// What of a grant counts, in words.
pub(crate) fn told(grant: &Grant, api: Option<&Api>) -> Markup {
    let (scopes, roles) = api.map(|api| counting(grant, api)).unwrap_or_default();
    html! {
        @if scopes.is_empty() && roles.is_empty() { span.quiet { "nothing that counts any more" } }
        code { (scopes) }
        @for role in &roles { " role " code { (role) } }
    }
}

/// What a client has been granted at APIs that the form does not show, because they are retired: it stays as it is.
pub(super) fn not_shown(client: &Client, apis: &Apis) -> Vec<GrantInput> {
    let grants = client.grants.iter();
    let grants = grants.filter(|(id, _)| apis.find(**id).is_none());
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
    for line in fields.raw("others").lines().map(str::trim) {
        let (api, scopes) = line.split_once(' ').unwrap_or((line, ""));
        if api.is_empty() {
            continue;
        }
        let api = faults.take("others", ApiIdentifier::parse(api));
        let scopes = faults.take("others", ScopeSet::parse(scopes));
        if let Some((api, scopes)) = api.zip(scopes) {
            let granted = &mut grants.entry(api).or_default().0;
            granted.extend(scopes.iter().cloned());
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
