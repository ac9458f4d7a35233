//! Secrets beyond a rotation: a second one, more time, a schedule, what their use says, a compromise.

use crate::support::{Browser, World, story};

story! {
    async fn a_second_secret_has_its_label_begin_and_end(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let issue = format!("{client}/secrets/issue");
        let moment = |days: i64| world.now().plus_days(days).to_string()[..19].to_owned();
        let (begin, end) = (moment(1), moment(3));
        let page = browser.submit(&client, &issue, &[("label", "for the move"), ("notBefore", &begin), ("expiresAt", &end)]).await;
        page.shows("A new secret for billing");
        let second = page.within("data-secret");
        let token = async |secret: &str| world.token("acme", &acme.client, secret).send().await.status;
        assert_eq!((token(&acme.secret).await, token(&second).await), (200, 401));
        let page = browser.open(&client).await;
        page.shows("for the move pending");
        page.shows("Accepted in 24 hours");
        world.clock.advance(86_400);
        assert_eq!((token(&acme.secret).await, token(&second).await), (200, 200));
        world.clock.advance(2 * 86_400);
        assert_eq!((token(&acme.secret).await, token(&second).await), (200, 401));

        let browser = Browser::operator(&world).await;
        // What cannot be done is shown where it was typed.
        for (path, typed) in [
            (issue, [("label", "typed before"), ("expiresAt", "yesterday")]),
            (format!("{client}/secrets/rotate"), [("label", "typed before"), ("overlapSeconds", "never")]),
        ] {
            let wrong = browser.submit(&client, &path, &typed).await;
            assert_eq!(wrong.status, 422);
            wrong.shows("One value cannot be used as it is. Nothing was changed.");
            assert!(wrong.html.contains("value=\"typed before\"") && wrong.html.contains(" open>"), "{}", wrong.html);
        }
    }
}

story! {
    async fn a_retiring_secret_is_given_more_time(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        browser.submit(&client, &format!("{client}/secrets/rotate"), &[("overlapSeconds", "3600")]).await;
        let until = world.now().plus_seconds(7_200).to_string();
        let defer = format!("{client}/secrets/defer");
        browser.submit(&client, &defer, &[("until", &until[..19])]).await.location();
        world.clock.advance(3_600);
        assert_eq!(world.token("acme", &acme.client, &acme.secret).send().await.status, 200);
        world.clock.advance(3_600);
        assert_eq!(world.token("acme", &acme.client, &acme.secret).send().await.status, 401);
    }
}

story! {
    /// Who is cut off is said in the words of the page.
    async fn a_rotation_says_who_is_cut_off(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        let page = browser.submit(&client, &format!("{client}/secrets/rotate"), &[("overlapSeconds", "0")]).await;
        let hint = &acme.secret[acme.secret.len() - 4..];
        page.shows(&format!("…{hint} has ended with this; last used"));
        page.shows_not("deferSecretRetirement");
    }
}

story! {
    /// One that was revoked was accepted to its last use, as far as this page knows, and not until now.
    async fn a_revoked_secret_is_not_drawn_as_accepted(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        browser.submit(&client, &format!("{client}/secrets/issue"), &[]).await.shows("A new secret");
        world.clock.advance(600);
        let revoke = [("secret", acme.secret_id.as_str()), ("reason", "gone")];
        browser.submit(&client, &format!("{client}/secrets/revoke"), &revoke).await.shows("The secret is revoked");
        world.clock.advance(600);
        let drawn = browser.open(&client).await.html;
        let bar = drawn.split("class=\"bad\"").nth(1).unwrap().split("</rect>").next().unwrap();
        assert!(bar.contains("width=\"4\""), "{bar}");
    }
}

story! {
    async fn a_rotation_is_scheduled_and_advice_given(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let schedule = format!("{client}/secrets/schedule");
        browser.submit(&client, &schedule, &[("everyDays", "30"), ("overlapSeconds", "3600")]).await.location();
        browser.open(&client).await.shows("To be rotated every 30 days, next in 30 days");
        browser.submit(&client, &schedule, &[("everyDays", "")]).await.location();
        browser.open(&client).await.shows_not("To be rotated every");

        browser.open(&client).await.shows("the client has no other that stays: rotate before it goes");
        let page = browser.submit(&client, &format!("{client}/secrets/rotate"), &[("overlapSeconds", "86400")]).await;
        page.shows(&format!("keep working for 24 hours, until {} UTC at the latest", world.now().plus_days(1).to_string()[..19].replace('T', " ")));
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        browser.open(&client).await.shows("once in the last hour: it is in use");
    }
}

story! {
    /// A schedule that is not of whole days is shown and saved as it is.
    async fn a_schedule_of_hours_stays_one(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let input = serde_json::json!({"client": acme.client, "everySeconds": 129_600, "overlapSeconds": 600});
        operator.mutation("scheduleSecretRotation", "client { id }", input).await.data();
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let schedule = format!("{client}/secrets/schedule");
        let page = browser.open(&client).await;
        page.shows("To be rotated every 36 hours");
        assert!(page.html.contains("name=\"everyDays\" type=\"text\" value=\"1.5\""), "{}", page.html);
        browser.submit(&client, &schedule, &[("everyDays", "1.5"), ("overlapSeconds", "1200")]).await.location();
        browser.open(&client).await.shows("To be rotated every 36 hours");
        let wrong = browser.submit(&client, &schedule, &[("everyDays", "50000")]).await;
        assert_eq!(wrong.status, 422);
        wrong.shows("must be at most 1825 days");
    }
}

story! {
    async fn a_compromise_says_what_ended_with_the_secret(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        let revoke = format!("{client}/secrets/revoke");
        let page = browser.submit(&client, &revoke, &[("secret", &acme.secret_id), ("reason", "in a log"), ("compromised", "yes")]).await;
        assert_eq!(page.status, 200);
        page.shows("Somebody may miss it");
        page.shows("the client has no other");
        page.shows("1 token ended with it");
        page.shows("https://orders.example");
        page.shows_not("rotate before it goes");
        assert_eq!(world.token("acme", &acme.client, &acme.secret).send().await.status, 401);
        // By the name that it has everywhere, and where the rest of it stands.
        let hint = &acme.secret[acme.secret.len() - 4..];
        browser.open("/console/t/acme/roll").await.shows(&format!("The secret that ends in {hint} was revoked as compromised, with the tokens that it obtained: in a log."));
        let page = browser.open(&client).await;
        assert!(page.html.contains("/roll?client=") && page.html.contains(&format!("<tr id=\"{}\"", acme.secret_id)), "{}", page.html);
    }
}
