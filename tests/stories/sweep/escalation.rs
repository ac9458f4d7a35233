//! Nobody comes to more than they have: every mutation on every client, by everybody who may mutate.

use std::collections::BTreeSet;

use chancery_domain::access::AdminScope;
use serde_json::{Value, json};

use super::{
    ask::{bare_request, differences, written},
    callers::{admin, bearer},
    cases::{Case, cases},
    is_read, read_schema,
    target::{Target, signer},
};
use crate::support::{GraphQl, World, story};

type Scopes = BTreeSet<AdminScope>;

/// Everything that comes with these in a tenant, as the contract has it. In `system` `audit:read` is of every
/// tenant, which comes with what reads every tenant and not with what administers one.
fn closure(slug: &str, scopes: &Scopes) -> Scopes {
    let mut all = scopes.clone();
    if all.contains(&AdminScope::PlatformAdmin) {
        all.extend(AdminScope::ALL);
    }
    if all.contains(&AdminScope::TenantAdmin) {
        all.insert(AdminScope::TenantRead);
    }
    let auditor = if slug == "system" {
        AdminScope::PlatformRead
    } else {
        AdminScope::TenantAdmin
    };
    if all.contains(&auditor) {
        all.insert(AdminScope::AuditRead);
    }
    all
}

fn subsets(of: &[AdminScope]) -> Vec<Scopes> {
    let chosen = |bits: usize| {
        let scopes = of.iter().enumerate();
        scopes
            .filter(|(index, _)| bits >> index & 1 == 1)
            .map(|(_, scope)| *scope)
            .collect()
    };
    (0..1 << of.len()).map(chosen).collect()
}

fn names(scopes: &Scopes) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.as_str()).collect()
}

/// The mutations that name a client: those that change it or issue its credentials.
fn on_clients() -> Vec<Case> {
    let (one, other) = (Target::named("one"), Target::named("other"));
    let names_a_client = |case: &Case| {
        let differ = differences(&(case.arguments)(&one), &(case.arguments)(&other));
        differ
            .iter()
            .any(|pointer| written(pointer) == "input.client")
    };
    cases()
        .into_iter()
        .filter(|case| !is_read(case) && names_a_client(case))
        .collect()
}

/// The target with clients that hold these scopes in the place of its own.
async fn holding(operator: &GraphQl<'_>, target: &Target, scopes: &Scopes) -> Target {
    let made = admin(operator, &target.slug, "touched", &names(scopes)).await;
    let grants = json!([{"api": "urn:chancery:admin", "scopes": names(scopes)}]);
    let (signer, key) = signer(operator, &target.slug, &grants).await;
    Target {
        client: made.client,
        secret: made.secret,
        signer,
        key,
        ..target.clone()
    }
}

struct Attempt<'a> {
    world: &'a World,
    slug: &'a str,
    held: &'a Scopes,
    bearer: &'a str,
}

impl Attempt<'_> {
    /// What the rule is, and whether it was kept.
    async fn of(&self, case: &Case, arguments: &Value, touched: &Scopes) {
        let body = bare_request(read_schema(), case, arguments);
        let reply = self
            .world
            .ask(&self.world.url, Some(self.bearer), &body)
            .await;
        let refused = reply.is_only("REFUSED") && reply.text.contains("\"EXCEEDS_CALLER\"");
        let allowed = closure(self.slug, touched).is_subset(&closure(self.slug, self.held));
        let kept = if allowed {
            reply.codes().is_empty()
        } else {
            refused
        };
        assert!(
            kept,
            "{:?} of {} does {} to {touched:?}: {reply:?}",
            self.held, self.slug, case.operation
        );
    }
}

story! {
    /// Whoever may mutate, with every set of scopes that allows it: no mutation that there is touches
    /// a client that holds more, none grants more, and what is granted is what is asked for.
    async fn no_mutation_reaches_beyond_the_callers_own_scopes(world: World) {
        use AdminScope as S;
        let operator = world.operator().await;
        let acme = Target::make(&operator, "acme").await;
        let api = json!({"tenant": "system", "identifier": acme.identifier, "scopes": [{"name": "read"}]});
        operator.mutation("createApi", "replayed", api).await.data();
        let system = Target { slug: "system".to_owned(), ..acme.clone() };
        let of_tenant = [S::TenantAdmin, S::TenantRead, S::AuditRead];
        for (target, all, callers) in [
            (&acme, &of_tenant[..], vec![Scopes::from([S::TenantAdmin])]),
            (&system, S::ALL, vec![
                Scopes::from([S::TenantAdmin]),
                Scopes::from([S::PlatformRead, S::TenantAdmin]),
            ]),
        ] {
            let mut clients = Vec::new();
            for scopes in subsets(all).into_iter().filter(|scopes| !scopes.is_empty()) {
                let client = holding(&operator, target, &scopes).await;
                clients.push((scopes, client));
            }
            for held in &callers {
                let caller = admin(&operator, &target.slug, "caller", &names(held)).await;
                let bearer = bearer(&world, &target.slug, &caller).await;
                let attempt = Attempt { world: &world, slug: &target.slug, held, bearer: &bearer };
                for (scopes, client) in &clients {
                    if closure(&target.slug, scopes).is_subset(&closure(&target.slug, held)) {
                        continue; // its caller may; the other stories carry it out
                    }
                    for case in on_clients() {
                        let mut aim = client.clone();
                        if !case.before.is_empty() {
                            aim = holding(&operator, target, scopes).await;
                            for (mutation, input) in &case.before {
                                operator.mutation(mutation, "replayed", input(&aim)).await.data();
                            }
                        }
                        attempt.of(&case, &(case.arguments)(&aim), scopes).await;
                    }
                }
                grants(&attempt, &operator, &subsets(all)).await;
            }
        }
    }
}

/// Creates clients with every set of grants, and gives a client every set of grants.
async fn grants(attempt: &Attempt<'_>, operator: &GraphQl<'_>, all: &[Scopes]) {
    let find = |operation: &str| {
        cases()
            .into_iter()
            .find(|case| case.operation == operation)
            .unwrap()
    };
    let (create, update) = (find("Mutation.createClient"), find("Mutation.updateClient"));
    for asked in all.iter().filter(|asked| !asked.is_empty()) {
        let grants = json!([{"api": "urn:chancery:admin", "scopes": names(asked)}]);
        let input = json!({"tenant": attempt.slug, "name": "made", "grants": grants});
        attempt.of(&create, &json!({"input": input}), asked).await;
        let harmless = admin(operator, attempt.slug, "harmless", &["tenant:read"]).await;
        let input = json!({"client": harmless.client, "grants": grants});
        attempt.of(&update, &json!({"input": input}), asked).await;
    }
}

story! {
    /// An administrator who does whatever it may, with every credential that it comes by, never holds
    /// one that may more than it did at first.
    async fn no_sequence_of_mutations_leads_upwards(world: World) {
        let operator = world.operator().await;
        let target = Target::make(&operator, "acme").await;
        let (held, all) = (Scopes::from([AdminScope::TenantAdmin]), subsets(AdminScope::ALL));
        let system = subsets(&[AdminScope::TenantAdmin, AdminScope::PlatformRead]);
        let first = admin(&operator, "system", "first", &names(&held)).await;
        let mut chance = Chance(0x5eed);
        let mut credentials = vec![(first.client.clone(), first.plaintext.clone())];
        let mut known = vec![first.client.clone(), world.operator["client_id"].as_str().unwrap().to_owned()];
        for scopes in system.iter().filter(|scopes| !scopes.is_empty()) {
            known.push(admin(&operator, "system", "there before", &names(scopes)).await.client);
        }
        for _ in 0..60 {
            let (client, secret) = chance.of(&credentials).clone();
            let token = world.token("system", &client, &secret).with("audience", "urn:chancery:admin").send().await;
            let Some(token) = token.body["access_token"].as_str() else { continue };
            let caller = GraphQl::new(&world, token.to_owned());
            let (aim, grants) = (chance.of(&known).clone(), chance.of(&all).clone());
            let grants = json!([{"api": "urn:chancery:admin", "scopes": names(&grants)}]);
            let (verb, input) = match chance.below(6) {
                0 => ("createClient", json!({"tenant": "system", "name": "made", "grants": grants})),
                1 => ("updateClient", json!({"client": aim, "grants": grants})),
                2 => ("rotateClientSecret", json!({"client": aim})),
                3 => ("issueClientSecret", json!({"client": aim})),
                4 => ("createClient", json!({"tenant": "acme", "name": "abroad", "grants": grants})),
                _ => ("enableClient", json!({"client": aim})),
            };
            let fields = if verb == "enableClient" || verb == "updateClient" { "client { id }" } else { "client { id } secret { plaintext }" };
            let answer = caller.mutation(verb, fields, input).await;
            let made = answer.body.pointer(&format!("/data/{verb}")).cloned().unwrap_or_default();
            if let Some(id) = made.pointer("/client/id").and_then(Value::as_str) {
                known.push(id.to_owned());
                if let Some(plaintext) = made.pointer("/secret/plaintext").and_then(Value::as_str) {
                    credentials.push((id.to_owned(), plaintext.to_owned()));
                }
            }
            for (client, _) in &credentials {
                let query = format!("{{ client(id: \"{client}\") {{ tenant {{ slug }} grants {{ api {{ builtIn }} scopes }} }} }}");
                let found = operator.query("client", &query).await.data();
                assert_eq!(found["tenant"]["slug"], "system", "a credential of another tenant: {found:#}");
                let scopes: Scopes = AdminScope::ALL.iter().copied().filter(|scope| found.to_string().contains(scope.as_str())).collect();
                assert!(closure("system", &scopes).is_subset(&closure("system", &held)), "{verb} led to {scopes:?}");
            }
        }
        assert!(credentials.len() > 3, "it did come by credentials");
        assert_eq!(operator.query("client", &format!("{{ client(id: \"{}\") {{ id }} }}", target.client)).await.data()["id"], target.client);
    }
}

/// The same choices in every run (a multiplicative generator).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let index = self.below(among.len());
        &among[index]
    }
}
