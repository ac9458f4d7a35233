//! Access tokens that come back: to be looked at, or to be revoked.

use chancery_crypto::{Audience, Expectation, PresentedToken};
use chancery_directory::TenantEntry;
use chancery_domain::{ClientId, CredentialId, TenantId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an access token of ours says, as far as introspection tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Presented {
    pub(crate) iss: String,
    pub(crate) client_id: ClientId,
    pub(crate) tenant_id: TenantId,
    pub(crate) aud: OneOrMore,
    #[serde(default)]
    pub(crate) scope: String,
    pub(crate) roles: Option<Vec<String>>,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    pub(crate) credential_id: CredentialId,
}

/// One audience is a string, several are an array (RFC 7519, section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(crate) fn of(words: &str) -> Self {
        let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
        match <[String; 1]>::try_from(words) {
            Ok([one]) => Self::One(one),
            Err(several) => Self::More(several),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(several) => several,
        };
        all.iter().map(String::as_str)
    }
}

/// What the token says, if this tenant signed it with a key that is published now and it has not ended
/// by itself. Whatever else it may be, it is nothing.
pub(crate) fn read(
    tenant: &TenantEntry,
    issuer: &str,
    token: &str,
    now: Timestamp,
) -> Option<Presented> {
    let presented = PresentedToken::parse(token).ok()?;
    let keys = tenant.keys.published.iter();
    let key = keys
        .filter(|key| key.until.is_none_or(|until| now < until))
        .find(|key| key.jwk.kid() == presented.kid())?;
    let expectation = Expectation {
        issuer,
        audience: Audience::DecidedByCaller,
        now: now.seconds(),
        leeway: 0,
    };
    let claims: Presented = presented.verify(&key.jwk, &expectation).ok()?;
    (claims.tenant_id == tenant.id).then_some(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_audience_is_a_string_and_several_are_an_array() {
        for (words, json) in [
            ("urn:x:one", r#""urn:x:one""#),
            ("urn:x:one urn:x:two", r#"["urn:x:one","urn:x:two"]"#),
        ] {
            let audience = OneOrMore::of(words);
            assert_eq!(serde_json::to_string(&audience).unwrap(), json);
            assert_eq!(serde_json::from_str::<OneOrMore>(json).unwrap(), audience);
            assert_eq!(audience.iter().collect::<Vec<_>>().join(" "), words);
        }
    }
}
