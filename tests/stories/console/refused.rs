//! A small form that cannot be done is shown where it was: with what was typed, and what is wrong beside it.

use serde_json::json;

use crate::{
    first_token::roll,
    support::{Browser, Page, World, story},
};

/// The form to an address on a page, up to its end.
fn form_with<'a>(page: &'a Page, action: &str, holds: &str) -> &'a str {
    let forms = page.html.split("<form ").skip(1);
    let mut forms = forms.map(|form| form.split("</form>").next().unwrap());
    let found = forms.find(|form| {
        form.contains(&format!("action=\"{action}\""))
            && (holds.is_empty() || form.contains(&format!("value=\"{holds}\"")))
    });
    found.unwrap_or_else(|| panic!("no form to {action} with {holds}: {}", page.text()))
}

story! {
    async fn each_small_form_is_shown_again_where_it_was(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "first",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        });
        let operator = world.operator().await;
        let keyed = operator.mutation(
            "createClient",
            "client { id }",
            json!({"tenant": "acme", "name": "ledger", "authMethod": "PRIVATE_KEY_JWT", "jwks": {"keys": [jwk]}}),
        );
        let keyed = format!("/console/t/acme/clients/{}", keyed.await.data()["client"]["id"].as_str().unwrap());
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let api = format!("/console/t/acme/apis/{}", acme.api);
        browser.submit(&client, &format!("{client}/secrets/rotate"), &[("overlapSeconds", "3600")]).await;
        let entries = roll(&world, "acme").await.len();
        let long = "x".repeat(501);
        let secret = ("secret", &*acme.secret_id);
        let (tenant, keys) = ("/console/t/acme", "/console/t/acme/keys");
        let (at, revoke) = (|page: &str, rest: &str| format!("{page}/{rest}"), "secrets/revoke");
        for (page, action, typed, holds, wrong) in [
            (&*client, at(&client, "secrets/defer"), vec![secret, ("until", "2001-01-01T00:00")], "2001-01-01T00:00", ""),
            (&client, at(&client, "secrets/defer"), vec![secret, ("until", "soon")], "soon", "until"),
            (&client, at(&client, "secrets/defer"), vec![secret, ("until", "")], &acme.secret_id, "until"),
            (&client, at(&client, revoke), vec![secret, ("reason", &long), ("compromised", "yes")], &long, "reason"),
            (&client, at(&client, revoke), vec![secret, ("reason", " ")], &acme.secret_id, "reason"),
            (&client, at(&client, "state"), vec![("do", "disable"), ("reason", &long)], &long, "reason"),
            (&client, at(&client, "state"), vec![("do", "delete"), ("reason", "left"), ("confirm", "Billing")], "Billing", "confirm"),
            (&keyed, at(&keyed, "keys/revoke"), vec![("reason", &long)], &long, "reason"),
            (&api, at(&api, "retire"), vec![("confirm", "orders")], "orders", "confirm"),
            (keys, at(keys, "revoke"), vec![("reason", &long)], &long, "reason"),
            (tenant, at(tenant, "state"), vec![("do", "suspend"), ("reason", &long)], &long, "reason"),
            (tenant, at(tenant, "state"), vec![("do", "close"), ("reason", "unpaid"), ("confirm", "acm")], "acm", "confirm"),
        ] {
            let title = browser.open(page).await.within("<h1");
            let again = browser.submit(page, &action, &typed).await;
            assert_eq!((again.status, again.within("<h1")), (422, title), "{action} {typed:?}");
            assert_eq!(again.html.matches("Nothing was changed.").count(), 1, "{action}: said once");
            let form = form_with(&again, &action, holds);
            assert!(form.contains("Nothing was changed."), "{action}: said in its form");
            // A page that has the form closed away opens it.
            let before = &again.html[..again.html.find(form).unwrap()];
            let closed = before.rfind("<details").filter(|at| *at > before.rfind("</details>").unwrap_or_default());
            assert!(closed.is_none_or(|at| before[at..].contains(" open>")), "{action} is closed");
            // A rule of the domain is said of the form as a whole.
            if !wrong.is_empty() {
                assert!(form.contains(&format!("name=\"{wrong}\"")) && form.contains("aria-invalid=\"true\""), "{action}: {form}");
                assert!(form.contains("class=\"wrong\""), "{action}: {form}");
            }
            if typed.contains(&("compromised", "yes")) {
                assert!(form.contains("value=\"yes\" checked"), "{form}");
            }
            for (name, value) in typed.iter().filter(|(_, value)| !value.trim().is_empty()) {
                assert!(*name == "compromised" || form.contains(&format!("value=\"{value}\"")), "{action}: {name} is gone");
            }
        }
        assert_eq!(roll(&world, "acme").await.len(), entries);
    }
}

story! {
    /// What became impossible meanwhile has no form any more: it is said at the top of the page.
    async fn what_cannot_be_done_any_more_is_told_on_the_page(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        browser.submit(&client, &format!("{client}/secrets/rotate"), &[("overlapSeconds", "3600")]).await;
        let defer = format!("{client}/secrets/defer");
        let opened = browser.open(&client).await.hidden(&defer);
        let revoked = [("secret", &*acme.secret_id), ("reason", "lost")];
        browser.submit(&client, &format!("{client}/secrets/revoke"), &revoked).await;
        let until = world.now().plus_seconds(7_200).to_string();
        let fields: Vec<_> = opened.iter().map(|(name, value)| (&**name, &**value)).chain([("until", &until[..19])]).collect();
        let told = browser.send(&defer, &fields).await;
        assert_eq!(told.status, 422, "{}", told.text());
        assert_eq!(told.html.matches("Nothing was changed.").count(), 1);
        assert!(!told.html.contains(&format!("action=\"{defer}\"")), "there is no such form any more");
    }
}
