//! The calendar.

use serde_json::json;

use crate::support::{Browser, World, story};

story! {
    async fn what_ends_within_ninety_days_stands_in_the_calendar(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let operator = world.operator().await;
        for (name, days) in [("soon", 10), ("later", 80), ("half a year on", 200)] {
            let input = json!({"tenant": "acme", "name": name, "expiresInDays": days});
            operator.mutation("createClient", "client { id }", input).await.data();
        }
        let schedule = json!({"client": acme.client, "everySeconds": 3 * 86_400});
        operator.mutation("scheduleSecretRotation", "client { id }", schedule).await.data();
        let page = browser.open("/console/t/acme/calendar").await;
        for text in ["soon : the client ends", "later : the client ends", "billing : its secret is to be rotated"] {
            page.shows(text);
        }
        // No three letters: ids of chance stand there, too.
        page.shows_not("half a year on");
        page.shows_not("Overdue");
        let (soon, later) = (page.text().find("soon :").unwrap(), page.text().find("later :").unwrap());
        assert!(soon < later, "the soonest first");
        browser.open("/console/t/acme/calendar?days=365").await.shows("half a year on");
        browser.open("/console/t/acme/calendar?days=7").await.shows_not("soon :");

        world.clock.advance(4 * 86_400);
        let browser = Browser::operator(&world).await;
        let page = browser.open("/console/t/acme/calendar").await;
        page.shows("Overdue");
        browser.open("/console/t/acme").await.shows("due or ending in 30 days");
        world.tenant_like_acme("quiet").await;
        browser.open("/console/t/quiet/calendar?days=7").await.shows("nothing is due within 7 days");
    }
}
