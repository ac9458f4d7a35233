//! Why a command was not carried out: a rule's name for programs, a sentence for people.

use crate::{
    api::ApiRefusal, client::ClientRefusal, key_ring::KeyRingRefusal,
    secret_rotation::SecretRefusal, tenant::TenantRefusal, value::Faults,
};

/// Names the refusals of an aggregate, each with the rule's name on the wire.
macro_rules! refusals {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident $({ $($field:ident: $type:ty),* $(,)? })? = $rule:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[expect(missing_docs, reason = "the message of each variant is its documentation")]
        pub enum $name {
            $($(#[$variant_doc])* $variant $({ $($field: $type),* })?,)*
        }

        impl $name {
            /// The rule's name, as `extensions.refusal` has it.
            pub fn rule(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $rule,)* }
            }
        }
    };
}
pub(crate) use refusals;

/// Why a command was not carried out. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing, or the caller may not see it: the two are alike.
    #[error("there is no such {what}")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
    },
    /// The input does not fit what it changes; every faulty value is named.
    #[error("the input has {} faulty value(s)", .0.len())]
    Invalid(Faults),
    /// A rule of the tenant.
    #[error(transparent)]
    Tenant(#[from] TenantRefusal),
    /// A rule of the signing keys.
    #[error(transparent)]
    KeyRing(#[from] KeyRingRefusal),
    /// A rule of the API.
    #[error(transparent)]
    Api(#[from] ApiRefusal),
    /// A rule of the client.
    #[error(transparent)]
    Client(#[from] ClientRefusal),
    /// A rule of the client's secrets.
    #[error(transparent)]
    Secret(#[from] SecretRefusal),
}

impl Refusal {
    /// The rule's name, as `extensions.refusal` has it; `None` for what was not found
    /// and for faulty input.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } | Self::Invalid(_) => None,
            Self::Tenant(refusal) => Some(refusal.rule()),
            Self::KeyRing(refusal) => Some(refusal.rule()),
            Self::Api(refusal) => Some(refusal.rule()),
            Self::Client(refusal) => Some(refusal.rule()),
            Self::Secret(refusal) => Some(refusal.rule()),
        }
    }
}
