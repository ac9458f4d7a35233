//! The console in a real browser: its script, its policy, and how it looks.

use chancery_application::Caller;
use chancery_domain::value::Slug;

use crate::support::{Chromium, World, story, tenant_admin};

pub(super) async fn signed_in(world: &World) -> Chromium {
    let caller = Caller::at_the_command_line("someone");
    let made = world
        .platform
        .application
        .sign_in_link(&caller, &Slug::system(), None)
        .await;
    let (_, code) = made.unwrap();
    let mut browser = Chromium::start().await;
    // The script takes the code out of the address and sends it.
    browser
        .open(&format!("{}/console/link#{}", world.url, code.reveal()))
        .await;
    browser
        .until("location.pathname === '/console/start' || location.pathname === '/console/tenants'")
        .await;
    browser
}

story! {
    async fn a_browser_goes_from_a_link_to_the_first_token(world: World) {
        let mut browser = signed_in(&world).await;
        browser.shows("From nothing to the first token").await;
        browser.press("Create a tenant").await;
        browser.fill("displayName", "Acme").await;
        browser.fill("slug", "acme").await;
        browser.press("Create the tenant").await;
        browser.press("Create an API").await;
        browser.fill("name", "Orders").await;
        browser.fill("identifier", "https://orders.example").await;
        browser.fill("scopes", "orders:read Read orders\norders:write").await;
        browser.press("Create the API").await;
        browser.click("nav.side a[href$='/clients']").await;
        browser.press("Create a client").await;
        browser.fill("name", "Billing").await;
        browser.eval("document.querySelector(\"[value='https://orders.example orders:read']\").click()").await;
        browser.press("Create the client").await;
        browser.shows("Keep this now").await;
        browser.until("document.querySelectorAll('[role=tab]').length === 4").await;
        // The answer comes in a tab of its own: what is shown once stays.
        let secret = browser.eval("document.querySelector('[data-secret]').textContent").await.unwrap();
        let secret = secret.as_str().unwrap().to_owned();
        browser
            .eval("[...document.querySelectorAll('main button')].find(e => e.textContent === 'Ask for a token, in another tab').click()")
            .await;
        browser.shows("Keep this now").await;
        browser.click("main a[href*='/clients/client_']").await;
        browser.press("Try a token").await;
        browser.fill("secret", &secret).await;
        browser.press("Ask for a token").await;
        browser.shows("answered 200 with a token").await;
        browser.no_complaints();
    }
}

story! {
    async fn a_browser_rotates_moves_the_slider_and_sees_the_roll_grow(world: World) {
        let acme = world.acme().await;
        let mut browser = signed_in(&world).await;
        browser.open(&format!("{}/console/t/acme/clients/{}", world.url, acme.client)).await;
        browser.eval("document.querySelector('.doing').open = true").await;
        browser.press("Rotate now").await;
        browser.shows("A new secret for billing").await;
        browser.open(&format!("{}/console/t/acme/past", world.url)).await;
        browser
            .follow("(() => { const s = document.getElementById('entry'); s.dispatchEvent(new Event('pointerdown')); s.value = 3; s.dispatchEvent(new Event('change')); })()")
            .await;
        browser.shows("up to entry 3").await;
        browser.shows("There was none").await;
        browser.open(&format!("{}/console/t/acme/roll", world.url)).await;
        browser.shows("Live").await;
        world
            .operator()
            .await
            .mutation("disableClient", "client { id }", serde_json::json!({"client": acme.client, "reason": "<b>gone</b>"}))
            .await
            .data();
        browser.shows("The client was disabled: <b>gone</b>.").await;
        browser.no_complaints();
    }
}

story! {
    async fn a_browser_signs_a_tenants_administrator_in_and_out(world: World) {
        world.acme().await;
        world.tenant_like_acme("other").await;
        let (client, secret) = tenant_admin(&world, "acme").await;
        let mut browser = Chromium::start().await;
        browser.open(&format!("{}/console", world.url)).await;
        browser.fill("tenant", "acme").await;
        browser.fill("client", &client).await;
        browser.fill("secret", &secret).await;
        browser.press("Sign in").await;
        browser.until("location.pathname === '/console/t/acme'").await;
        assert_eq!(browser.eval("document.cookie").await.unwrap(), "", "no script reads the cookie");
        browser.open(&format!("{}/console/t/other", world.url)).await;
        browser.shows("There is no such tenant").await;
        browser.open(&format!("{}/console/t/acme", world.url)).await;
        browser.press("Sign out").await;
        browser.shows("You are signed out").await;
        browser.open(&format!("{}/console/t/acme", world.url)).await;
        browser.shows("Client secret").await;
        browser.no_complaints();
    }
}
