//! What somebody typed into a form stays, though the session that it was of has ended meanwhile: the answer
//! shows it again, to be sent once more by whoever signs in.
//!
//! Only what a page of this console sent is kept, and it is the browser that says so: a form that was made up
//! elsewhere would otherwise stand ready before somebody who has just signed in, to be sent in their name.
//! And nothing in which there is a secret, which is never written back into a page.

use chancery_domain::SecretId;
use http::{HeaderMap, Method, Uri};
use maud::{Markup, html};

use crate::{
    fields::{Fields, holds_private_key, holds_secret},
    posted::{COMMAND, FORM_TOKEN, VERSION},
};

/// What is said of a form that nobody has words for.
const OTHER: &str = "This goes to";

/// A form that was not done, and can be sent again.
#[derive(Debug)]
pub(crate) struct Kept {
    action: String,
    fields: Fields,
}

/// Where a request with a form goes to, where the form may be kept at all.
pub(crate) fn action(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let from_here = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "same-origin");
    (from_here && method == Method::POST).then(|| uri.path().to_owned())
}

impl Kept {
    /// Nothing, where nobody typed anything, or a secret.
    pub(crate) fn of(action: String, fields: Fields) -> Option<Self> {
        let kept = Self { action, fields };
        let is_secret = |(name, value): (&str, &str)| {
            holds_secret(value)
                || holds_private_key(value)
                // Where a secret is typed, also what is no whole one; elsewhere the name is that of an id.
                || (name == "secret" && !value.trim().is_empty() && value.parse::<SecretId>().is_err())
        };
        let is_typed = kept.typed().next().is_some();
        (is_typed && !kept.fields.iter().any(is_secret)).then_some(kept)
    }

    /// What stands in it, but for what the page brought along.
    fn typed(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = [FORM_TOKEN, COMMAND, VERSION, "session", "apis"];
        let fields = self.fields.iter();
        fields.filter(move |(name, value)| !own.contains(name) && !value.trim().is_empty())
    }

    /// What would be done, in words: whoever signs in need not be who has filled it in.
    fn purpose(&self) -> String {
        let parts: Vec<_> = self.action.split('/').skip(2).collect();
        let doing = self.fields.get("do").unwrap_or("change");
        let (slug, what) = match parts.as_slice() {
            ["tenants", "new"] => return "This would create a tenant.".to_owned(),
            ["t", slug, rest @ ..] => (slug, rest),
            ["sessions", "end"] => return "This would sign out a session of yours.".to_owned(),
            ["sessions", "others"] => {
                return "This would sign out every session of yours but this one.".to_owned();
            }
            ["sign-out", ..] => return "This would sign you out.".to_owned(),
            _ => return format!("{OTHER} {}.", self.action),
        };
        let what = match what {
            ["state"] => format!("{doing} the tenant"),
            ["policy"] => "review or change the policy".to_owned(),
            ["keys"] => "make the next signing key".to_owned(),
            ["keys", "revoke"] => "revoke a signing key".to_owned(),
            ["apis", "new"] => "create an API".to_owned(),
            ["apis", api, "retire"] => format!("retire the API {api}"),
            ["apis", api] => format!("change the API {api}"),
            ["clients", "new"] => "create a client".to_owned(),
            ["clients", client, "state"] => format!("{doing} the client {client}"),
            ["clients", client, "grants"] => format!("change what the client {client} may ask for"),
            ["clients", client, "secrets", "defer"] => {
                format!("give a retiring secret of the client {client} more time")
            }
            ["clients", client, "secrets", "issue"] => {
                format!("issue another secret of the client {client}")
            }
            ["clients", client, "secrets", "schedule"] => {
                format!("change when the secret of the client {client} is to be rotated")
            }
            ["clients", client, "secrets", verb] => {
                format!("{verb} a secret of the client {client}")
            }
            ["administrators"] => {
                "let somebody administer the tenant or look into it, by a client of their own"
                    .to_owned()
            }
            ["sessions", "end"] => "sign somebody out".to_owned(),
            ["clients", client, "try"] => format!("ask for a token as the client {client}"),
            ["clients", client, "keys", _] => format!("revoke a key of the client {client}"),
            ["clients", client, "edit"] => format!("change the client {client}"),
            _ => return format!("{OTHER} {}.", self.action),
        };
        format!("This would {what}, in the tenant {slug}.")
    }

    /// The form once more, with what proves that it comes from a page of the session that there is now, if
    /// there is one.
    pub(crate) fn again(&self, form_token: Option<&str>) -> Markup {
        html! {
            @if form_token.is_none() {
                p { a.button.primary href="/console/sign-in" target="_blank" rel="noopener" { "Sign in, in another tab" } }
                p { "Then come back to this page, and go on with what you typed:" }
            }
            form method="post" action=(self.action) {
                @if let Some(token) = form_token { input type="hidden" name=(FORM_TOKEN) value=(token); }
                (self.fields.hidden(&[FORM_TOKEN]))
                button.primary[form_token.is_some()] type="submit" { @if form_token.is_some() { "Send it now" } @else { "Send it again" } }
            }
            p { strong { (self.purpose()) } }
            h2 { "What you typed" }
            dl.facts { @for (name, value) in self.typed() { dt { (name) } dd.typed { (value) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(form: &str) -> Option<Kept> {
        Kept::of("/console/x".to_owned(), Fields::parse(form.as_bytes()))
    }

    #[test]
    fn what_was_typed_is_kept_and_a_secret_is_not() {
        let html = kept("form_token=old&command=c&version=3&name=%3Cb%3E&empty=");
        let html = html.unwrap().again(Some("new")).into_string();
        assert!(html.contains(r#"name="form_token" value="new""#) && !html.contains("old"));
        assert!(
            html.contains(r#"name="version" value="3""#)
                && html.contains("<dd class=\"typed\">&lt;b&gt;</dd>")
        );
        assert!(!html.contains("<dt>version") && !html.contains("<dt>empty"));
        assert!(kept("form_token=old&name=x&secret=+chs_abc").is_none());
        assert!(
            kept("form_token=old&name=x&secret=0356LK0y").is_none(),
            "a part of one"
        );
        assert!(kept("reason=x&secret=secret_00000000000000000000000000").is_some());
        assert!(kept("name=x&jwks=%7B%22kty%22:%22EC%22,%22d%22:%22c%22%7D").is_none());
        assert!(kept("form_token=old&command=c&version=3").is_none());
    }

    #[test]
    fn it_is_said_what_would_be_done() {
        let told = |action: &str, form: &str| {
            let kept = Kept::of(action.to_owned(), Fields::parse(form.as_bytes()));
            kept.unwrap().purpose()
        };
        for (action, form, words) in [
            ("/console/tenants/new", "slug=x", "create a tenant."),
            (
                "/console/t/acme/state",
                "do=close",
                "close the tenant, in the tenant acme.",
            ),
            (
                "/console/t/acme/clients/client_1/state",
                "do=disable",
                "disable the client client_1, in the tenant acme.",
            ),
            (
                "/console/t/acme/clients/client_1/secrets/rotate",
                "label=x",
                "rotate a secret of the client client_1, in",
            ),
            (
                "/console/t/acme/clients/client_1/edit",
                "name=x",
                "change the client client_1, in",
            ),
            (
                "/console/t/acme/apis/api_1/retire",
                "confirm=x",
                "retire the API api_1, in",
            ),
        ] {
            let said = told(action, form);
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn every_form_has_words() {
        for path in crate::paths() {
            let action = path.replace("{slug}", "acme");
            let kept = Kept::of(action, Fields::parse(b"name=x"));
            let said = kept.unwrap().purpose();
            let is_form = !LOOKED_AT.contains(&&*path);
            assert_eq!(said.starts_with(OTHER), !is_form, "{path}: {said}");
        }
    }

    /// What nothing is sent to.
    const LOOKED_AT: &[&str] = &[
        "/console",
        "/console/",
        "/console/find",
        "/console/link",
        "/console/sessions",
        "/console/sign-in",
        "/console/signed-in",
        "/console/start",
        "/console/t/{slug}",
        "/console/t/{slug}/",
        "/console/t/{slug}/activity",
        "/console/t/{slug}/activity/records",
        "/console/t/{slug}/activity/unused",
        "/console/t/{slug}/apis",
        "/console/t/{slug}/calendar",
        "/console/t/{slug}/clients",
        "/console/t/{slug}/clients/{client}",
        "/console/t/{slug}/difference",
        "/console/t/{slug}/past",
        "/console/t/{slug}/roll",
        "/console/t/{slug}/roll/export",
        "/console/t/{slug}/roll/live",
        "/console/t/{slug}/roll/{entry}",
        "/console/t/{slug}/roll/{entry}/proof",
        "/console/{*rest}",
        "/console/tenants",
    ];

    #[test]
    fn only_what_the_browser_says_is_from_here_is_kept() {
        let uri = Uri::from_static("/console/tenants/new?x=1");
        let sent = |method: &Method, site: Option<&'static str>| {
            let site = site.map(|site| ("sec-fetch-site".parse().unwrap(), site.parse().unwrap()));
            action(method, &uri, &site.into_iter().collect())
        };
        let here = sent(&Method::POST, Some("same-origin"));
        assert_eq!(here.as_deref(), Some("/console/tenants/new"));
        for site in [
            None,
            Some("cross-site"),
            Some("same-site"),
            Some("none"),
            Some(""),
        ] {
            assert_eq!(sent(&Method::POST, site), None, "{site:?}");
        }
        assert_eq!(sent(&Method::GET, Some("same-origin")), None);
    }
}
