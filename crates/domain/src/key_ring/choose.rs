//! What the policy and the APIs want of the ring.

use super::{KeyRing, KeyRingEvent, KeyRingRefusal, LEAD_SECONDS, NewKey};
use crate::{
    change::ChangeSet,
    id::{ApiId, TenantId},
    stream::StreamId,
    tenant::SigningAlgorithm,
    time::Timestamp,
};

/// Who is to sign with another algorithm.
#[derive(Clone, Copy)]
pub(crate) enum Switch {
    /// The tenant's tokens, or those of an API that has been there.
    Of(Option<ApiId>),
    /// The tokens of an API that is just made: nobody has verified any.
    OfNew(ApiId),
}

/// What it takes for the tenant's tokens, or those of one of its APIs, to be signed with an algorithm, or
/// with none of their own: a key, and that the ring knows it.
///
/// A verifier that keeps the key set for the time that it was told must always have the key of the token
/// in its hands. So an algorithm's keys are in the set from now on, and it signs once the lead has passed;
/// until then the one before does. A key whose algorithm went out of use signs again.
///
/// # Errors
/// [`KeyRingRefusal::NoActiveKey`].
pub(crate) fn chosen(
    ring: &KeyRing,
    tenant: TenantId,
    (who, algorithm): (Switch, Option<SigningAlgorithm>),
    new: Option<&NewKey>,
    now: Timestamp,
) -> Result<ChangeSet, KeyRingRefusal> {
    let mut change = ChangeSet::default();
    let mut known = None;
    if let Some(algorithm) = algorithm {
        known = ring.known_to_all(algorithm, now);
        if known.is_none() {
            match new {
                Some(key) if key.algorithm == algorithm => {
                    change = key.added(tenant, (now, now), ring.rotation_days);
                    known = Some(now.plus_seconds(LEAD_SECONDS));
                }
                _ => return Err(KeyRingRefusal::NoActiveKey { algorithm }),
            }
        }
    } else if let Some(algorithm) = ring.algorithms.of_tenant(now) {
        known = ring.known_to_all(algorithm, now);
    }
    let (api, signs_from) = match who {
        Switch::Of(api) => (api, known.filter(|known| *known > now)),
        Switch::OfNew(api) => (Some(api), None),
    };
    change.push(
        StreamId::KeyRing(tenant),
        KeyRingEvent::AlgorithmChosen {
            api,
            algorithm,
            chosen_at: now,
            signs_from,
        },
    );
    Ok(change)
}

/// What it takes for keys to be followed by others after so many days.
pub(crate) fn scheduled(ring: &KeyRing, tenant: TenantId, rotation_days: Option<u32>) -> ChangeSet {
    let event = KeyRingEvent::KeyRotationScheduled { rotation_days };
    let changed = ring.rotation_days != rotation_days;
    ChangeSet::of(StreamId::KeyRing(tenant), changed.then_some(event))
}
