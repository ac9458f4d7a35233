//! How clients of the test issuer prove who they are.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use serde_json::Value;
use url::form_urlencoded;

use super::{TestClient, TestIssuer, endpoints::first};
use crate::{UnverifiedClaims, base64url, sign::SigningKey};

/// An assertion may live for so long, with the difference of two clocks.
const LONGEST: Duration = Duration::from_secs(330);

impl TestIssuer {
    /// The client, if its credential is right.
    pub(super) fn authenticated(
        &self,
        request: &Request<Bytes>,
        form: &[(String, String)],
    ) -> Option<TestClient> {
        if let Some(assertion) = first(form, "client_assertion") {
            return self.by_assertion(assertion);
        }
        let (id, secret) = match request.headers().get(AUTHORIZATION) {
            Some(value) => basic(value.to_str().ok()?)?,
            None => (
                first(form, "client_id")?.to_owned(),
                first(form, "client_secret")?.to_owned(),
            ),
        };
        let client = self.state().clients.get(&id).cloned()?;
        // A private key is nothing to be sent.
        let is_secret = SigningKey::read(client.secret.reveal()).is_none();
        (is_secret && client.secret.reveal() == secret).then_some(client)
    }

    /// As Chancery takes them: RFC 7523, section 3, with the issuer as the only audience, and once.
    fn by_assertion(&self, assertion: &str) -> Option<TestClient> {
        let claims = UnverifiedClaims::of(assertion)?;
        let now = self.clock.now();
        let mut state = self.state();
        let client = state.clients.get(claims.subject.as_deref()?).cloned()?;
        let key = match SigningKey::read(client.secret.reveal()) {
            Some((key, _)) => key,
            None => SigningKey::shared(client.secret.reveal().as_bytes()),
        };
        let (message, signature) = assertion.rsplit_once('.')?;
        let header = base64url::decode(message.split('.').next()?)?;
        let header: Value = serde_json::from_slice(&header).ok()?;
        let good = header["alg"] == key.algorithm()
            && key.has_signed(message.as_bytes(), &base64url::decode(signature)?)
            && claims.issuer == claims.subject
            && claims.audiences == [&*self.url]
            && (claims.expires_at).is_some_and(|end| now < end && end <= now + LONGEST);
        (good && state.assertions.insert(claims.token_id?)).then_some(client)
    }
}

/// Id and secret (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let encoded = header.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let plain = |text: &str| {
        let pair = format!("v={text}");
        let value = form_urlencoded::parse(pair.as_bytes()).next();
        value.map(|(_, value)| value.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}
