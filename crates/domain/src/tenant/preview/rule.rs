//! The rules that a policy can turn against what is there, and where that is found.

use crate::{tenant::AuthMethod, time::Timestamp};

/// A rule that a policy can turn against what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyRule {
    /// The way in which clients authenticate is allowed no longer.
    AuthMethodNotAllowed,
    /// One of the two ways to send a secret is allowed no longer.
    SecretWayTurnedOff,
    /// Clients need a name.
    NameRequired,
    /// Clients carry no metadata.
    MetadataNotAllowed,
    /// Clients need an end.
    ExpiryRequired,
    /// Clients end earlier.
    LifetimeTooLong,
    /// Secrets end earlier.
    SecretLivesTooLong,
    /// Clients have fewer secrets at once.
    TooManyLiveSecrets,
    /// There are no refresh tokens any more.
    RefreshTokensTurnedOff,
    /// Tokens are signed in another way.
    SigningAlgorithmChanged,
    /// A rotation that does not say otherwise is refused.
    RotationNeedsNoOverlap,
}

/// What it means to stand against a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyEffect {
    /// It gets no token any more, from that moment.
    Stops,
    /// It may stop, which depends on what the client or its APIs do.
    MayStop,
    /// It goes on as it is; the next change of what stands against the rule has to keep to it.
    Stands,
}

/// Where those are found that stand against a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every client of the tenant.
    Everybody,
    /// Clients that authenticate so.
    Method(AuthMethod),
    /// Clients without a name.
    Unnamed,
    /// Clients with metadata.
    WithMetadata,
    /// Clients without an end.
    WithoutEnd,
    /// Clients that end later than that.
    EndingAfter(Timestamp),
    /// Clients with a secret that lives longer, in microseconds.
    SecretsLivingOver(i64),
    /// Clients with more live secrets.
    SecretsOver(u32),
}

impl PolicyRule {
    /// What it means to stand against it.
    pub fn effect(self) -> PolicyEffect {
        match self {
            Self::AuthMethodNotAllowed => PolicyEffect::Stops,
            Self::SecretWayTurnedOff
            | Self::RefreshTokensTurnedOff
            | Self::SigningAlgorithmChanged => PolicyEffect::MayStop,
            Self::NameRequired
            | Self::MetadataNotAllowed
            | Self::ExpiryRequired
            | Self::LifetimeTooLong
            | Self::SecretLivesTooLong
            | Self::TooManyLiveSecrets
            | Self::RotationNeedsNoOverlap => PolicyEffect::Stands,
        }
    }
}
