//! Every operation of the admin API, with everything that it can name, by everybody who may not: the
//! operations and what they can name come from the schema.

mod ask;
mod callers;
mod cases;
mod coverage;
mod escalation;
mod forged;
mod matrix;
mod schema;
mod secrets;
mod subscriptions;
mod target;

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

pub(crate) use self::target::signer as a_signer;
use self::{
    ask::{Reply, bare_request, differences, request, written},
    callers::Caller,
    cases::{Case, PLACES, cases},
    matrix::Verdict,
    schema::Schema,
    secrets::Seen,
    target::Target,
};
use crate::support::{GraphQl, World, keep_log, rows_with, story};

/// How many requests are under way at once.
const AT_ONCE: usize = 8;

/// The schema that the server has.
fn read_schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::read(&chancery_admin_api::sdl()))
}

/// Sends all of these, some at once, and says what came back in the same order.
async fn ask_all(world: &World, node: &str, requests: Vec<(Option<String>, Value)>) -> Vec<Reply> {
    let sent = requests
        .into_iter()
        .map(|(authorization, body)| async move {
            world.ask(node, authorization.as_deref(), &body).await
        });
    stream::iter(sent).buffered(AT_ONCE).collect().await
}

story! {
    /// Whoever has no token that is good at this moment gets the same answer to everything: a
    /// challenge, and nothing else.
    async fn without_a_usable_token_every_operation_is_shut(world: World) {
        let operator = world.operator().await;
        let umbrella = Target::make(&operator, "umbrella").await;
        let headers = callers::unusable(&world, &operator, &umbrella).await;
        let schema = read_schema();
        let before = rows_with(world.store.database(), &["umbrella"]).await;
        let requests: Vec<_> = cases().iter().map(|case| bare_request(schema, case, &(case.arguments)(&umbrella))).collect();
        let cold = world.another_node().await;
        let good = format!("Bearer {}", world.operator().await.token());
        for node in [&world.url, &cold] {
            let reply = world.ask(node, Some(&good), requests.last().unwrap()).await;
            assert!(reply.codes().is_empty(), "the node takes a token that is good: {reply:?}");
        }
        let mut first: Option<Reply> = None;
        for (what, header) in &headers {
            for node in [&world.url, &cold] {
                let sent = requests.iter().map(|body| (header.clone(), body.clone())).collect();
                for (reply, body) in ask_all(&world, node, sent).await.iter().zip(&requests) {
                    let shut = reply.status == 401 && reply.is_only("UNAUTHENTICATED");
                    assert!(shut, "{what}: {body}\n{reply:?}");
                    let challenge = reply.challenge.as_deref().unwrap();
                    assert!(challenge.starts_with("Bearer "), "{challenge}");
                    // To those who sent a token, whatever it was, the answer is one.
                    if challenge.contains("error=") {
                        assert_eq!(first.get_or_insert_with(|| reply.clone()), reply, "{what}");
                    }
                }
            }
        }
        assert_eq!(rows_with(world.store.database(), &["umbrella"]).await, before);
    }
}

story! {
    /// Each scope, in the operators' tenant and in acme, opens what the contract says and nothing
    /// else: in acme, and in umbrella, where what is there and what is not are told apart by nothing.
    async fn every_scope_opens_what_it_is_for_and_nothing_else(world: World) {
        let operator = world.operator().await;
        let acme = Target::make(&operator, "acme").await;
        let umbrella = Target::make(&operator, "umbrella").await;
        let callers = callers::holders(&world, &operator, &acme).await;
        // Or else those who may read a checkpoint have the roll sealed with it.
        for target in [&acme, &umbrella] {
            let id = target.tenant.parse().unwrap();
            world.platform.application.seal_roll(id).await.unwrap();
        }
        let before = complete(&world, &umbrella).await;
        let of_acme = complete(&world, &acme).await;
        let (cases, nodes) = (cases(), [world.another_node().await, world.url.clone()]);
        for node in &nodes {
            let both = cases.iter().flat_map(|case| callers.iter().map(move |caller| (case, caller)));
            let checks = both.map(async |(case, caller)| {
                at_home(&world, node, caller, case, &acme).await;
                elsewhere(&world, node, caller, case, &acme, &umbrella).await;
            });
            stream::iter(checks).buffer_unordered(AT_ONCE).collect::<()>().await;
        }
        assert_eq!(complete(&world, &umbrella).await, before, "umbrella has been touched");
        assert_eq!(complete(&world, &acme).await, of_acme, "acme has been changed by those who may not");
    }
}

/// Everything that the database knows of a tenant, its roll included.
async fn complete(world: &World, target: &Target) -> Vec<String> {
    let rows = rows_with(world.store.database(), &target.marks()).await;
    for table in [
        "events",
        "tenants",
        "apis",
        "clients",
        "client_secrets",
        "key_rings",
        "secret_verifiers",
        "sealed_keys",
        "tenant_log",
    ] {
        assert!(
            rows.iter().any(|row| row.starts_with(table)),
            "nothing of {} in {table}",
            target.slug
        );
    }
    rows
}

fn is_read(case: &Case) -> bool {
    !case.operation.starts_with("Mutation.")
}

/// The operation on what belongs to acme, where the clients outside of `system` are at home.
async fn at_home(world: &World, node: &str, caller: &Caller, case: &Case, acme: &Target) {
    let verdict = caller.holder.verdict(case.needs, !caller.holder.of_system);
    if verdict == Verdict::Passes && !is_read(case) {
        return; // carried out, each in a tenant of its own, by the story below
    }
    let arguments = (case.arguments)(acme);
    let body = match verdict {
        Verdict::Passes => request(read_schema(), case, &arguments),
        _ => bare_request(read_schema(), case, &arguments),
    };
    let reply = world.ask(node, Some(&caller.bearer), &body).await;
    let as_it_should_be = reply.status == 200
        && match verdict {
            Verdict::Passes => reply.codes().is_empty(),
            Verdict::Forbidden => reply.is_only("FORBIDDEN"),
            Verdict::Hidden => hidden(&reply),
        };
    assert!(
        as_it_should_be,
        "{} should be {verdict:?} for {:?}: {reply:?}",
        case.operation, caller.holder
    );
}

/// Of what a caller may not see it is told that it does not exist; of what nobody but the platform's
/// administrators may do, that.
fn hidden(reply: &Reply) -> bool {
    reply.is_only("NOT_FOUND") || reply.is_only("FORBIDDEN")
}

/// The operation with umbrella's things in place of the caller's own: each of them alone, and all.
/// What is umbrella's and what is nobody's get the same answer from those who may not see umbrella.
async fn elsewhere(
    world: &World,
    node: &str,
    caller: &Caller,
    case: &Case,
    acme: &Target,
    umbrella: &Target,
) {
    let nowhere = umbrella.nowhere();
    let samples = [acme, umbrella, &nowhere].map(|target| (case.arguments)(target));
    let [own, foreign, unknown] = &samples;
    let pointers = differences(own, foreign);
    let mut aims: Vec<Vec<&String>> = pointers.iter().map(|pointer| vec![pointer]).collect();
    if pointers.len() > 1 {
        aims.push(pointers.iter().collect());
    }
    let aimed = |values: &Value, aim: &[&String]| {
        let mut arguments = own.clone();
        for pointer in aim {
            *arguments.pointer_mut(pointer).unwrap() = values.pointer(pointer).unwrap().clone();
        }
        // What a place shows has to be looked at; of the rest it is enough that nothing comes.
        if aim.iter().all(|pointer| is_a_place(pointer)) {
            return request(read_schema(), case, &arguments);
        }
        bare_request(read_schema(), case, &arguments)
    };
    let verdict = caller.holder.verdict(case.needs, false);
    for aim in aims {
        let of_one_tenant = aim.len() == pointers.len();
        if aim.iter().all(|pointer| is_a_place(pointer)) && verdict != Verdict::Hidden
            || verdict == Verdict::Passes && (of_one_tenant || is_read(case))
        {
            continue; // this is the caller's to see, or to do
        }
        let body = aimed(foreign, &aim);
        let reply = world.ask(node, Some(&caller.bearer), &body).await;
        let said = format!(
            "{} {} for {:?}: {reply:?}",
            case.operation, body["variables"], caller.holder
        );
        if verdict != Verdict::Hidden {
            // Whoever sees both tenants still cannot use the things of one in the other.
            let refused =
                reply.is_only("FORBIDDEN") || verdict == Verdict::Passes && hidden(&reply);
            assert!(reply.status == 200 && refused, "{said}");
            continue;
        }
        for mark in umbrella.marks() {
            let told = reply.text.contains(mark) && !body.to_string().contains(mark);
            assert!(!told, "{mark} is told to {said}");
        }
        if aim.iter().all(|pointer| is_a_place(pointer)) {
            continue;
        }
        assert!(reply.status == 200 && hidden(&reply), "{said}");
        let of_nobody = world
            .ask(node, Some(&caller.bearer), &aimed(unknown, &aim))
            .await;
        assert_eq!(
            reply.without(umbrella),
            of_nobody.without(&nowhere),
            "{said}"
        );
    }
}

/// Whether it says only where a list is to begin.
fn is_a_place(pointer: &str) -> bool {
    let path = written(pointer);
    let last = path.rsplit('.').next();
    PLACES
        .iter()
        .any(|place| path == *place || last == Some(place))
}

story! {
    /// What is refused above is not refused to everybody: each operation succeeds for the least
    /// scope that is enough for it.
    async fn every_operation_passes_with_the_scope_that_it_needs(world: World) {
        let operator = world.operator().await;
        for (number, case) in cases().iter().enumerate() {
            let target = Target::make(&operator, &format!("tenant-{number}")).await;
            let caller = ready(&world, &operator, case, &target).await;
            let body = request(read_schema(), case, &(case.arguments)(&target));
            let reply = world.ask(&world.url, Some(&caller), &body).await;
            assert!(reply.status == 200 && reply.codes().is_empty(), "{}: {reply:?}", case.operation);
        }
    }
}

/// Brings the target into the state in which the operation succeeds, and makes a caller with the least
/// scope that is enough.
async fn ready(world: &World, operator: &GraphQl<'_>, case: &Case, target: &Target) -> String {
    let caller = callers::least(world, operator, case.needs, target).await;
    for (mutation, input) in &case.before {
        operator
            .mutation(mutation, "replayed", input(target))
            .await
            .data();
    }
    caller
}

story! {
    /// After every mutation that there is, carried out, repeated, refused, and sent with a secret
    /// where an id belongs: no secret, token or private key is in an event, a row, an answer but the
    /// one that shows it, or the log.
    async fn after_every_mutation_no_secret_is_anywhere(world: World) {
        keep_log();
        let operator = world.operator().await;
        let mut seen = Seen::default();
        seen.secret(world.operator["client_secret"].as_str().unwrap());
        seen.secret(operator.token());
        let mutations = cases().into_iter().filter(|case| !is_read(case));
        for (number, case) in mutations.enumerate() {
            let target = Target::make(&operator, &format!("tenant-{number}")).await;
            seen.secret(&target.plaintext);
            let caller = ready(&world, &operator, &case, &target).await;
            seen.secret(&caller);
            let mut arguments = (case.arguments)(&target);
            let named = differences(&arguments, &(case.arguments)(&target.nowhere()));
            arguments["input"]["commandId"] = json!(format!("0b8f5f6e-2f3c-4c5d-9f0e-{number:012}"));
            let mut sent = vec![arguments.clone(), arguments.clone()];
            for pointer in &named {
                let mut misplaced = arguments.clone();
                misplaced["input"]["commandId"].take();
                *misplaced.pointer_mut(pointer).unwrap() = json!(target.plaintext);
                sent.push(misplaced);
            }
            for (index, arguments) in sent.iter().enumerate() {
                let body = request(read_schema(), &case, arguments);
                let reply = world.ask(&world.url, Some(&caller), &body).await;
                // What a suspended or closed tenant's administrator sends again is not even read.
                assert!(index > 0 || reply.codes().is_empty(), "{}: {reply:?}", case.operation);
                assert!(index < 2 || !reply.codes().is_empty(), "{}: {reply:?}", case.operation);
                seen.reply(&reply);
            }
            // The secret at the token endpoint: right, wrong, and where the id belongs.
            let (client, secret) = (&*target.client, &*target.plaintext);
            for (client, secret) in [(client, secret), (client, &secret[..80]), (secret, secret)] {
                let answer = world.token(&target.slug, client, secret).send().await;
                seen.secret(&STANDARD.encode(format!("{client}:{secret}")));
                if let Some(token) = answer.body["access_token"].as_str() {
                    seen.secret(token);
                }
            }
        }
        seen.nothing_came_out(&world).await;
    }
}
