//! What creating and changing a client have in common.

use chancery_domain::{Faults, Invalid, client::Expiry, json::JsonObject, value::ClientJwks};

use crate::{
    input::number,
    scalars::{DateTime, Json},
};

/// How large metadata may be, in bytes of its compact JSON.
const MAX_METADATA: usize = 4096;

pub(super) fn metadata(given: Json) -> Result<JsonObject, Invalid> {
    JsonObject::parse(given.0, MAX_METADATA)
}

pub(super) fn in_days(given: i64) -> Result<Expiry, Invalid> {
    number(given).map(Expiry::InDays)
}

pub(super) fn at(given: &DateTime) -> Result<Expiry, Invalid> {
    given.parse().map(Expiry::At)
}

pub(super) fn jwks(faults: &mut Faults, given: Option<Json>) -> Option<ClientJwks> {
    given.and_then(|given| ClientJwks::parse("jwks", given.0, faults))
}

/// The end was given twice.
pub(super) fn two_ends() -> Invalid {
    Invalid::new(
        "one_of",
        "must not be given beside `expiresAt`; give one of them",
    )
}
