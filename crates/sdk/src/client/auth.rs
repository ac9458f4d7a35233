use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use serde::Serialize;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::{credential::Credential, error::CredentialError, exchange::Identity};
use crate::{Secret, base64url, chance, sign::SigningKey};

/// How long an assertion is good for: it is made for one request.
const ASSERTION_LIFE: i64 = 60;

/// How a client authenticates.
///
/// ```
/// use chancery_sdk::{ClientAuth, Credential};
///
/// let secret = ClientAuth::basic("chs_…");
/// let key = ClientAuth::private_key_jwt(Credential::file("client.pem")).key_id("2026-11");
/// ```
#[derive(Clone, Debug)]
pub struct ClientAuth {
    method: Method,
    credential: Credential,
    key_id: Option<String>,
    audience: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Basic,
    Post,
    SecretJwt,
    PrivateKeyJwt,
}

impl ClientAuth {
    fn new(method: Method, credential: Credential) -> Self {
        Self {
            method,
            credential,
            key_id: None,
            audience: None,
        }
    }

    /// `client_secret_basic` (RFC 6749, section 2.3.1), what servers are required to know.
    pub fn basic(secret: impl Into<Credential>) -> Self {
        Self::new(Method::Basic, secret.into())
    }

    /// `client_secret_post`: id and secret in the body.
    pub fn post(secret: impl Into<Credential>) -> Self {
        Self::new(Method::Post, secret.into())
    }

    /// `client_secret_jwt` (RFC 7523): the secret signs an assertion by HS256 and does not travel.
    pub fn secret_jwt(secret: impl Into<Credential>) -> Self {
        Self::new(Method::SecretJwt, secret.into())
    }

    /// `private_key_jwt` (RFC 7523): a private key in PEM (PKCS#8, PKCS#1 or SEC 1) or as a JSON Web Key
    /// (RFC 7517) signs an assertion, by the algorithm that belongs to it: ES256, ES384, `EdDSA` or RS256;
    /// or PS256, where a JWK of RSA names it as its `alg`.
    ///
    /// A JWK has its `kid` beside the key. So a file with one can be replaced by another while both keys are
    /// registered, and no restart is needed: a key in PEM is named by [`key_id`](Self::key_id), once and for
    /// all.
    pub fn private_key_jwt(key: impl Into<Credential>) -> Self {
        Self::new(Method::PrivateKeyJwt, key.into())
    }

    /// Names the key (`kid`) in assertions, as it is registered, where the key does not name itself. A server
    /// needs it when a client has several.
    #[must_use]
    pub fn key_id(mut self, id: impl Into<String>) -> Self {
        self.key_id = Some(id.into());
        self
    }

    /// Puts another audience into assertions than the issuer, or the token endpoint where no issuer
    /// is known.
    #[must_use]
    pub fn assertion_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    pub(crate) async fn load(
        &self,
        refused: Option<&Secret>,
        within: Duration,
    ) -> Result<Secret, CredentialError> {
        let check = |secret: &Secret| match self.method {
            Method::PrivateKeyJwt if SigningKey::read(secret.reveal()).is_none() => {
                Err(CredentialError::NotAKey)
            }
            _ => Ok(()),
        };
        self.credential.load(refused, within, check).await
    }

    /// Authenticates one request: fills in the form, and perhaps gives a value for `Authorization`.
    pub(crate) fn apply(
        &self,
        identity: &Identity<'_>,
        now: i64,
        form: &mut Form,
    ) -> Result<Option<HeaderValue>, CredentialError> {
        let Identity {
            client_id,
            credential,
            audience,
            ..
        } = *identity;
        let (key, id) = match self.method {
            Method::Basic => return Ok(Some(basic(client_id, credential, form))),
            Method::Post => {
                form.push("client_id", client_id);
                form.push_secret("client_secret", credential.reveal());
                return Ok(None);
            }
            Method::SecretJwt => (SigningKey::shared(credential.reveal().as_bytes()), None),
            Method::PrivateKeyJwt => {
                SigningKey::read(credential.reveal()).ok_or(CredentialError::NotAKey)?
            }
        };
        let id = id.as_ref().or(self.key_id.as_ref());
        let audience = self.audience.as_deref().unwrap_or(audience);
        let claims = Assertion {
            iss: client_id,
            sub: client_id,
            aud: audience,
            iat: now,
            exp: now + ASSERTION_LIFE,
            jti: base64url::encode(&chance::bytes::<16>()),
        };
        let assertion = key
            .jwt("JWT", id.map(String::as_str), &claims)
            .ok_or(CredentialError::NotAKey)?;
        form.push(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        );
        form.push_secret("client_assertion", &assertion);
        Ok(None)
    }
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

fn basic(client_id: &str, secret: &Secret, form: &mut Form) -> HeaderValue {
    let encoded = |text: &str| -> String { byte_serialize(text.as_bytes()).collect() };
    let pair = Zeroizing::new(format!(
        "{}:{}",
        encoded(client_id),
        encoded(secret.reveal())
    ));
    let pair = Secret::from(STANDARD.encode(pair.as_bytes()));
    let text = Zeroizing::new(format!("Basic {}", pair.reveal()));
    // Whoever repeats it may leave the padding out.
    form.secrets
        .push(pair.reveal().trim_end_matches('=').into());
    // Base64 is visible ASCII.
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// A body of `application/x-www-form-urlencoded`.
#[derive(Default)]
pub(crate) struct Form {
    text: String,
    /// What of the request nobody may read, as it travels.
    secrets: Vec<Secret>,
}

impl Form {
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.extend(byte_serialize(name.as_bytes()));
        self.text.push('=');
        self.text.extend(byte_serialize(value.as_bytes()));
    }

    pub(crate) fn push_secret(&mut self, name: &str, value: &str) {
        self.push(name, value);
        self.secrets.push(value.into());
    }

    /// The body, and what must not be shown of the request.
    pub(crate) fn finish(self) -> (String, Vec<Secret>) {
        (self.text, self.secrets)
    }
}
