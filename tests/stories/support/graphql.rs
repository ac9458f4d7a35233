use serde_json::{Value, json};

use super::World;

/// GraphQL with a token.
pub(crate) struct GraphQl<'a> {
    world: &'a World,
    token: String,
    /// The node that is asked.
    node: String,
}

/// What GraphQL answered to one operation.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// The name of the one field that was asked for.
    field: String,
}

impl<'a> GraphQl<'a> {
    pub(crate) fn new(world: &'a World, token: String) -> Self {
        let node = world.url.clone();
        Self { world, token, node }
    }

    /// The same, of another node.
    pub(crate) fn at(&self, node: &str) -> Self {
        Self {
            world: self.world,
            token: self.token.clone(),
            node: node.to_owned(),
        }
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Sends a mutation with its one input, and asks for these fields of the payload.
    pub(crate) async fn mutation(&self, name: &str, fields: &str, input: Value) -> Answer {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let kind = match kind.as_str() {
            "SuspendTenantInput" | "CloseTenantInput" => "TenantReasonInput",
            "ResumeTenantInput" => "TenantInput",
            "DisableClientInput" | "DeleteClientInput" => "ClientReasonInput",
            "EnableClientInput" => "ClientInput",
            "RetireApiInput" => "ApiInput",
            kind => kind,
        };
        let query =
            format!("mutation M($input: {kind}!) {{ {name}(input: $input) {{ {fields} }} }}");
        self.send(name, &query, json!({ "input": input })).await
    }

    /// Sends a query of one field.
    pub(crate) async fn query(&self, field: &str, query: &str) -> Answer {
        self.send(field, query, json!({})).await
    }

    pub(crate) async fn send(&self, field: &str, query: &str, variables: Value) -> Answer {
        let response = self
            .world
            .http
            .post(format!("{}/graphql", self.node))
            .bearer_auth(&self.token)
            .json(&json!({"query": query, "variables": variables}))
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body = response.json().await.unwrap();
        Answer {
            status,
            body,
            field: field.to_owned(),
        }
    }
}

impl Answer {
    /// What the field holds, when nothing went wrong.
    pub(crate) fn data(self) -> Value {
        assert!(self.body.get("errors").is_none(), "{:#}", self.body);
        self.body["data"][&self.field].clone()
    }

    /// The first error's code.
    pub(crate) fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {:#}", self.body))
    }

    /// The rule of the first error's refusal.
    pub(crate) fn refusal(&self) -> &str {
        assert_eq!(self.code(), "REFUSED", "{:#}", self.body);
        self.body["errors"][0]["extensions"]["refusal"]
            .as_str()
            .unwrap_or_else(|| panic!("{:#}", self.body))
    }

    /// The paths of the faulty values.
    pub(crate) fn fault_paths(&self) -> Vec<&str> {
        assert_eq!(self.code(), "INVALID_INPUT", "{:#}", self.body);
        let faults = self.body["errors"][0]["extensions"]["faults"]
            .as_array()
            .unwrap();
        faults
            .iter()
            .map(|fault| fault["path"].as_str().unwrap())
            .collect()
    }
}
