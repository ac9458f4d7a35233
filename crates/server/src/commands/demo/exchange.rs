//! One HTTP exchange, printed as it happens.

use serde_json::Value;

use crate::exit::Failure;

/// What prints and sends.
pub(super) struct Exchange {
    http: reqwest::Client,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Exchange {
    pub(super) fn new() -> Self {
        Self {
            http: reqwest::Client::new(),
        }
    }

    /// A GraphQL operation with its variables.
    pub(super) async fn graphql(
        &self,
        url: &str,
        token: &str,
        query: &str,
        variables: Value,
    ) -> Result<Value, Failure> {
        say!("  POST {url}");
        say!("  Authorization: Bearer {}", shortened(token));
        say!("  {query}");
        say!("  variables {variables}");
        let body = serde_json::json!({"query": query, "variables": variables});
        let answer = self
            .send(self.http.post(url).bearer_auth(token).json(&body))
            .await?;
        match answer.body.get("data") {
            Some(data) if answer.body.get("errors").is_none() => Ok(data.clone()),
            _ => Err(Failure::refused(format!(
                "the demo's GraphQL was refused: {}",
                answer.body
            ))),
        }
    }

    /// A token request by Basic authentication.
    pub(super) async fn token(
        &self,
        endpoint: &str,
        client: &str,
        secret: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(parameters);
        say!("  POST {endpoint}");
        say!("  Authorization: Basic {client}:{}", shortened(secret));
        say!(
            "  {}",
            form.iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join("&")
        );
        self.send(
            self.http
                .post(endpoint)
                .basic_auth(client, Some(secret))
                .form(&form),
        )
        .await
    }

    /// A call of a protected resource.
    pub(super) async fn get(&self, url: &str, token: &str) -> Result<Answer, Failure> {
        say!("  GET {url}");
        say!("  Authorization: Bearer {}", shortened(token));
        self.send(self.http.get(url).bearer_auth(token)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
        let answer = request.send().await.map_err(Failure::system)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(Failure::system)?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        say!("  ← {status} {}\n", for_the_eye(&body));
        Ok(Answer { status, body })
    }
}

/// A credential's beginning: the demo's are worth nothing a second later, but showing whole ones
/// would teach a bad habit.
fn shortened(text: &str) -> String {
    let beginning: String = text.chars().take(16).collect();
    format!("{beginning}…")
}

/// A body with its credentials shortened.
fn for_the_eye(body: &Value) -> Value {
    match body {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                let shown = match (name.as_str(), member) {
                    ("access_token" | "plaintext", Value::String(text)) => {
                        Value::String(shortened(text))
                    }
                    (_, member) => for_the_eye(member),
                };
                (name.clone(), shown)
            })
            .collect(),
        Value::Array(items) => items.iter().map(for_the_eye).collect(),
        other => other.clone(),
    }
}
