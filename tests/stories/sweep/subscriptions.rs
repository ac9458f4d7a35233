//! Every subscription of the schema, by everybody who may not: the same as for what is asked over HTTP,
//! over a WebSocket.

use serde_json::{Value, json};

use super::{
    ask::bare_request,
    callers,
    cases::{Case, followed},
    matrix::Verdict,
    read_schema,
    target::Target,
};
use crate::support::{Socket, World, story};

/// What came first: an entry, or the code of the refusal.
async fn first(node: &str, bearer: &str, case: &Case, arguments: &Value) -> Result<Value, String> {
    let token = bearer.trim_start_matches("Bearer ");
    let mut socket = Socket::with_token(node, token).await;
    let body = bare_request(read_schema(), case, arguments);
    let query = body["query"].as_str().unwrap();
    socket
        .subscribe("1", query, body["variables"].clone())
        .await;
    let message = socket.next().await;
    match message.pointer("/payload/errors/0/extensions/code") {
        None => Ok(message),
        Some(code) => {
            assert_eq!(socket.next().await["type"], "complete", "{message:#}");
            Err(code.as_str().unwrap().to_owned())
        }
    }
}

story! {
    /// Whoever has no token that is good at this moment gets no connection, so no subscription either.
    async fn without_a_usable_token_nobody_is_connected(world: World) {
        let operator = world.operator().await;
        let umbrella = Target::make(&operator, "umbrella").await;
        let headers = callers::unusable(&world, &operator, &umbrella).await;
        let cold = world.another_node().await;
        for (what, header) in &headers {
            for node in [&world.url, &cold] {
                let mut socket = Socket::open(node).await;
                let payload = header.as_ref().map_or(json!({}), |header| json!({"authorization": header}));
                socket.send(&json!({"type": "connection_init", "payload": payload})).await;
                assert_eq!(socket.closed().await.0, 4403, "{what}");
            }
        }
    }
}

story! {
    /// Each scope, in the operators' tenant and in acme, follows what the contract says and nothing
    /// else: in acme, in umbrella, and where there is nothing.
    async fn every_scope_follows_what_it_is_for_and_nothing_else(world: World) {
        let operator = world.operator().await;
        let acme = Target::make(&operator, "acme").await;
        let umbrella = Target::make(&operator, "umbrella").await;
        let nowhere = umbrella.nowhere();
        let callers = callers::holders(&world, &operator, &acme).await;
        let cold = world.another_node().await;
        for case in followed() {
            for caller in &callers {
                for (target, own) in [(&acme, !caller.holder.of_system), (&umbrella, false)] {
                    let node = if own { &world.url } else { &cold };
                    let said = format!("{} of {} for {:?}", case.operation, target.slug, caller.holder);
                    let came = first(node, &caller.bearer, &case, &(case.arguments)(target)).await;
                    match caller.holder.verdict(case.needs, own) {
                        Verdict::Passes => {
                            let came = came.unwrap_or_else(|code| panic!("{said}: {code}"));
                            assert_eq!(came["type"], "next", "{said}: {came:#}");
                        }
                        Verdict::Forbidden => assert_eq!(came, Err("FORBIDDEN".to_owned()), "{said}"),
                        Verdict::Hidden => assert_eq!(came, Err("NOT_FOUND".to_owned()), "{said}"),
                    }
                }
                let came = first(&world.url, &caller.bearer, &case, &(case.arguments)(&nowhere)).await;
                assert_eq!(came, Err("NOT_FOUND".to_owned()), "{} of nothing for {:?}", case.operation, caller.holder);
            }
        }
    }
}
