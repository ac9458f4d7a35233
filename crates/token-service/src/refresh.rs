//! Refresh tokens (RFC 6749, section 6; RFC 9700, section 4.14): whether one that is presented is good.

use chancery_crypto::fingerprint;
use chancery_domain::{CredentialId, FamilyId, Timestamp, value::ScopeSet};
use chancery_token_log::{Family, RecordError};

use crate::{TokenService, client_auth::Proof, endpoint::Setback, error::Refusal, target::Bound};

/// For how long a token that was used may come again without harm, while its successor is unused, in
/// seconds: an answer was lost, or two asked at once.
const GRACE: i64 = 10;

/// Why a refresh token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrantRefusal {
    #[error("the refresh token is unknown, has expired, or is another client's")]
    Unknown,
    #[error("the refresh token has expired")]
    Expired,
    #[error("the refresh token was revoked")]
    Revoked,
    #[error("the refresh token was obtained with a credential that is compromised")]
    Compromised,
    #[error("the refresh token was just used; use the one that came instead of it")]
    Used,
    #[error("the refresh token was used before, so all that came from it are revoked")]
    Reused(FamilyId),
}

/// A refresh token that is about to be used.
pub(crate) struct Used {
    pub(crate) family: FamilyId,
    /// Its fingerprint.
    pub(crate) presented: String,
    /// What it was given for.
    pub(crate) bound: Bound,
}

/// Finds what the presented refresh token was given for, if it is good. It is not used yet.
pub(crate) async fn used(
    service: &TokenService,
    proof: &Proof,
    presented: &str,
    now: Timestamp,
) -> Result<Used, Setback> {
    let Some(seconds) = proof.tenant.tenant.policy.refresh_token_seconds else {
        return Err(Refusal::NoRefreshTokens.into());
    };
    let (id, family) = find(service, proof, presented)
        .await?
        .ok_or(GrantRefusal::Unknown)?;
    let presented = fingerprint(presented);
    judge(id, &family, &presented, seconds, trusted_by(proof), now)?;
    Ok(Used {
        family: id,
        presented,
        bound: bound(&family)?,
    })
}

/// The family of a refresh token that was issued to this client, whatever became of it.
pub(crate) async fn find(
    service: &TokenService,
    proof: &Proof,
    presented: &str,
) -> Result<Option<(FamilyId, Family)>, RecordError> {
    let client = proof.client.id;
    let Ok(id) = service
        .secrets()
        .check_refresh(&client.to_string(), presented)
    else {
        return Ok(None);
    };
    let id = FamilyId::from_bytes(id);
    let family = service.log().refresh_family(proof.tenant.id, id).await?;
    Ok(family
        .filter(|family| family.client == client)
        .map(|family| (id, family)))
}

/// Which of the client's credentials are not compromised.
pub(crate) fn trusted_by(proof: &Proof) -> impl Fn(CredentialId) -> bool {
    let client = &proof.client;
    move |credential| client.trusts(credential)
}

/// Whether the token is the latest of its family and the family is good. `seconds` is how long
/// families live by the policy that holds now.
pub(crate) fn judge(
    id: FamilyId,
    family: &Family,
    presented: &str,
    seconds: u32,
    trusted: impl Fn(CredentialId) -> bool,
    now: Timestamp,
) -> Result<(), GrantRefusal> {
    if family.revoked_at.is_some() {
        return Err(GrantRefusal::Revoked);
    }
    // It is one of ours, and not the latest. Where it is the one before, the latest is unused.
    if family.current != presented {
        let grace = family.rotated_at.map(|at| at.plus_seconds(GRACE));
        let lately = grace.is_some_and(|end| now <= end);
        return Err(match &family.previous {
            Some(previous) if previous == presented && lately => GrantRefusal::Used,
            _ => GrantRefusal::Reused(id),
        });
    }
    let ends = family.began_at.plus_seconds(i64::from(seconds));
    if ends.min(family.expires_at) <= now {
        return Err(GrantRefusal::Expired);
    }
    if [family.credential, family.last_credential]
        .into_iter()
        .all(trusted)
    {
        Ok(())
    } else {
        Err(GrantRefusal::Compromised)
    }
}

/// What the family was given for.
fn bound(family: &Family) -> Result<Bound, Refusal> {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(' ').filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let unreadable = |error: chancery_domain::Invalid| Refusal::Defect(error.into());
    Ok(Bound {
        audiences: words(&family.audience),
        scopes: ScopeSet::parse(&family.scopes).map_err(unreadable)?,
        roles: words(&family.roles)
            .iter()
            .map(|role| role.parse())
            .collect::<Result<_, _>>()
            .map_err(unreadable)?,
    })
}

#[cfg(test)]
mod tests {
    use chancery_domain::{ClientId, SecretId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);
    const DAY: u32 = 86_400;

    fn id() -> FamilyId {
        FamilyId::from_bytes([1; 16])
    }

    fn secret(number: u8) -> CredentialId {
        SecretId::from_bytes([number; 16]).into()
    }

    /// It began a minute ago, and `two` took the place of `one` just now.
    fn family() -> Family {
        let began_at = NOW.plus_seconds(-60);
        Family {
            client: ClientId::from_bytes([1; 16]),
            credential: secret(1),
            last_credential: secret(2),
            scopes: "a b".to_owned(),
            audience: "urn:x:one".to_owned(),
            roles: "clerk".to_owned(),
            began_at,
            expires_at: began_at.plus_seconds(i64::from(DAY)),
            current: "two".to_owned(),
            previous: Some("one".to_owned()),
            rotated_at: Some(NOW),
            revoked_at: None,
        }
    }

    fn judged(family: &Family, presented: &str, after: i64) -> Result<(), GrantRefusal> {
        judge(
            id(),
            family,
            presented,
            DAY,
            |_| true,
            NOW.plus_seconds(after),
        )
    }

    #[test]
    fn only_the_latest_is_good_and_the_one_before_is_borne_for_ten_seconds() {
        let reused = Err(GrantRefusal::Reused(id()));
        for (presented, after, verdict) in [
            ("two", 0, Ok(())),
            ("one", 0, Err(GrantRefusal::Used)),
            ("one", 10, Err(GrantRefusal::Used)),
            ("one", 11, reused),
            // A clock that is behind the one that rotated it.
            ("one", -5, Err(GrantRefusal::Used)),
            ("zero", 0, reused),
            ("", 0, reused),
        ] {
            assert_eq!(
                judged(&family(), presented, after),
                verdict,
                "{presented} {after}"
            );
        }
        let revoked = Family {
            revoked_at: Some(NOW),
            ..family()
        };
        for presented in ["two", "one", "zero"] {
            assert_eq!(judged(&revoked, presented, 20), Err(GrantRefusal::Revoked));
        }
    }

    #[test]
    fn it_ends_on_time_by_what_it_was_given_and_by_the_policy_of_now() {
        let last = i64::from(DAY) - 60;
        assert_eq!(judged(&family(), "two", last - 1), Ok(()));
        assert_eq!(judged(&family(), "two", last), Err(GrantRefusal::Expired));
        let by = |seconds| judge(id(), &family(), "two", seconds, |_| true, NOW);
        assert_eq!((by(61), by(60)), (Ok(()), Err(GrantRefusal::Expired)));
        // A longer policy does not prolong it, and reuse is told after its end too.
        let late = NOW.plus_seconds(last);
        let long = judge(id(), &family(), "two", 2 * DAY, |_| true, late);
        assert_eq!(long, Err(GrantRefusal::Expired));
        assert_eq!(
            judged(&family(), "one", last),
            Err(GrantRefusal::Reused(id()))
        );
    }

    #[test]
    fn the_credential_that_began_it_and_the_one_that_used_it_last_must_be_trusted() {
        for (compromised, verdict) in [
            (1, Err(GrantRefusal::Compromised)),
            (2, Err(GrantRefusal::Compromised)),
            (3, Ok(())),
        ] {
            let trusted = |credential| credential != secret(compromised);
            assert_eq!(judge(id(), &family(), "two", DAY, trusted, NOW), verdict);
        }
    }
}
