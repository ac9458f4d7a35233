//! What was typed outlives the session in which it was typed.

use crate::{
    first_token::roll,
    support::{Browser, Page, World, story},
};

const NEW: &str = "/console/t/acme/clients/new";

fn fields(form: &[(String, String)]) -> Vec<(&str, &str)> {
    form.iter()
        .map(|(name, value)| (&**name, &**value))
        .collect()
}

/// The form of a page as it is opened, with a name typed into it.
fn typed(page: &Page, name: &str) -> Vec<(String, String)> {
    let typed = ("name".to_owned(), name.to_owned());
    page.hidden(NEW).into_iter().chain([typed]).collect()
}

story! {
    async fn a_form_of_a_session_that_has_ended_is_kept_and_sent_in_the_next(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let form = typed(&browser.open(NEW).await, "typed for <long>");
        let entries = roll(&world, "acme").await.len();
        world.clock.advance(31 * 60);
        let ended = browser.send_from("same-origin", NEW, &fields(&form)).await;
        assert_eq!(ended.status, 401);
        ended.shows("You are not signed in any more");
        ended.shows("typed for <long>");
        // It has nothing of the old session, and may be sent as often as somebody likes.
        let again = ended.hidden(NEW);
        assert!(again.iter().all(|(name, _)| name != "form_token"));
        assert_eq!(browser.send_from("same-origin", NEW, &fields(&again)).await.status, 401);

        let browser = Browser::operator(&world).await;
        let earlier = browser.send_from("same-origin", NEW, &fields(&again)).await;
        assert_eq!(earlier.status, 403);
        earlier.shows("Nothing was done yet");
        earlier.shows("typed for <long>");
        assert_eq!(roll(&world, "acme").await.len(), entries);
        let form = earlier.hidden(NEW);
        let done = browser.send_from("same-origin", NEW, &fields(&form)).await;
        done.shows("typed for <long> is created");
        assert!(roll(&world, "acme").await.len() > entries);
        // Sent twice it is one command, whichever session it was.
        world.clock.advance(61);
        browser.send_from("same-origin", NEW, &fields(&form)).await.shows("This was done before");
    }
}

story! {
    /// A secret that is pasted into the wrong field comes into no page and no roll.
    async fn a_secret_in_the_wrong_field_is_taken_nowhere(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let entries = roll(&world, "acme").await.len();
        for field in ["name", "description", "metadata"] {
            let mut fields = browser.open(NEW).await.hidden(NEW);
            fields.push((field.to_owned(), acme.secret.clone()));
            let refused = browser.send(NEW, &self::fields(&fields)).await;
            assert_eq!(refused.status, 400);
            refused.shows("A client's secret stands in this form where none belongs.");
            assert!(!refused.html.contains(&acme.secret));
        }
        let found = browser.get(&format!("/console/find?id={}", acme.secret)).await;
        found.shows("That is a secret, and no id");
        assert!(!found.html.contains(&acme.secret));
        assert_eq!(roll(&world, "acme").await.len(), entries);
    }
}

story! {
    /// Somebody else's form would stand there ready to be sent by whoever signs in.
    async fn what_a_page_of_another_site_sends_is_never_kept(world: World) {
        world.acme().await;
        let (nobody, somebody) = (Browser::new(&world), Browser::operator(&world).await);
        let form = [("name", "made up elsewhere")];
        for site in ["cross-site", "same-site", "none"] {
            let page = nobody.send_from(site, NEW, &form).await;
            assert_eq!(page.location(), "/console/sign-in?undone=1", "{site}");
            let page = somebody.send_from(site, NEW, &form).await;
            assert_eq!(page.status, 403, "{site}");
            page.shows("This form is not from here");
            page.shows_not("made up elsewhere");
        }
        assert_eq!(nobody.send(NEW, &form).await.location(), "/console/sign-in?undone=1");
        somebody.send(NEW, &form).await.shows_not("made up elsewhere");
    }
}

story! {
    async fn a_secret_is_not_written_back_into_a_page(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let attempt = format!("/console/t/acme/clients/{}/try", acme.client);
        let form = [("scope", "orders:read"), ("secret", &*acme.secret)];
        let page = browser.send_from("same-origin", &attempt, &form).await;
        assert_eq!(page.status, 403);
        assert!(!page.html.contains(&acme.secret), "{}", page.html);
        let nobody = Browser::new(&world).send_from("same-origin", &attempt, &form).await;
        assert_eq!(nobody.location(), "/console/sign-in?undone=1");
    }
}
