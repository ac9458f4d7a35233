//! The past from the roll: what was shown then is shown again as of then.

use std::collections::BTreeSet;

use chancery_domain::Timestamp;
use proptest::{
    collection::vec,
    prelude::*,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};

use crate::{
    roll_reading::holder,
    support::{GraphQl, World, story},
};

/// Everything that can be seen of a tenant.
const EVERYTHING: &str = "id slug displayName state createdAt issuer head
    policy { accessTokenSeconds refreshTokenSeconds signingAlgorithm allowedAuthMethods requireClientName allowMetadata
             clientLifetimeDays { default min max } secretLifetimeDays maxLiveSecrets rotationOverlapSeconds }
    signingKeys { id algorithm state publicJwk createdAt activatesAt }
    apis(first: 100) { edges { cursor node { id identifier name state builtIn scopes { name description }
        roles { name scopes } accessTokenSeconds signingAlgorithm createdAt tenant { displayName state } } }
        pageInfo { hasNextPage endCursor } }
    clients(first: 100) { edges { node { id name description metadata state authMethod customClaims serves
        expiresAt createdAt grants { api { id identifier name state scopes { name } } scopes roles }
        jwks keys { id } secrets { id label hint state createdAt notBefore expiresAt retiresAt }
        rotation { everySeconds overlapSeconds nextDueAt } tenant { displayName state } } }
        pageInfo { hasNextPage } }";

/// Something that an operator does. The numbers choose among what is there; what a rule forbids changes
/// nothing.
#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    CreateApi(u8),
    ChangeApi(u8, bool),
    RetireApi(u8),
    CreateClient(Option<i64>),
    Describe(u8, String),
    Grant(u8, Vec<(u8, bool)>),
    Disable(u8),
    Enable(u8),
    Delete(u8),
    Rotate(u8, i64),
    Issue(u8, i64, i64),
    Revoke(u8, u8),
    Schedule(u8, bool),
    Rename(String),
    Policy(i64, bool),
    Suspend,
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let which = || 0..4_u8;
    prop_oneof![
        3 => (1..90_i64).prop_map(Wait),
        2 => which().prop_map(CreateApi),
        2 => (which(), any::<bool>()).prop_map(|(api, all)| ChangeApi(api, all)),
        1 => which().prop_map(RetireApi),
        3 => proptest::option::of(60..200_i64).prop_map(CreateClient),
        1 => (which(), "[a-z ]{1,9}").prop_map(|(client, text)| Describe(client, text)),
        3 => (which(), vec((which(), any::<bool>()), 0..3)).prop_map(|(client, grants)| Grant(client, grants)),
        1 => which().prop_map(Disable),
        2 => which().prop_map(Enable),
        1 => which().prop_map(Delete),
        3 => (which(), 0..120_i64).prop_map(|(client, overlap)| Rotate(client, overlap)),
        2 => (which(), 0..90_i64, 1..200_i64).prop_map(|(client, begin, life)| Issue(client, begin, life)),
        2 => (which(), which()).prop_map(|(client, secret)| Revoke(client, secret)),
        1 => (which(), any::<bool>()).prop_map(|(client, on)| Schedule(client, on)),
        1 => "[A-Z][a-z]{1,9}".prop_map(Rename),
        2 => (60..3_600_i64, any::<bool>()).prop_map(|(seconds, allowed)| Policy(seconds, allowed)),
        1 => Just(Suspend),
        2 => Just(Resume),
    ]
}

/// One tenant, and everything that was ever given out in it.
struct Office<'a> {
    world: &'a World,
    operator: GraphQl<'a>,
    slug: String,
    apis: Vec<(String, String)>,
    clients: Vec<String>,
    /// Secrets by client, with their ids.
    secrets: Vec<(String, String, String)>,
}

impl<'a> Office<'a> {
    async fn open(world: &'a World, slug: String) -> Self {
        let operator = world.operator().await;
        let input = json!({"slug": slug, "displayName": "Acme", "policy": {"maxLiveSecrets": 5}});
        operator
            .mutation("createTenant", "replayed", input)
            .await
            .data();
        Self {
            world,
            operator,
            slug,
            apis: Vec::new(),
            clients: Vec::new(),
            secrets: Vec::new(),
        }
    }

    fn later(&self, seconds: i64) -> String {
        self.world.now().plus_seconds(seconds).to_string()
    }

    fn client(&self, number: u8) -> Option<&String> {
        self.clients
            .get(usize::from(number) % self.clients.len().max(1))
    }

    fn api(&self, number: u8) -> Option<&(String, String)> {
        self.apis.get(usize::from(number) % self.apis.len().max(1))
    }

    /// The mutation, unless there is nothing for it to be about.
    #[expect(clippy::too_many_lines, reason = "a table: one entry for each step")]
    fn input(&self, step: &Step) -> Option<(&'static str, &'static str, Value)> {
        let slug = &self.slug;
        let client = |number: &u8| self.client(*number);
        let scopes = |number: u8, all: bool| {
            let mut scopes = vec![
                json!({"name": format!("a{number}:read"), "description": if all { "read" } else { "look" }}),
            ];
            scopes.extend(all.then(|| json!({"name": format!("a{number}:write")})));
            (
                scopes,
                json!([{"name": "clerk", "scopes": [format!("a{number}:read")]}]),
            )
        };
        Some(match step {
            Step::Wait(_) => return None,
            Step::CreateApi(number) => {
                let (scopes, roles) = scopes(*number, true);
                let identifier = format!("https://a{number}.example");
                (
                    "createApi",
                    "api { id identifier }",
                    json!({"tenant": slug, "identifier": identifier, "name": "Api", "scopes": scopes, "roles": roles}),
                )
            }
            Step::ChangeApi(number, all) => {
                let (id, identifier) = self.api(*number)?;
                let (scopes, roles) = scopes(identifier.as_bytes()[9] - b'0', *all);
                (
                    "updateApi",
                    "replayed",
                    json!({"api": id, "name": if *all { "All" } else { "Some" }, "scopes": scopes, "roles": roles}),
                )
            }
            Step::RetireApi(number) => (
                "retireApi",
                "replayed",
                json!({"api": self.api(*number)?.0}),
            ),
            Step::CreateClient(life) => {
                let expires = life.map(|life| self.later(life));
                let grants: Vec<_> = self.apis.iter().take(1).map(|(_, identifier)| json!({"api": identifier, "scopes": [format!("a{}:read", &identifier[9..10])]})).collect();
                (
                    "createClient",
                    "client { id } secret { id plaintext }",
                    json!({"tenant": slug, "name": "c", "expiresAt": expires, "grants": grants, "metadata": {"n": self.clients.len()}}),
                )
            }
            Step::Describe(number, text) => (
                "updateClient",
                "replayed",
                json!({"client": client(number)?, "description": text}),
            ),
            Step::Grant(number, grants) => {
                let grants = grants.iter().filter_map(|(api, all)| {
                    let (_, identifier) = self.api(*api)?;
                    let number = &identifier[9..10];
                    let scopes = if *all {
                        vec![format!("a{number}:read"), format!("a{number}:write")]
                    } else {
                        vec![]
                    };
                    Some(json!({"api": identifier, "scopes": scopes, "roles": ["clerk"]}))
                });
                (
                    "updateClient",
                    "replayed",
                    json!({"client": client(number)?, "grants": grants.collect::<Vec<_>>()}),
                )
            }
            Step::Disable(number) => (
                "disableClient",
                "replayed",
                json!({"client": client(number)?, "reason": "r"}),
            ),
            Step::Enable(number) => (
                "enableClient",
                "replayed",
                json!({"client": client(number)?}),
            ),
            Step::Delete(number) => (
                "deleteClient",
                "replayed",
                json!({"client": client(number)?, "reason": "r"}),
            ),
            Step::Rotate(number, overlap) => (
                "rotateClientSecret",
                "client { id } secret { id plaintext }",
                json!({"client": client(number)?, "overlapSeconds": overlap}),
            ),
            Step::Issue(number, begin, life) => {
                let input = json!({"client": client(number)?, "label": "l", "notBefore": self.later(*begin), "expiresAt": self.later(begin + life)});
                (
                    "issueClientSecret",
                    "client { id } secret { id plaintext }",
                    input,
                )
            }
            Step::Revoke(number, secret) => {
                let client = client(number)?;
                let of: Vec<_> = self
                    .secrets
                    .iter()
                    .filter(|(of, _, _)| of == client)
                    .collect();
                let (_, secret, _) = of.get(usize::from(*secret) % of.len().max(1))?;
                (
                    "revokeClientSecret",
                    "replayed",
                    json!({"client": client, "secret": secret, "reason": "r"}),
                )
            }
            Step::Schedule(number, on) => {
                let every = on.then_some(7_200);
                (
                    "scheduleSecretRotation",
                    "replayed",
                    json!({"client": client(number)?, "everySeconds": every}),
                )
            }
            Step::Rename(name) => (
                "updateTenant",
                "replayed",
                json!({"tenant": slug, "displayName": name}),
            ),
            Step::Policy(seconds, allowed) => {
                let mut methods = vec!["PRIVATE_KEY_JWT"];
                methods.extend(allowed.then_some("CLIENT_SECRET_BASIC"));
                (
                    "updateTenant",
                    "replayed",
                    json!({"tenant": slug, "policy": {"accessTokenSeconds": seconds, "allowedAuthMethods": methods}}),
                )
            }
            Step::Suspend => (
                "suspendTenant",
                "replayed",
                json!({"tenant": slug, "reason": "r"}),
            ),
            Step::Resume => ("resumeTenant", "replayed", json!({"tenant": slug})),
        })
    }

    async fn take(&mut self, step: &Step) {
        if let Step::Wait(seconds) = step {
            self.world.clock.advance(*seconds);
        }
        let Some((mutation, fields, input)) = self.input(step) else {
            return;
        };
        let answer = self.operator.mutation(mutation, fields, input).await;
        if answer.body.get("errors").is_some() {
            assert!(
                ["REFUSED", "INVALID_INPUT"].contains(&answer.code()),
                "{:#}",
                answer.body
            );
            return;
        }
        let data = answer.data();
        let text = |pointer: &str| {
            data.pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        if let Some(api) = text("/api/id") {
            self.apis.push((api, text("/api/identifier").unwrap()));
        }
        if let Some(plaintext) = text("/secret/plaintext") {
            let client = text("/client/id").unwrap();
            if !self.clients.contains(&client) {
                self.clients.push(client.clone());
            }
            self.secrets
                .push((client, text("/secret/id").unwrap(), plaintext));
        }
    }

    /// What the tenant is, as of then or now.
    async fn tenant(&self, as_of: Option<Timestamp>) -> Value {
        let as_of = as_of.map_or(String::new(), |at| format!(", asOf: \"{at}\""));
        let query = format!(
            "{{ tenant(slug: \"{}\"{as_of}) {{ {EVERYTHING} }} }}",
            self.slug
        );
        self.operator.query("tenant", &query).await.data()
    }

    /// What each client gets from the token endpoint: the scopes, or nothing; and with which secrets.
    async fn tokens(&self) -> Vec<(Option<BTreeSet<String>>, BTreeSet<String>)> {
        let mut tokens = Vec::new();
        for client in &self.clients {
            let (mut scopes, mut accepted) = (None, BTreeSet::new());
            for (of, id, secret) in &self.secrets {
                if of == client {
                    let answer = self.world.token(&self.slug, client, secret).send().await;
                    if answer.status == 200 {
                        let granted = answer.claims()["scopes"].as_array().unwrap().clone();
                        scopes = Some(
                            granted
                                .iter()
                                .map(|scope| scope.as_str().unwrap().to_owned())
                                .collect(),
                        );
                        accepted.insert(id.clone());
                    }
                }
            }
            tokens.push((scopes, accepted));
        }
        tokens
    }
}

const ACCESS: &str = "query ($client: ID!, $at: DateTime!) { accessAt(client: $client, at: $at) {
    at couldGetToken obstacles { obstacle since { tenantSeq from } }
    tenantSince { tenantSeq } clientSince { tenantSeq eventId recordedAt from }
    apis { api { identifier } since { tenantSeq } scopes { name since { tenantSeq eventId } } roles { name } }
    credentials { id retiring since { tenantSeq } } client { state } tenant { state } tenantSeq } }";

fn names<'a>(list: impl IntoIterator<Item = &'a Value>, member: &str) -> BTreeSet<String> {
    list.into_iter()
        .map(|each| each[member].as_str().unwrap().to_owned())
        .collect()
}

story! {
    /// Random histories. After each step it is written down what the tenant looks like and what each
    /// client gets from the token endpoint; in the end each of these is asked for as of then.
    async fn the_past_is_what_was_seen_and_done_then(world: World) {
        let mut runner = TestRunner::deterministic();
        let mut seen_tokens = 0;
        for round in 0..4 {
            let steps = vec(step(), 30).new_tree(&mut runner).unwrap().current();
            let mut office = Office::open(&world, format!("past-{round}")).await;
            office.take(&Step::CreateApi(0)).await;
            office.take(&Step::CreateClient(None)).await;
            let mut seen = Vec::new();
            for step in &steps {
                office.take(step).await;
                seen.push((world.now(), office.tenant(None).await, office.tokens().await));
                world.clock.advance(1);
            }
            for (at, then, tokens) in &seen {
                assert_eq!(office.tenant(Some(*at)).await, *then, "as of {at}: {steps:#?}");
                for (client, (scopes, accepted)) in office.clients.iter().zip(tokens) {
                    let variables = json!({"client": client, "at": at.to_string()});
                    let access = office.operator.send("accessAt", ACCESS, variables).await.data();
                    let said = format!("{client} at {at}: {access:#}\n{steps:#?}");
                    assert_eq!(access["couldGetToken"], scopes.is_some(), "{said}");
                    let could = access["apis"].as_array().unwrap().iter().flat_map(|api| api["scopes"].as_array().unwrap());
                    if let Some(scopes) = scopes {
                        seen_tokens += 1;
                        assert_eq!(names(could, "name"), *scopes, "{said}");
                        assert_eq!(names(access["credentials"].as_array().unwrap(), "id"), *accepted, "{said}");
                    }
                }
            }
        }
        assert!(seen_tokens > 20, "only {seen_tokens} tokens: these histories show little");
    }
}

story! {
    async fn lists_of_the_past_have_pages_and_nothing_later(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        for number in 0..4 {
            let input = json!({"tenant": "acme", "name": format!("client {number}")});
            operator.mutation("createClient", "replayed", input).await.data();
        }
        let then = world.now().to_string();
        world.clock.advance(60);
        operator.mutation("deleteClient", "replayed", json!({"client": acme.client, "reason": "gone"})).await.data();
        operator.mutation("createClient", "replayed", json!({"tenant": "acme", "name": "later"})).await.data();
        let auditor = holder(&world, "acme", &["audit:read"]).await;
        let (mut names, mut after) = (Vec::new(), Value::Null);
        loop {
            let query = "query ($asOf: DateTime, $after: String) { tenant(slug: \"acme\", asOf: $asOf) {
                clients(first: 2, after: $after) { edges { cursor node { name state } } pageInfo { hasNextPage endCursor } } } }";
            let page = auditor.send("tenant", query, json!({"asOf": then, "after": after})).await.data();
            for edge in page["clients"]["edges"].as_array().unwrap() {
                assert_eq!(edge["node"]["state"], "ACTIVE");
                names.push(edge["node"]["name"].as_str().unwrap().to_owned());
            }
            after = page["clients"]["pageInfo"]["endCursor"].clone();
            if page["clients"]["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        names.sort_unstable();
        assert_eq!(names, ["billing", "client 0", "client 1", "client 2", "client 3"]);
        let query = format!("{{ client(id: \"{}\", asOf: \"{then}\") {{ state tenant {{ slug }} }} }}", acme.client);
        assert_eq!(auditor.query("client", &query).await.data(), json!({"state": "ACTIVE", "tenant": {"slug": "acme"}}));
    }
}

story! {
    async fn a_moment_that_was_not_or_is_not_yet_is_told(world: World) {
        let before = world.now().plus_seconds(-1).to_string();
        let start = world.now().to_string();
        let acme = world.acme().await;
        world.clock.advance(60);
        let operator = world.operator().await;
        let late = operator.mutation("createClient", "client { id }", json!({"tenant": "acme", "name": "late"})).await.data();
        let late = late["client"]["id"].as_str().unwrap();
        let future = world.now().plus_seconds(1).to_string();
        let began = "its first entry was recorded at 2026-09-21T14:13:20.000000Z";
        for (field, query, code, sentence) in [
            ("tenant", format!("{{ tenant(slug: \"acme\", asOf: \"{before}\") {{ id }} }}"), "NOT_FOUND", format!("there was no such tenant at that moment; {began}")),
            ("client", format!("{{ client(id: \"{}\", asOf: \"{before}\") {{ id }} }}", acme.client), "NOT_FOUND", format!("there was no such client at that moment; {began}")),
            ("client", format!("{{ client(id: \"{late}\", asOf: \"{start}\") {{ id }} }}"), "NOT_FOUND", "there was no such client at that moment; its first entry was recorded at 2026-09-21T14:14:20.000000Z".to_owned()),
            ("accessAt", format!("{{ accessAt(client: \"{late}\", at: \"{start}\") {{ at }} }}"), "NOT_FOUND", "there was no such client at that moment; its first entry was recorded at 2026-09-21T14:14:20.000000Z".to_owned()),
            ("tenant", format!("{{ tenant(slug: \"acme\", asOf: \"{future}\") {{ id }} }}"), "INVALID_INPUT", "`asOf` must not lie in the future: the roll tells what has happened".to_owned()),
            ("accessAt", format!("{{ accessAt(client: \"{late}\", at: \"{future}\") {{ at }} }}"), "INVALID_INPUT", "`at` must not lie in the future: the roll tells what has happened".to_owned()),
            ("tenant", "{ tenant(slug: \"acme\", asOf: \"yesterday\") { id } }".to_owned(), "INVALID_INPUT", "`asOf` must be a moment by RFC 3339 from 1970 on, like 2026-11-20T17:00:00Z".to_owned()),
        ] {
            let answer = operator.query(field, &query).await;
            assert_eq!((answer.code(), &answer.body["data"][field]), (code, &Value::Null), "{query}");
            assert_eq!(answer.body["errors"][0]["message"], sentence, "{query}");
        }
        // Whoever reads a tenant and not its roll sees the present alone.
        let reader = holder(&world, "acme", &["tenant:read"]).await;
        let query = format!("{{ tenant(slug: \"acme\", asOf: \"{start}\") {{ id }} }}");
        assert_eq!(reader.query("tenant", &query).await.code(), "FORBIDDEN");
        assert_eq!(reader.query("tenant", "{ tenant(slug: \"acme\") { slug } }").await.data()["slug"], "acme");
    }
}

story! {
    async fn an_auditor_learns_what_a_client_could_do_and_since_which_entry(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        world.clock.advance(60);
        let granted = world.now().to_string();
        let grants = json!([{"api": "https://orders.example", "scopes": ["orders:read"]}]);
        operator.mutation("updateClient", "replayed", json!({"client": acme.client, "grants": grants})).await.data();
        world.clock.advance(60);
        operator.mutation("disableClient", "replayed", json!({"client": acme.client, "reason": "leak"})).await.data();
        let auditor = holder(&world, "acme", &["audit:read"]).await;
        let events = auditor.query("events", &format!("{{ events(tenant: \"acme\", first: 100, filter: {{aggregateId: \"{}\"}}) {{ edges {{ node {{ id type tenantSeq }} }} }} }}", acme.client)).await.data();
        let entry = |kind: &str| {
            let mut nodes = events["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]);
            nodes.rfind(|node| node["type"] == kind).unwrap().clone()
        };
        let ask = async |at: &str| {
            auditor.send("accessAt", ACCESS, json!({"client": acme.client, "at": at})).await.data()
        };
        let then = ask(&granted).await;
        assert_eq!((&then["couldGetToken"], &then["obstacles"]), (&json!(true), &json!([])));
        assert_eq!(names(then["apis"][0]["scopes"].as_array().unwrap(), "name"), ["orders:read".to_owned()].into());
        assert_eq!(then["credentials"][0]["id"], acme.secret_id.as_str());
        assert_eq!(then["clientSince"]["eventId"], entry("ClientCreated")["id"]);
        assert_eq!(then["tenantSeq"], entry("ClientGranted")["tenantSeq"]);
        let now = ask(&world.now().to_string()).await;
        let disabled = entry("ClientDisabled");
        assert_eq!(now["couldGetToken"], false);
        assert_eq!(now["obstacles"][0]["obstacle"], "CLIENT_DISABLED");
        assert_eq!(now["obstacles"][0]["since"]["tenantSeq"], disabled["tenantSeq"]);
        assert_eq!(now["clientSince"]["eventId"], disabled["id"]);
        assert_eq!((&now["client"]["state"], &then["client"]["state"]), (&json!("DISABLED"), &json!("ACTIVE")));
    }
}
