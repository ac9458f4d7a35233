//! What happened at the endpoints.

use std::{borrow::Cow, fmt, net::IpAddr, str::FromStr};

use chancery_domain::{ActivityId, TenantId, Timestamp};

use crate::text;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A token left.
    TokenIssued,
    /// A request for a token was refused.
    TokenDenied,
    /// A token left for a refresh token.
    TokenRefreshed,
    /// A refresh token came again after it had been used.
    RefreshReused,
    /// A token was revoked by its client.
    TokenRevoked,
    /// Tokens were introspected.
    TokenIntrospected,
    /// Somebody read the roll through the server.
    RollRead,
    /// Somebody read this log through the server.
    ActivityRead,
    /// Somebody made a link that signs a client in to the console.
    ConsoleLinkMade,
    /// A client signed in to the console.
    ConsoleSignedIn,
    /// A session of the console was ended by hand.
    ConsoleSignedOut,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::TokenIssued,
        Self::TokenDenied,
        Self::TokenRefreshed,
        Self::RefreshReused,
        Self::TokenRevoked,
        Self::TokenIntrospected,
        Self::RollRead,
        Self::ActivityRead,
        Self::ConsoleLinkMade,
        Self::ConsoleSignedIn,
        Self::ConsoleSignedOut,
    ];

    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenIssued => "token_issued",
            Self::TokenDenied => "token_denied",
            Self::TokenRefreshed => "token_refreshed",
            Self::RefreshReused => "refresh_reused",
            Self::TokenRevoked => "token_revoked",
            Self::TokenIntrospected => "token_introspected",
            Self::RollRead => "roll_read",
            Self::ActivityRead => "activity_read",
            Self::ConsoleLinkMade => "console_link_made",
            Self::ConsoleSignedIn => "console_signed_in",
            Self::ConsoleSignedOut => "console_signed_out",
        }
    }

    /// Whether there are so many of it that they stand together in segments. These are the kinds that put
    /// a credential to use: see [`LastUse`](crate::LastUse).
    pub(crate) const fn is_bulk(self) -> bool {
        matches!(self, Self::TokenIssued | Self::TokenRefreshed)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such kind of activity")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownKind)
    }
}

/// A record to be written. What a stranger wrote in it (`client`, `user_agent`) is cut, cleaned of
/// control characters, and masked where it could be a secret, before it is queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Whose log.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: Kind,
    /// Who, by id; of an unknown client, what was sent as its id.
    pub client: Option<Cow<'a, str>>,
    /// The id of the secret or key that proved it.
    pub credential: Option<Cow<'a, str>>,
    /// The scopes granted, separated by spaces.
    pub scopes: Option<Cow<'a, str>>,
    /// The audience granted, separated by spaces.
    pub audience: Option<Cow<'a, str>>,
    /// The token's id.
    pub jti: Option<Cow<'a, str>>,
    /// When the token ends.
    pub expires_at: Option<Timestamp>,
    /// From where.
    pub address: Option<IpAddr>,
    /// With what software, as it says.
    pub user_agent: Option<Cow<'a, str>>,
    /// Why not, or how: a short name.
    pub reason: Option<&'static str>,
    /// The W3C trace in which it happened.
    pub trace_id: Option<Cow<'a, str>>,
    /// How often: more than once where it was counted instead of written each time.
    pub times: u32,
}

impl<'a> Entry<'a> {
    /// A record of something that happened once, of which nothing else is known yet.
    pub fn new(tenant: TenantId, at: Timestamp, kind: Kind) -> Self {
        Self {
            tenant,
            at,
            kind,
            client: None,
            credential: None,
            scopes: None,
            audience: None,
            jti: None,
            expires_at: None,
            address: None,
            user_agent: None,
            reason: None,
            trace_id: None,
            times: 1,
        }
    }

    pub(crate) fn cleaned(mut self) -> Self {
        self.client = self.client.map(text::client);
        self.user_agent = self.user_agent.map(text::user_agent);
        self
    }

    /// Of nothing that somebody else has.
    pub fn into_owned(self) -> Entry<'static> {
        let owned = |text: Option<Cow<'a, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Entry {
            client: owned(self.client),
            credential: owned(self.credential),
            scopes: owned(self.scopes),
            audience: owned(self.audience),
            jti: owned(self.jti),
            user_agent: owned(self.user_agent),
            trace_id: owned(self.trace_id),
            tenant: self.tenant,
            at: self.at,
            kind: self.kind,
            expires_at: self.expires_at,
            address: self.address,
            reason: self.reason,
            times: self.times,
        }
    }
}

/// A record as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its id, which is its place in the log too.
    pub id: ActivityId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: Kind,
    /// Who.
    pub client: Option<String>,
    /// The secret or key that proved it.
    pub credential: Option<String>,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// The audience granted.
    pub audience: Vec<String>,
    /// The token's id.
    pub jti: Option<String>,
    /// When the token ends.
    pub expires_at: Option<Timestamp>,
    /// From where.
    pub address: Option<String>,
    /// With what software, as it says.
    pub user_agent: Option<String>,
    /// Why not.
    pub reason: Option<String>,
    /// The W3C trace in which it happened.
    pub trace_id: Option<String>,
    /// How often.
    pub times: i64,
}
