//! Two operators, two forms: what one saved is not given back by what the other had opened before.

use serde_json::{Value, json};

use crate::{
    first_token::roll,
    support::{Browser, Page, World, story},
};

/// The form to an address as it stands on a page: what it brings along, with these fields in place of its own.
fn form(page: &Page, action: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let given = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    page.hidden(action).into_iter().chain(given).collect()
}

async fn send(browser: &Browser<'_>, action: &str, form: &[(String, String)]) -> Page {
    let fields: Vec<_> = form
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    browser.send(action, &fields).await
}

/// One opens the form, another saves theirs, the one saves: that changes nothing and is told, also when it is sent
/// once more as it is shown then. Opened anew it is saved.
async fn overtaken(
    world: &World,
    (on, action): (&str, &str),
    theirs: &[(&str, &str)],
    mine: &[(&str, &str)],
) -> Page {
    let (one, other) = (
        Browser::operator(world).await,
        Browser::operator(world).await,
    );
    let opened = form(&one.open(on).await, action, mine);
    other.submit(on, action, theirs).await.location();
    let entries = roll(world, "acme").await.len();
    let told = send(&one, action, &opened).await;
    for page in [&told, &send(&one, action, &form(&told, action, mine)).await] {
        assert_eq!(page.status, 422, "{}", page.text());
        page.shows("after you had opened the form. Nothing was changed.");
        page.shows("Open the form anew");
    }
    assert_eq!(roll(world, "acme").await.len(), entries);
    one.submit(on, action, mine).await.location();
    assert_eq!(roll(world, "acme").await.len(), entries + 1);
    told
}

story! {
    async fn grants_that_another_operator_took_away_are_not_given_back(world: World) {
        let acme = world.acme().await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let grants = format!("{client}/grants");
        let (read, write) = (("scope", "https://orders.example orders:read"), ("scope", "https://orders.example orders:write"));
        let told = overtaken(&world, (&client, &grants), &[read], &[write]).await;
        told.shows("Somebody changed this client");
        // What was ticked is still ticked.
        assert!(told.html.contains("value=\"https://orders.example orders:write\" checked"), "{}", told.html);
        assert!(!told.html.contains("value=\"https://orders.example orders:read\" checked"));
        assert!(told.html.contains(&format!("href=\"{client}#grants\"")));
    }
}

story! {
    async fn what_another_operator_wrote_about_a_client_stays(world: World) {
        let acme = world.acme().await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let edit = format!("{client}/edit");
        let told = overtaken(&world, (&edit, &edit), &[("name", "theirs")], &[("name", "mine"), ("description", "")]).await;
        assert!(told.html.contains("value=\"mine\""), "what was typed stands there");
        // Deleted meanwhile, there is no form to show it in.
        let one = Browser::operator(&world).await;
        let grants = format!("{client}/grants");
        let opened = form(&one.open(&client).await, &grants, &[]);
        let deletes = [("do", "delete"), ("reason", "left"), ("confirm", "mine")];
        one.submit(&client, &format!("{client}/state"), &deletes).await.location();
        send(&one, &grants, &opened).await.shows("Somebody changed this client");
    }
}

story! {
    async fn a_policy_is_reviewed_and_saved_as_it_was_opened_or_not_at_all(world: World) {
        world.acme().await;
        let policy = "/console/t/acme/policy";
        let (one, other) = (Browser::operator(&world).await, Browser::operator(&world).await);
        let fields = |name: &'static str, seconds: &'static str| {
            [("displayName", name), ("accessTokenSeconds", seconds), ("signingAlgorithm", "ES256"), ("clientLifetimeDays.min", "1"),
                ("maxLiveSecrets", "2"), ("rotationOverlapSeconds", "86400"), ("allowedAuthMethods", "client_secret_basic")]
        };
        let opened = form(&one.open(policy).await, policy, &fields("Acme", "600"));
        let reviewed = send(&one, policy, &opened).await;
        assert_eq!(reviewed.status, 200, "{}", reviewed.text());
        let saved = other.submit(policy, policy, &fields("Acme International", "3600")).await;
        send(&other, policy, &form(&saved, policy, &[])).await.location();
        let entries = roll(&world, "acme").await.len();
        // The review that was opened before, and a review of the form that was opened before.
        for told in [send(&one, policy, &form(&reviewed, policy, &[])).await, send(&one, policy, &opened).await] {
            assert_eq!(told.status, 422);
            told.shows("Somebody changed this tenant after you had opened the form. Nothing was changed.");
            assert!(told.html.contains("value=\"600\""), "{}", told.html);
        }
        assert_eq!(roll(&world, "acme").await.len(), entries);
    }
}

story! {
    async fn scopes_of_an_api_and_a_schedule_are_not_overwritten(world: World) {
        let acme = world.acme().await;
        let api = format!("/console/t/acme/apis/{}", acme.api);
        let fields = |scopes| [("name", "Orders"), ("scopes", scopes), ("roles", "clerk: orders:read"), ("meant", "yes")];
        let told = overtaken(&world, (&api, &api), &fields("orders:read\norders:all"), &fields("orders:read\norders:none")).await;
        told.shows("Somebody changed this API");
        told.shows("orders:none");

        let client = format!("/console/t/acme/clients/{}", acme.client);
        let schedule = format!("{client}/secrets/schedule");
        let (theirs, mine) = ([("everyDays", "30")], [("everyDays", "90"), ("overlapSeconds", "7200")]);
        let told = overtaken(&world, (&client, &schedule), &theirs, &mine).await;
        told.shows("Somebody changed this client's secrets");
        assert!(told.html.contains("<details class=\"doing\" open>"), "{}", told.html);
        assert!(told.html.contains("value=\"90\"") && told.html.contains("value=\"7200\""), "what was typed stands there");
        Browser::operator(&world).await.open(&client).await.shows("To be rotated every 90 days");
    }
}

story! {
    /// Of two who rotate at once, neither ends the secret that the other has just been given.
    async fn a_second_rotation_of_an_old_page_is_not_made(world: World) {
        let acme = world.acme().await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let rotate = format!("{client}/secrets/rotate");
        let (one, other) = (Browser::operator(&world).await, Browser::operator(&world).await);
        let opened = form(&one.open(&client).await, &rotate, &[("overlapSeconds", "0")]);
        let given = other.submit(&client, &rotate, &[("overlapSeconds", "0")]).await.within("data-secret");
        let told = send(&one, &rotate, &opened).await;
        assert_eq!(told.status, 422, "{}", told.text());
        told.shows("Somebody changed this client's secrets after you had opened the form");
        assert_eq!(world.token("acme", &acme.client, &given).send().await.status, 200);
    }
}

story! {
    /// A form that is sent twice is one command, though its own first time has made it old.
    async fn a_form_that_is_sent_twice_is_not_its_own_conflict(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let edit = format!("/console/t/acme/clients/{}/edit", acme.client);
        let opened = form(&browser.open(&edit).await, &edit, &[("name", "twice")]);
        for _ in 0..2 {
            assert!(send(&browser, &edit, &opened).await.location().ends_with("?done=saved"));
        }
        // With something else in it, it is another one.
        let mut other = opened.clone();
        "another".clone_into(&mut other.last_mut().unwrap().1);
        send(&browser, &edit, &other).await.shows("This form was sent before, with something else in it.");
        // One that does not say what it was made from is not taken for a new one.
        let without: Vec<_> = opened.into_iter().filter(|(name, _)| name != "version").collect();
        assert_eq!(send(&browser, &edit, &without).await.status, 400);
    }
}

story! {
    async fn a_change_through_the_api_is_made_on_the_version_that_was_read_or_not_at_all(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let changed = |verb: &'static str, input: Value| operator.mutation(verb, "replayed", input);
        for (number, (verb, thing, id, fields, change)) in (10..).zip([
            ("updateClient", "client", json!(acme.client), format!("client(id: \"{}\") {{ version }}", acme.client), json!({"name": "first"})),
            ("updateApi", "api", json!(acme.api), format!("api(id: \"{}\") {{ version }}", acme.api), json!({"name": "first"})),
            ("updateTenant", "tenant", json!("acme"), "tenant(slug: \"acme\") { version }".to_owned(), json!({"displayName": "first"})),
            ("scheduleSecretRotation", "client", json!(acme.client), format!("client(id: \"{}\") {{ version: secretsVersion }}", acme.client), json!({"everySeconds": 86_400})),
        ]) {
            let version = operator.query(thing, &format!("{{ {fields} }}")).await.data()["version"].clone();
            let input = |command: Value, expected: &Value, rename: &str| {
                let mut input = change.clone();
                for value in input.as_object_mut().unwrap().values_mut().filter(|value| value.is_string()) {
                    *value = json!(rename);
                }
                input[thing] = id.clone();
                input["expectedVersion"] = expected.clone();
                input["commandId"] = command;
                input
            };
            let command = json!(format!("f47ac10b-58cc-4372-a567-0e02b2c3d4{number}"));
            let first = input(command, &version, "first");
            assert_eq!(changed(verb, first.clone()).await.data()["replayed"], false, "{verb}");
            let entries = roll(&world, "acme").await.len();
            let stale = changed(verb, input(Value::Null, &version, "second")).await;
            assert_eq!(stale.code(), "CONFLICT", "{verb}");
            let message = stale.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains("was changed meanwhile"), "{message}");
            // A retry of what was done is answered as it was.
            assert_eq!(changed(verb, first).await.data()["replayed"], true, "{verb}");
            assert_eq!(changed(verb, input(Value::Null, &json!("new"), "x")).await.fault_paths(), ["input.expectedVersion"]);
            assert_eq!(roll(&world, "acme").await.len(), entries);
        }
    }
}

story! {
    /// Ten at once on one version: one is made, and nine are told.
    async fn of_many_at_once_one_is_made(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let read = operator.query("client", &format!("{{ client(id: \"{}\") {{ version }} }}", acme.client)).await.data();
        let renamed = |number: usize| {
            let input = json!({"client": acme.client, "name": format!("name {number}"), "expectedVersion": read["version"]});
            operator.mutation("updateClient", "replayed", input)
        };
        let answers = crate::repeated_commands::join_all(10, renamed).await;
        let made = answers.iter().filter(|answer| answer.body.get("errors").is_none()).count();
        assert_eq!(made, 1);
        for answer in answers.iter().filter(|answer| answer.body.get("errors").is_some()) {
            assert_eq!(answer.code(), "CONFLICT");
        }
    }
}

story! {
    /// What a form has no box for is not taken away by whoever saves it for another reason.
    async fn what_a_client_serves_stays_whoever_saves_its_form(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let api = |identifier: String| json!({"tenant": "acme", "identifier": identifier, "name": identifier, "scopes": [{"name": "a:b"}]});
        let retired = operator.mutation("createApi", "api { id }", api("https://retired.example".to_owned())).await.data();
        for number in 0..201 {
            operator.mutation("createApi", "api { id }", api(format!("https://s{number}.example"))).await.data();
        }
        let serves = json!(["https://retired.example", "https://s0.example", "https://s200.example"]);
        let input = json!({"client": acme.client, "serves": serves});
        operator.mutation("updateClient", "client { id }", input).await.data();
        let retire = json!({"api": retired["api"]["id"]});
        operator.mutation("retireApi", "api { id }", retire).await.data();
        let now_served = async || {
            let query = format!("query {{ client(id: \"{}\") {{ serves }} }}", acme.client);
            operator.send("client", &query, json!({})).await.data()["serves"].to_string()
        };
        let before = now_served().await;
        let browser = Browser::operator(&world).await;
        let edit = format!("/console/t/acme/clients/{}/edit", acme.client);
        let page = browser.open(&edit).await;
        let ticked: Vec<_> = page.html.split("name=\"serves\" value=\"").skip(1).filter_map(|rest| {
            let tag = rest.split('>').next().unwrap();
            tag.ends_with("checked").then(|| ("serves", tag.split('"').next().unwrap()))
        }).collect();
        assert_eq!(ticked.len(), 3, "{}", page.html);
        let mut fields = vec![("name", "billing"), ("description", "another"), ("authMethod", "CLIENT_SECRET"), ("metadata", ""), ("customClaims", ""), ("jwks", ""), ("expiresAt", "")];
        fields.extend(ticked);
        assert!(browser.submit(&edit, &edit, &fields).await.location().ends_with("?done=saved"));
        assert_eq!(now_served().await, before);
    }
}

story! {
    /// A line that was lost is not a decision: what it takes from others has to be meant.
    async fn what_is_taken_from_others_has_to_be_meant(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let page = format!("/console/t/acme/apis/{}", acme.api);
        let token = async || world.token("acme", &acme.client, &acme.secret).with("scope", "orders:read").send().await.status;
        let lost = [("name", "Orders"), ("scopes", "other:scope"), ("roles", "")];
        let asked = browser.submit(&page, &page, &lost).await;
        assert_eq!(asked.status, 422, "{}", asked.text());
        asked.shows("at once from billing, for good");
        asked.shows("I know whom this takes it from");
        assert_eq!(token().await, 200);
        let meant: Vec<_> = lost.into_iter().chain([("meant", "yes")]).collect();
        browser.submit(&page, &page, &meant).await.location();
        assert_eq!(token().await, 400);
        // What nobody was granted needs no second look.
        browser.submit(&page, &page, &[("name", "Orders"), ("scopes", "another:scope"), ("roles", "")]).await.location();

        let edit = format!("/console/t/acme/clients/{}/edit", acme.client);
        let methods = json!({"tenant": "acme", "policy": {"allowedAuthMethods": ["CLIENT_SECRET_BASIC", "CLIENT_SECRET_JWT"]}});
        world.operator().await.mutation("updateTenant", "tenant { id }", methods).await.data();
        let other = [("name", "billing"), ("authMethod", "CLIENT_SECRET_JWT")];
        let asked = browser.submit(&edit, &edit, &other).await;
        assert_eq!(asked.status, 422, "{}", asked.text());
        asked.shows("This ends every secret that it has, at once");
        let meant: Vec<_> = other.into_iter().chain([("meant", "yes")]).collect();
        browser.submit(&edit, &edit, &meant).await.location();
        assert_eq!(token().await, 401);
    }
}

story! {
    /// What was taken from everybody, and has come back, is given to nobody by a form that was open meanwhile.
    async fn a_grant_is_not_given_back_by_a_form_that_was_open(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let grants = format!("{client}/grants");
        let opened = form(&browser.open(&client).await, &grants, &[("scope", "https://orders.example orders:read")]);
        for scopes in [json!([{"name": "orders:write"}]), json!([{"name": "orders:read"}, {"name": "orders:write"}])] {
            let change = json!({"api": acme.api, "scopes": scopes, "roles": []});
            operator.mutation("updateApi", "api { id }", change).await.data();
        }
        let told = send(&browser, &grants, &opened).await;
        assert_eq!(told.status, 422, "{}", told.text());
        told.shows("Somebody changed this API after you had opened the form");
        let read = async || world.token("acme", &acme.client, &acme.secret).with("scope", "orders:read").send().await.status;
        assert_eq!(read().await, 400);
        // Opened anew it is a decision.
        let opened = form(&browser.open(&client).await, &grants, &[("scope", "https://orders.example orders:read")]);
        send(&browser, &grants, &opened).await.location();
        assert_eq!(read().await, 200);
    }
}

story! {
    /// What a form costs is bounded, whoever sends it: tokens are issued beside it.
    async fn a_form_of_very_many_fields_is_refused(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let new = "/console/t/acme/clients/new";
        let fields = browser.open(new).await.hidden(new);
        let mut fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        fields.extend(std::iter::repeat_n(("a", ""), 4_000));
        let refused = browser.send(new, &fields).await;
        assert_eq!(refused.status, 400);
        refused.shows("more than 4,000 fields");
    }
}
