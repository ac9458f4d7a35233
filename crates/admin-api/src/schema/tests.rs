use std::path::Path;

use async_graphql::{Request, Variables};
use serde_json::{Value, json};

use super::*;
use crate::document;

/// The answer without a session: what gets as far as a resolver fails there.
async fn asked(query: &str, variables: Value) -> Value {
    let variables = Variables::from_json(variables);
    let response = match document::prepare(query, None, &variables) {
        Ok(document) => {
            let mut request = Request::new(query).variables(variables);
            request.set_parsed_query(document);
            build().execute(request).await
        }
        Err(error) => async_graphql::Response::from_errors(vec![*error]),
    };
    serde_json::to_value(response).unwrap()
}

async fn message(query: &str) -> String {
    let answer = asked(query, json!({})).await;
    answer["errors"][0]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

const CLIENT: &str = "client_01h455vb4pex5vsknk084sn02q";

/// What the resolver itself says when there is no session: the limits let the query pass.
const PASSED: &str = "something went wrong inside the server";

#[test]
fn generated_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/admin.graphql");
    let generated = sdl();
    if std::env::var_os("CHANCERY_BLESS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "schema/admin.graphql is not what the code says; run this test with CHANCERY_BLESS=1"
    );
}

#[test]
fn the_generated_schema_is_one() {
    async_graphql::parser::parse_schema(sdl()).unwrap();
}

/// The introspection query that tools send, which nests types nine deep.
const INTROSPECTION: &str = "query IntrospectionQuery {
  __schema { description queryType { name kind } mutationType { name kind } subscriptionType { name kind }
    types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL isOneOf
  fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
  inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType {
  kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

async fn introspected() -> Vec<Value> {
    let answer = asked(INTROSPECTION, json!({})).await;
    assert_eq!(answer.get("errors"), None);
    let types = answer["data"]["__schema"]["types"].as_array().unwrap();
    types
        .iter()
        .filter(|each| !each["name"].as_str().unwrap().starts_with("__"))
        .cloned()
        .collect()
}

#[tokio::test]
async fn everything_in_the_schema_is_described() {
    fn undescribed(found: &mut Vec<String>, path: &str, thing: &Value) {
        let path = format!("{path}{}", thing["name"].as_str().unwrap());
        if thing["description"].as_str().is_none_or(str::is_empty) {
            found.push(path.clone());
        }
        for members in ["fields", "inputFields", "enumValues", "args"] {
            for member in thing[members].as_array().into_iter().flatten() {
                undescribed(found, &format!("{path}."), member);
            }
        }
    }
    let mut found = Vec::new();
    for each in introspected().await {
        if each["name"] == "ID" {
            continue; // GraphQL's own, and the library says nothing of it
        }
        undescribed(&mut found, "", &each);
    }
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn every_mutation_takes_one_input_with_a_command_id_and_says_whether_it_is_a_replay() {
    let types = introspected().await;
    let named = |name: &Value| types.iter().find(|each| each["name"] == *name).unwrap();
    let has = |members: &Value, name: &str| {
        members
            .as_array()
            .unwrap()
            .iter()
            .any(|member| member["name"] == name)
    };
    for mutation in named(&json!("Mutation"))["fields"].as_array().unwrap() {
        let args = mutation["args"].as_array().unwrap();
        assert_eq!(
            (args.len(), &args[0]["name"]),
            (1, &json!("input")),
            "{}",
            mutation["name"]
        );
        let input = named(&args[0]["type"]["ofType"]["name"]);
        assert!(
            has(&input["inputFields"], "commandId"),
            "{}",
            mutation["name"]
        );
        let payload = named(&mutation["type"]["ofType"]["name"]);
        assert!(has(&payload["fields"], "replayed"), "{}", mutation["name"]);
    }
}

#[tokio::test]
async fn depth_is_limited_before_anything_runs() {
    let nested = |levels: usize| {
        let (open, close) = (
            "tenant { clients(first: 1) { edges { node { ".repeat(levels),
            "} } } }".repeat(levels),
        );
        format!("{{ client(id: \"{CLIENT}\") {{ {open} id {close} }} }}")
    };
    assert_eq!(message(&nested(3)).await, PASSED);
    assert_eq!(message(&nested(4)).await, "Query is nested too deep.");
}

#[tokio::test]
async fn complexity_is_limited_before_anything_runs_and_counts_lists() {
    let clients = |tenants: u32, clients: u32| {
        format!(
            "{{ tenants(first: {tenants}) {{ edges {{ node {{ clients(first: {clients}) {{ edges {{ cursor node {{
                id name secrets {{ id state }} grants {{ api {{ identifier }} scopes }} }} }} }} }} }} }} }}"
        )
    };
    assert_eq!(message(&clients(1, 1_000)).await, PASSED);
    assert_eq!(message(&clients(100, 1_000)).await, "Query is too complex.");
    assert_eq!(
        message(&clients(2_147_483_647, 2_147_483_647)).await,
        "Query is too complex."
    );
}

#[tokio::test]
async fn directives_on_a_field_are_limited() {
    let query = format!(
        "{{ client(id: \"x\") {{ id {} }} }}",
        "@include(if: true) ".repeat(6)
    );
    assert!(message(&query).await.contains("directives"));
}

#[tokio::test]
async fn faulty_documents_are_told_what_is_wrong() {
    for (query, part) in [
        ("{ nothing }", "nothing"),
        ("{ client { id } }", "id"),
        (
            "{ clients(tenant: \"acme\", first: \"many\") { edges { cursor } } }",
            "first",
        ),
        (
            "{ clients(tenant: \"acme\", first: 1.5) { edges { cursor } } }",
            "first",
        ),
        ("mutation { createTenant(input: {}) { replayed } }", "slug"),
        ("subscription { events }", "ubscription"),
        ("", "expected"),
    ] {
        let message = message(query).await;
        assert!(message.contains(part), "{query}: {message}");
    }
}

#[tokio::test]
async fn a_large_number_is_a_fault_and_not_an_overflow() {
    let query = "query ($n: Int) { clients(tenant: \"acme\", first: $n) { edges { cursor } } }";
    for number in [json!(i64::MAX), json!(u64::MAX), json!(1e300), json!(-1)] {
        let answer = asked(query, json!({"n": number})).await;
        assert!(
            answer["errors"][0]["message"].is_string(),
            "{number}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_mutation_that_fails_does_not_stop_the_next() {
    let answer = asked(
        "mutation { a: enableClient(input: {client: \"x\"}) { replayed } b: enableClient(input: {client: \"y\"}) { replayed } }",
        json!({}),
    )
    .await;
    let failed: Vec<_> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["path"][0])
        .collect();
    assert_eq!(failed, ["a", "b"]);
}

#[tokio::test]
async fn what_is_not_found_is_null_beside_its_error() {
    let answer = asked(
        "{ client(id: \"x\") { id } api(id: \"x\") { id } tenant(slug: \"x\") { id } }",
        json!({}),
    )
    .await;
    assert_eq!(
        answer["data"],
        json!({"client": null, "api": null, "tenant": null})
    );
    assert_eq!(answer["errors"].as_array().unwrap().len(), 3);
}
