//! One operation, sent by one caller; and what came back.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    cases::Case,
    schema::{Argument, Field, Schema},
    target::Target,
};
use crate::support::World;

/// What came back, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The codes of its errors.
    pub(crate) fn codes(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let code = |error: &Value| {
            error["extensions"]["code"]
                .as_str()
                .unwrap_or("none")
                .to_owned()
        };
        errors.iter().map(code).collect()
    }

    /// Fails unless it is nothing but this error.
    pub(crate) fn is_only(&self, code: &str) -> bool {
        let data = self.json()["data"].clone();
        let empty = match &data {
            Value::Null => true,
            Value::Object(members) => members.values().all(Value::is_null),
            _ => false,
        };
        empty && self.codes() == [code]
    }

    /// The same with what a target is known by taken out, so that two can be compared.
    pub(crate) fn without(&self, target: &Target) -> Self {
        let mut text = self.text.clone();
        for mark in target.marks() {
            text = text.replace(mark, "…");
        }
        Self {
            text,
            ..self.clone()
        }
    }
}

impl World {
    /// Sends a document with exactly this `Authorization` header, or none, to a node.
    pub(crate) async fn ask(&self, node: &str, authorization: Option<&str>, body: &Value) -> Reply {
        let mut request = self.http.post(format!("{node}/graphql")).json(body);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.unwrap();
        let challenge = response.headers().get("www-authenticate");
        Reply {
            status: response.status().as_u16(),
            challenge: challenge.map(|value| value.to_str().unwrap().to_owned()),
            text: response.text().await.unwrap(),
        }
    }
}

/// The request that asks for everything that an operation can answer.
pub(crate) fn request(schema: &Schema, case: &Case, arguments: &Value) -> Value {
    let kind = &field_of(schema, case).kind;
    asking(schema, case, arguments, &schema.everything(kind))
}

/// The request that asks for no more than whether the operation answers.
pub(crate) fn bare_request(schema: &Schema, case: &Case, arguments: &Value) -> Value {
    asking(schema, case, arguments, " { __typename }")
}

fn field_of<'a>(schema: &'a Schema, case: &Case) -> &'a Field {
    let Some(field) = schema.field(case.operation) else {
        panic!("the schema has no {}: take its case away", case.operation)
    };
    field
}

fn asking(schema: &Schema, case: &Case, arguments: &Value, selection: &str) -> Value {
    let field = field_of(schema, case);
    let (object, name) = case.operation.split_once('.').unwrap();
    let given = arguments.as_object().unwrap();
    let here = pass_on(given, &field.arguments);
    let mut asked = format!("{name}{}{selection}", here.applied);
    let mut declared = here.declared;
    let root = match case.through {
        None => object,
        Some(through) => {
            let root = schema.field(&format!("Query.{through}")).unwrap();
            let there = pass_on(given, &root.arguments);
            asked = format!("{through}{} {{ {asked} }}", there.applied);
            declared.extend(there.declared);
            "Query"
        }
    };
    let variables: Vec<_> = declared.into_iter().collect();
    let variables = match &*variables.join(", ") {
        "" => String::new(),
        list => format!("({list})"),
    };
    let query = format!("{} {variables} {{ {asked} }}", root.to_lowercase());
    json!({"query": query, "variables": arguments})
}

struct PassedOn {
    applied: String,
    declared: BTreeSet<String>,
}

fn pass_on(given: &Map<String, Value>, arguments: &[Argument]) -> PassedOn {
    let known = arguments
        .iter()
        .filter(|argument| given.contains_key(&argument.name));
    let (mut applied, mut declared) = (Vec::new(), BTreeSet::new());
    for argument in known {
        applied.push(format!("{0}: ${0}", argument.name));
        declared.insert(format!("${}: {}", argument.name, argument.written));
    }
    let applied = match &*applied.join(", ") {
        "" => String::new(),
        list => format!("({list})"),
    };
    PassedOn { applied, declared }
}

/// The places at which two samples differ, like `/input/grants/0/api`.
pub(crate) fn differences(one: &Value, other: &Value) -> Vec<String> {
    fn walk(path: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
        match (one, other) {
            (Value::Object(members), Value::Object(others)) => {
                for (name, value) in members {
                    walk(&format!("{path}/{name}"), value, &others[name], found);
                }
            }
            (Value::Array(items), Value::Array(others)) => {
                for (index, (item, other)) in items.iter().zip(others).enumerate() {
                    walk(&format!("{path}/{index}"), item, other, found);
                }
            }
            _ if one != other => found.push(path.to_owned()),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", one, other, &mut found);
    found
}

/// A place as the schema writes it: `/input/grants/0/api` is `input.grants.api`.
pub(crate) fn written(pointer: &str) -> String {
    let members = pointer.split('/').skip(1);
    let names = members.filter(|member| member.parse::<usize>().is_err());
    names.collect::<Vec<_>>().join(".")
}
