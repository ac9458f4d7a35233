use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::World;

/// A token request, by Basic authentication unless it says otherwise.
pub(crate) struct TokenRequest<'a> {
    world: &'a World,
    endpoint: String,
    basic: Option<(String, String)>,
    form: Vec<(String, String)>,
}

/// What the token endpoint answered.
#[derive(Debug)]
pub(crate) struct TokenAnswer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl<'a> TokenRequest<'a> {
    pub(crate) fn new(world: &'a World, slug: &str, client: &str, secret: &str) -> Self {
        Self {
            world,
            endpoint: world.token_endpoint(slug),
            basic: Some((client.to_owned(), secret.to_owned())),
            form: vec![("grant_type".to_owned(), "client_credentials".to_owned())],
        }
    }

    /// Sends it to another node.
    pub(crate) fn at(mut self, node: &str) -> Self {
        self.endpoint = self.endpoint.replace(&self.world.url, node);
        self
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Says nothing of who asks.
    pub(crate) fn without_authentication(mut self) -> Self {
        self.basic = None;
        self
    }

    /// Asks with this refresh token instead.
    pub(crate) fn refreshing(mut self, refresh_token: &str) -> Self {
        "refresh_token".clone_into(&mut self.form[0].1);
        self.with("refresh_token", refresh_token)
    }

    /// Asks about this token instead.
    pub(crate) fn introspecting(self, token: &str) -> Self {
        self.about("introspect", token)
    }

    /// Revokes this token instead.
    pub(crate) fn revoking(self, token: &str) -> Self {
        self.about("revoke", token)
    }

    fn about(mut self, endpoint: &str, token: &str) -> Self {
        self.endpoint = self
            .endpoint
            .replace("/oauth2/token", &format!("/oauth2/{endpoint}"));
        self.form[0] = ("token".to_owned(), token.to_owned());
        self
    }

    /// Sends id and secret in the body instead.
    pub(crate) fn by_post(mut self) -> Self {
        if let Some((client, secret)) = self.basic.take() {
            self.form.push(("client_id".to_owned(), client));
            self.form.push(("client_secret".to_owned(), secret));
        }
        self
    }

    /// Authenticates with this assertion instead.
    pub(crate) fn by_assertion(mut self, assertion: &str) -> Self {
        self.basic = None;
        self.with(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .with("client_assertion", assertion)
    }

    pub(crate) async fn send(self) -> TokenAnswer {
        let mut request = self.world.http.post(&self.endpoint).form(&self.form);
        if let Some((client, secret)) = &self.basic {
            request = request.basic_auth(client, Some(secret));
        }
        TokenAnswer::of(request.send().await.unwrap()).await
    }
}

impl TokenAnswer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.text().await.unwrap();
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        Self {
            status,
            headers,
            body,
        }
    }

    /// The token, when there is one.
    pub(crate) fn token(&self) -> String {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body["access_token"].as_str().unwrap().to_owned()
    }

    /// The refresh token that came with it.
    pub(crate) fn refresh_token(&self) -> String {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body["refresh_token"].as_str().unwrap().to_owned()
    }

    /// Asserts that nothing is known of a token.
    pub(crate) fn inactive(&self) {
        assert_eq!(self.status, 200, "{:#}", self.body);
        assert_eq!(self.body, serde_json::json!({"active": false}));
        assert_eq!(self.headers["cache-control"], "no-store");
    }

    /// Asserts that a token is good, and gives what is known of it.
    pub(crate) fn active(&self) -> &Value {
        assert_eq!(
            (self.status, &self.body["active"]),
            (200, &Value::Bool(true)),
            "{:#}",
            self.body
        );
        &self.body
    }

    /// The claims of the token, unverified.
    pub(crate) fn claims(&self) -> Value {
        claims(&self.token())
    }

    /// The OAuth error.
    pub(crate) fn error(&self) -> &str {
        self.body["error"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {:#}", self.body))
    }

    /// Asserts an error with its status.
    pub(crate) fn refused(&self, status: u16, error: &str) {
        assert_eq!(
            (self.status, self.error()),
            (status, error),
            "{:#}",
            self.body
        );
        assert_eq!(self.headers["cache-control"], "no-store");
    }
}

/// A token's claims, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    serde_json::from_slice(&payload).unwrap()
}
