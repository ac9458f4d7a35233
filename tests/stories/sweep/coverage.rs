//! That the sweep leaves nothing out.

use std::collections::BTreeSet;

use super::{
    ask::{differences, written},
    cases::{Case, TEXT, cases, followed},
    schema::Schema,
    target::Target,
};

/// What the cases do not cover, each in a sentence.
fn missing(schema: &Schema, cases: &[Case]) -> Vec<String> {
    let (one, other) = (Target::named("one"), Target::named("other"));
    let mut missing = Vec::new();
    for operation in schema.operations() {
        let field = schema.field(&operation).unwrap();
        let its: Vec<_> = cases
            .iter()
            .filter(|case| case.operation == operation)
            .collect();
        if its.is_empty() {
            missing.push(format!("{operation} has no case"));
            continue;
        }
        let covered: BTreeSet<_> = its
            .iter()
            .flat_map(|case| differences(&(case.arguments)(&one), &(case.arguments)(&other)))
            .map(|pointer| written(&pointer))
            .collect();
        for place in schema.places(&field.arguments) {
            let name = place.path.rsplit('.').next().unwrap();
            if !covered.contains(&place.path) && (place.is_id || !TEXT.contains(&name)) {
                missing.push(format!("{operation}: no case aims {}", place.path));
            }
        }
    }
    for case in cases {
        if schema.field(case.operation).is_none() {
            missing.push(format!("{} is not in the schema", case.operation));
        }
    }
    missing
}

/// Of what is asked over HTTP, and of what is followed over a WebSocket.
fn all() -> Vec<Case> {
    cases().into_iter().chain(followed()).collect()
}

#[test]
fn every_operation_and_everything_that_it_can_name_has_a_case() {
    let schema = Schema::read(&chancery_admin_api::sdl());
    assert_eq!(missing(&schema, &all()), Vec::<String>::new());
}

#[test]
fn what_has_no_case_is_named() {
    let with = |more: &str| Schema::read(&format!("{}\n{more}", chancery_admin_api::sdl()));
    let without = |operation: &str| {
        let mut cases = all();
        cases.retain(|case| case.operation != operation);
        cases
    };
    let schema = with("");
    assert_eq!(
        missing(&schema, &without("Query.api")),
        ["Query.api has no case"]
    );
    assert_eq!(
        missing(&schema, &without("Subscription.events")),
        ["Subscription.events has no case"]
    );
    assert_eq!(
        missing(&schema, &without("Tenant.clients")),
        ["Tenant.clients has no case"]
    );

    let text = chancery_admin_api::sdl();
    let new_mutation = text.replacen(
        "type Mutation {",
        "type Mutation { burn(input: ApiInput!): ApiPayload!",
        1,
    );
    assert_eq!(
        missing(&Schema::read(&new_mutation), &all()),
        ["Mutation.burn has no case"]
    );
    let new_id = text.replacen("input ApiInput {", "input ApiInput { heir: ID", 1);
    assert_eq!(
        missing(&Schema::read(&new_id), &all()),
        ["Mutation.retireApi: no case aims input.heir"]
    );
    let new_name = text.replacen(
        "input GrantInput {",
        "input GrantInput { behalfOf: [String!]",
        1,
    );
    assert_eq!(
        missing(&Schema::read(&new_name), &all()),
        [
            "Mutation.createClient: no case aims input.grants.behalfOf",
            "Mutation.updateClient: no case aims input.grants.behalfOf",
        ]
    );
    let new_node = text.replacen("type Secret {", "type Secret { twin(of: ID!): Secret", 1);
    assert_eq!(
        missing(&Schema::read(&new_node), &all()),
        ["Secret.twin has no case"]
    );
    let gone = text.replacen("  enableClient(", "  awakenClient(", 1);
    assert_eq!(
        missing(&Schema::read(&gone), &all()),
        [
            "Mutation.awakenClient has no case",
            "Mutation.enableClient is not in the schema"
        ]
    );
}
