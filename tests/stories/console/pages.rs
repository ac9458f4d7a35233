//! Every page of the console: with something on it, with nothing, and with what is wrong. The list is held
//! against the router's, so a page without a case here fails.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    browser::signed_in,
    life::{Life, live},
};
use crate::support::{Chromium, World, story};

/// A page, and what is done on it before it is looked at.
pub(super) struct Case {
    route: &'static str,
    pub(super) path: String,
    /// A script that leads to the page which is meant.
    then: Option<&'static str>,
}

/// Sends the first form that goes to an address with this end, whatever the browser thinks of its fields.
macro_rules! send {
    ($end:literal) => {
        Some(concat!(
            "document.querySelector(\"form[action$='",
            $end,
            "']\").submit()"
        ))
    };
}

impl Case {
    fn new(route: &'static str, path: impl Into<String>) -> Self {
        Self {
            route,
            path: path.into(),
            then: None,
        }
    }

    fn then(self, then: Option<&'static str>) -> Self {
        Self { then, ..self }
    }

    /// Opens it. What is folded away is unfolded: it is looked at, too.
    pub(super) async fn open(&self, browser: &mut Chromium, world: &World) {
        browser.open(&format!("{}{}", world.url, self.path)).await;
        if let Some(then) = self.then {
            browser.follow(then).await;
        }
        browser
            .eval("document.querySelectorAll('main details').forEach(e => { e.open = true; })")
            .await;
    }

    pub(super) fn called(&self) -> String {
        format!(
            "{}{}",
            self.path,
            self.then
                .map(|then| format!(", then {then}"))
                .unwrap_or_default()
        )
    }
}

/// Every case, of an operator who is signed in. Those that change something come last.
pub(super) fn cases(life: &Life) -> Vec<Case> {
    const CLIENT: &str = "/console/t/{slug}/clients/{client}";
    let tenant = |rest: &str| format!("/console/t/acme{rest}");
    let client = |id: &str, rest: &str| format!("/console/t/acme/clients/{id}{rest}");
    let within = |route: &'static str, rest: &str| Case::new(route, tenant(rest));
    vec![
        Case::new("/console/start", "/console/start"),
        Case::new("/console/tenants", "/console/tenants"),
        Case::new("/console/tenants", "/console/tenants?q=zzz"),
        Case::new("/console/tenants/new", "/console/tenants/new"),
        Case::new("/console/tenants/new", "/console/tenants/new").then(send!("/new")),
        within("/console/t/{slug}", ""),
        within("/console/t/{slug}", "?done=created"),
        Case::new("/console/t/{slug}", "/console/t/empty"),
        Case::new("/console/t/{slug}", "/console/t/initech"),
        Case::new("/console/t/{slug}", "/console/t/nobody"),
        within("/console/t/{slug}/policy", "/policy"),
        within("/console/t/{slug}/policy", "/policy").then(send!("/policy")),
        within("/console/t/{slug}/policy", "/policy").then(Some(
            "document.querySelector(\"[name=accessTokenSeconds]\").value = 5; document.querySelector(\"form[action$='/policy']\").submit()",
        )),
        within("/console/t/{slug}/policy", "/policy").then(Some(
            "document.querySelectorAll(\"[name=allowedAuthMethods]\").forEach(e => { e.checked = e.value === 'private_key_jwt'; }); document.querySelector(\"form[action$='/policy']\").submit()",
        )),
        within("/console/t/{slug}/keys", "/keys"),
        within("/console/t/{slug}/keys", "/keys?done=rotated"),
        within("/console/t/{slug}/keys", "/keys").then(send!("/keys")),
        within("/console/t/{slug}/apis", "/apis"),
        Case::new("/console/t/{slug}/apis", "/console/t/empty/apis"),
        within("/console/t/{slug}/apis/new", "/apis/new"),
        within("/console/t/{slug}/apis/new", "/apis/new").then(send!("/new")),
        within("/console/t/{slug}/apis/{api}", &format!("/apis/{}", life.api)),
        within("/console/t/{slug}/apis/{api}", &format!("/apis/{}", life.retired)),
        within("/console/t/{slug}/clients", "/clients"),
        within("/console/t/{slug}/clients", "/clients?q=zzz"),
        Case::new("/console/t/{slug}/clients", "/console/t/empty/clients"),
        within("/console/t/{slug}/clients/new", "/clients/new"),
        Case::new("/console/t/{slug}/clients/new", "/console/t/empty/clients/new"),
        within("/console/t/{slug}/clients/new", "/clients/new").then(Some(
            "document.querySelector('[name=metadata]').value = '{'; document.querySelector(\"form[action$='/new']\").submit()",
        )),
        Case::new(CLIENT, client(&life.client, "")),
        Case::new(CLIENT, client(&life.client, "?done=saved")),
        Case::new(CLIENT, client(&life.keyed, "")),
        Case::new(CLIENT, client(&life.disabled, "")),
        Case::new(CLIENT, client(&life.deleted, "")),
        Case::new(CLIENT, client("client_x", "")),
        Case::new("/console/t/{slug}/clients/{client}/edit", client(&life.client, "/edit")),
        Case::new("/console/t/{slug}/clients/{client}/edit", client(&life.keyed, "/edit")),
        Case::new("/console/t/{slug}/clients/{client}/edit", client(&life.client, "/edit")).then(Some(
            "document.querySelector('[name=customClaims]').value = '['; document.querySelector(\"form[action$='/edit']\").submit()",
        )),
        Case::new("/console/t/{slug}/clients/{client}/try", client(&life.client, "/try")),
        Case::new("/console/t/{slug}/clients/{client}/try", client(&life.client, "/try")).then(send!("/try")),
        Case::new("/console/find", "/console/find"),
        Case::new("/console/find", "/console/find?id=client_x"),
        Case::new("/console/sessions", "/console/sessions"),
        within("/console/t/{slug}/administrators", "/administrators"),
        within("/console/t/{slug}/administrators", "/administrators").then(send!("/administrators")),
        Case::new("/console/t/{slug}/administrators", "/console/t/system/administrators?done=ended"),
        within("/console/t/{slug}/calendar", "/calendar"),
        within("/console/t/{slug}/calendar", "/calendar?days=365"),
        Case::new("/console/t/{slug}/calendar", "/console/t/empty/calendar?days=7"),
        within("/console/t/{slug}/roll", "/roll"),
        within("/console/t/{slug}/roll", "/roll?type=ClientCreated"),
        within("/console/t/{slug}/roll", "/roll?type=TenantClosed"),
        within("/console/t/{slug}/roll", "/roll?since=yesterday"),
        within("/console/t/{slug}/roll/{entry}", "/roll/6"),
        within("/console/t/{slug}/roll/{entry}", "/roll/999"),
        within("/console/t/{slug}/past", "/past"),
        within("/console/t/{slug}/past", "/past?entry=1"),
        within("/console/t/{slug}/past", "/past?at=2001-01-01T00:00:00Z"),
        within("/console/t/{slug}/difference", "/difference"),
        within("/console/t/{slug}/difference", "/difference?from=2099-01-01T00:00:00Z"),
        Case::new("/console/t/{slug}/difference", "/console/t/empty/difference"),
        within("/console/t/{slug}/activity", "/activity"),
        within("/console/t/{slug}/activity", "/activity?over=month"),
        Case::new("/console/t/{slug}/activity", "/console/t/empty/activity"),
        within("/console/t/{slug}/activity/records", "/activity/records"),
        within("/console/t/{slug}/activity/records", "/activity/records?client=nobody"),
        Case::new("/console/t/{slug}/activity/records", "/console/t/system/activity/records?kind=console"),
        within("/console/t/{slug}/activity/unused", "/activity/unused?over=hour"),
        Case::new("/console/t/{slug}/activity/unused", "/console/t/empty/activity/unused"),
        Case::new("/console/{*rest}", "/console/nothing"),
        Case::new("/console/sign-in", "/console/sign-in?out=1"),
        Case::new("/console/sign-in", "/console/sign-in").then(send!("/sign-in")),
        Case::new("/console/link", "/console/link"),
        Case::new("/console/link", "/console/link").then(send!("/link")),
        // What changes something.
        within("/console/t/{slug}/clients/new", "/clients/new").then(Some(
            "document.querySelector('[name=name]').value = 'Another'; document.querySelector(\"form[action$='/new']\").submit()",
        )),
        Case::new(CLIENT, client(&life.client, "")).then(send!("/rotate")),
        Case::new(CLIENT, client(&life.client, "")).then(Some(
            "(() => { const f = document.querySelectorAll(\"form[action$='/revoke']\")[1]; f.elements.reason.value = 'in a log'; f.elements.compromised.checked = true; f.submit(); })()",
        )),
    ]
}

#[test]
fn every_page_of_the_router_has_a_case() {
    let life = Life {
        client: String::new(),
        keyed: String::new(),
        disabled: String::new(),
        deleted: String::new(),
        api: String::new(),
        retired: String::new(),
    };
    let looked_at: BTreeSet<_> = cases(&life).iter().map(|case| case.route).collect();
    let missing: Vec<_> = chancery_console::pages()
        .into_iter()
        .filter(|page| !looked_at.contains(&**page))
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "give each a case in `cases`");
}

/// What can be seen of a page without a program of others.
const FAULTS: &str = "[
    ...(document.documentElement.scrollWidth > innerWidth ? ['too wide: ' + document.documentElement.scrollWidth] : []),
    ...[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
        .filter(e => !e.labels.length && !e.ariaLabel).map(e => 'no label: ' + e.outerHTML),
    ...[...document.querySelectorAll('table')].filter(e => !e.querySelector('th[scope=col]')).map(e => 'no header'),
    ...[...document.querySelectorAll('a[href], button, summary, input:not([type=hidden]), select, textarea')]
        .filter(e => e.tabIndex < 0 && e.role !== 'tab').map(e => 'not by the keyboard: ' + e.outerHTML),
    ...[...document.querySelectorAll('[tabindex]')].filter(e => e.tabIndex > 0).map(e => 'out of order: ' + e.outerHTML),
    ...(document.querySelectorAll('h1').length === 1 ? [] : ['not one h1']),
    ...(document.documentElement.lang ? [] : ['no language']),
    ...[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, at, all) => all.indexOf(id) !== at).map(id => 'twice: ' + id),
]";

story! {
    /// Every page fits into a narrow window and can be used by the keyboard, in the order in which it reads;
    /// each field has its label, and each table its headers.
    async fn every_page_is_narrow_labelled_headed_and_in_order(world: World) {
        let life = live(&world).await;
        let mut browser = signed_in(&world).await;
        browser.look((380, 800), true).await;
        let mut faults = Vec::new();
        for case in cases(&life) {
            case.open(&mut browser, &world).await;
            let found: Value = browser.eval(FAULTS).await.unwrap();
            if found != json!([]) {
                faults.push(format!("{}: {found}", case.called()));
            }
        }
        assert!(faults.is_empty(), "{faults:#?}");
        browser.no_complaints();
    }
}
