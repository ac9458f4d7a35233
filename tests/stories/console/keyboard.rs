//! The console by the keyboard alone.

use super::browser::signed_in;
use crate::support::{Chromium, World, story};

story! {
    /// From signing in to a rotated secret by Tab, Enter and what is typed, in the order of the page.
    async fn a_secret_is_rotated_by_the_keyboard_alone(world: World) {
        world.acme().await;
        let text = |name: &str| world.operator[name].as_str().unwrap();
        let mut browser = Chromium::start().await;
        browser.open(&format!("{}/console", world.url)).await;
        browser.until("location.pathname === '/console/sign-in'").await;
        browser.tab_to("Skip to the content").await;
        browser.tab_to("Tenant").await;
        browser.tab_to("Client id").await;
        browser.type_text(text("client_id")).await;
        browser.tab_to("Client secret").await;
        browser.type_text(text("client_secret")).await;
        browser.enter().await;
        browser.until("location.pathname === '/console/tenants'").await;
        for link in ["acme", "Clients", "billing"] {
            browser.tab_to(link).await;
            browser.enter().await;
        }
        browser.shows("Secrets").await;
        browser.tab_to("Rotate").await;
        // It opens, and the focus stays.
        browser.key("Enter").await;
        browser.tab_to("The old ones keep working for").await;
        browser.type_text("60").await;
        browser.tab_to("Rotate now").await;
        browser.enter().await;
        browser.shows("A new secret for billing").await;
        browser.shows("keep working for 60 seconds").await;
        browser.no_complaints();
    }
}

story! {
    /// Whoever skips to the content goes on from there, past what every page begins with.
    async fn the_skip_link_leads_to_the_content(world: World) {
        world.acme().await;
        let mut browser = signed_in(&world).await;
        browser.open(&format!("{}/console/t/acme/clients", world.url)).await;
        browser.tab_to("Skip to the content").await;
        browser.key("Enter").await;
        browser.until("document.activeElement.id === 'main'").await;
        browser.key("Tab").await;
        assert_eq!(browser.eval("document.activeElement.innerText").await.unwrap(), "Create a client");
    }
}

story! {
    /// What is moved step by step is not sent at each of them, and who sends it is still there afterwards
    /// (WCAG 2.2, 3.2.2).
    async fn the_slider_and_the_filters_wait_for_whoever_uses_the_keyboard(world: World) {
        world.acme().await;
        let mut browser = signed_in(&world).await;
        browser.open(&format!("{}/console/t/acme/past", world.url)).await;
        browser.shows("up to entry 8").await;
        browser.eval("document.getElementById('entry').focus()").await;
        for left in [7, 6] {
            browser.key("ArrowLeft").await;
            browser.until(&format!("document.getElementById('entry-shown').textContent === '{left}'")).await;
        }
        assert_eq!(browser.eval("location.search").await.unwrap(), "");
        browser.enter().await;
        browser.shows("up to entry 6").await;
        browser.until("document.activeElement.id === 'entry'").await;
        browser.open(&format!("{}/console/t/acme/clients", world.url)).await;
        browser.eval("window.before = true; document.getElementById('state').focus()").await;
        browser.key("ArrowDown").await;
        browser.until("document.getElementById('state').value !== ''").await;
        assert_eq!(browser.eval("window.before && document.activeElement.id").await.unwrap(), "state");
        browser.no_complaints();
    }
}

story! {
    /// Who presses a button again, because nothing seems to happen, sends nothing more: the answer to a second form would take
    /// the place of the first, in which a secret is shown once.
    async fn a_form_is_sent_once_however_often_its_button_is_pressed(world: World) {
        world.acme().await;
        let mut browser = signed_in(&world).await;
        browser.open(&format!("{}/console/t/acme/clients/new", world.url)).await;
        // What would be sent, and is not.
        browser.eval("globalThis.count = 0; addEventListener('submit', (event) => { if (!event.defaultPrevented) count += 1; event.preventDefault(); })").await;
        browser.fill("name", "twice").await;
        let press = "[...document.querySelectorAll('main button')].find((button) => button.textContent.trim() === 'Create the client').click()";
        for _ in 0..3 {
            browser.eval(press).await;
        }
        assert_eq!(browser.eval("count").await.unwrap(), 1);
        assert_eq!(browser.eval("document.querySelectorAll('[aria-busy]').length").await.unwrap(), 1);
        browser.eval("dispatchEvent(new Event('pageshow'))").await;
        browser.eval(press).await;
        assert_eq!(browser.eval("count").await.unwrap(), 2, "whoever came back to it sends it again");
    }
}
