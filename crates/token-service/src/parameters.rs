//! What a request says, whether it came as a form or as JSON.

use std::{borrow::Cow, collections::HashSet, fmt};

use crate::text::shown;

/// The largest body that is read, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// Why a request could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the body is larger than {MAX_BODY} bytes; send fewer scopes and audiences")]
    TooLarge,
    #[error("the body could not be read to its end; send it again")]
    Interrupted,
    #[error(
        "send the parameters as application/x-www-form-urlencoded or as application/json, with that Content-Type"
    )]
    ContentType,
    #[error("the body is compressed; send it as it is, without a Content-Encoding")]
    Encoded,
    #[error("the body is read as UTF-8 alone; leave the charset out of its Content-Type")]
    Charset,
    #[error("the body looks like JSON; send it with `Content-Type: application/json`")]
    UnsaidJson,
    #[error("the form is not percent-encoded: after every % come two hexadecimal digits")]
    Escape,
    #[error("the body is not UTF-8")]
    Utf8,
    #[error("a parameter holds the character U+0000")]
    Nul,
    #[error("the parameter {} is repeated; give it once", shown(.0))]
    Repeated(String),
    #[error("the body is not a JSON object with each member once")]
    Json,
    #[error("the member {0} must be a string")]
    NotAString(&'static str),
    #[error("the member {0} must be a string or an array of strings")]
    NotStrings(&'static str),
    #[error(
        "the Authorization header is not Basic with base64 of id:secret (RFC 6749, section 2.3.1)"
    )]
    Basic,
    #[error("give one Authorization header")]
    Authorizations,
    #[error(
        "the client authenticates in two ways at once; use the Authorization header or the body"
    )]
    TwoMethods,
    #[error("client_id differs from the one in the Authorization header; leave it out")]
    TwoClients,
    #[error("client_secret comes without client_id; give both")]
    SecretAlone,
    #[error("client_assertion and client_assertion_type come together; give both")]
    HalfAnAssertion,
    #[error("grant_type is missing; give client_credentials or refresh_token")]
    NoGrantType,
    #[error("refresh_token is missing; give the one that came with the last access token")]
    NoRefreshToken,
    #[error("token is missing; give the access token or the refresh token that is meant")]
    NoToken,
}

/// A secret as it was presented. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PresentedSecret(String);

impl PresentedSecret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresentedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedSecret(…)")
    }
}

/// The parameters of a request: for a token (RFC 6749, sections 4.4.2 and 6; RFC 8707, section 2), or
/// about one (RFC 7009, section 2.1; RFC 7662, section 2.1). Empty ones are absent, unknown ones are
/// ignored, and so is `token_type_hint`: what a token is, it shows itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) grant_type: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<PresentedSecret>,
    /// A client's assertion (RFC 7521, section 4.2). It can be used once, so until then it is a secret.
    pub(crate) client_assertion: Option<PresentedSecret>,
    pub(crate) client_assertion_type: Option<String>,
    pub(crate) refresh_token: Option<PresentedSecret>,
    /// The token that is asked about, or to be revoked.
    pub(crate) token: Option<PresentedSecret>,
    /// `audience` and `resource` together, one API identifier each.
    pub(crate) audiences: Vec<String>,
}

/// The parameters whose values matter.
pub(crate) const KNOWN: [&str; 10] = [
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "refresh_token",
    "token",
    "audience",
    "resource",
];

/// The parameter of this name, if its value matters.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| *known == name)
}

/// Whether a parameter may come more than once in a form, and be an array in JSON.
pub(crate) fn is_list(name: &str) -> bool {
    matches!(name, "audience" | "resource")
}

impl Parameters {
    /// Takes one parameter. Names were checked for repetition before.
    pub(crate) fn take(&mut self, name: &str, value: Cow<'_, str>) -> Result<(), Malformed> {
        if name.contains('\0') || value.contains('\0') {
            return Err(Malformed::Nul);
        }
        if value.is_empty() {
            return Ok(());
        }
        match name {
            "grant_type" => self.grant_type = Some(value.into_owned()),
            "scope" => self.scope = Some(value.into_owned()),
            "client_id" => self.client_id = Some(value.into_owned()),
            "client_secret" => self.client_secret = Some(PresentedSecret::new(value.into_owned())),
            "client_assertion" => {
                self.client_assertion = Some(PresentedSecret::new(value.into_owned()));
            }
            "client_assertion_type" => self.client_assertion_type = Some(value.into_owned()),
            "refresh_token" => self.refresh_token = Some(PresentedSecret::new(value.into_owned())),
            "token" => self.token = Some(PresentedSecret::new(value.into_owned())),
            "audience" => {
                let several = value.split(' ').filter(|part| !part.is_empty());
                let before = self.audiences.len();
                self.audiences.extend(several.map(str::to_owned));
                // Of spaces alone it is not empty, and no audience: who joined an empty list did not mean all.
                if self.audiences.len() == before {
                    self.audiences.push(value.into_owned());
                }
            }
            "resource" => self.audiences.push(value.into_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// The names that a request has used.
#[derive(Default)]
pub(crate) struct Names {
    /// The first few: most requests have no more, and need no set for them.
    few: [Option<String>; Self::FEW],
    more: HashSet<String>,
}

impl Names {
    const FEW: usize = 4;

    /// Notes a name, unless it was used before.
    pub(crate) fn first_use(&mut self, name: &str) -> Result<(), Malformed> {
        for place in &mut self.few {
            match place {
                Some(known) if known == name => return Err(Malformed::Repeated(name.to_owned())),
                Some(_) => {}
                None => {
                    *place = Some(name.to_owned());
                    return Ok(());
                }
            }
        }
        if self.more.contains(name) {
            return Err(Malformed::Repeated(name.to_owned()));
        }
        self.more.insert(name.to_owned());
        Ok(())
    }
}
