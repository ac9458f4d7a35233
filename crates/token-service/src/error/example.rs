//! One refusal of each code, for the documentation: what it says is what a client would be told.

use chancery_directory::Unavailable;
use chancery_domain::value::Scope;

use super::{Code, Refusal};
use crate::{
    client_auth::Denial, limits::Whose, parameters::Malformed, refresh::GrantRefusal,
    target::TargetError,
};

const ORDERS: &str = "https://orders.example";

impl Code {
    /// A refusal that is answered with this code.
    pub(crate) fn example(self) -> Refusal {
        match self {
            Self::InvalidRequest => Malformed::Repeated("scope".to_owned()).into(),
            Self::InvalidClient => Denial::ClientDisabled.into(),
            Self::InvalidGrant => GrantRefusal::Expired.into(),
            Self::UnauthorizedClient => Refusal::NoRefreshTokens,
            Self::UnsupportedGrantType => Refusal::GrantType("password".to_owned()),
            Self::InvalidScope => Scope::parse("orders:write")
                .map_or(TargetError::ScopeSyntax, |scope| TargetError::Scope {
                    scope,
                    audiences: ORDERS.to_owned(),
                })
                .into(),
            Self::InvalidTarget => TargetError::Audience(ORDERS.to_owned()).into(),
            Self::RateLimitExceeded => Refusal::RateLimit {
                whose: Whose::Client,
                retry_after: 30,
            },
            Self::TemporarilyUnavailable => Unavailable::Slow.into(),
            Self::ServerError => Refusal::Defect("a key could not be used".into()),
        }
    }
}
