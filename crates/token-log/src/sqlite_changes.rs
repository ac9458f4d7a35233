//! What a batch on SQLite does beside its records: ids of assertions, and tokens that live. What many operations
//! want is one statement; each is a way to SQLite's thread and back.

use std::collections::HashSet;

use chancery_domain::{ClientId, FamilyId, TenantId, Timestamp};
use chancery_event_store::{StoreError, Tx, execute, fetch_all};
use serde::Serialize;

use crate::{
    operation::{Answer, Operation},
    refresh::Change,
    sqlite::json,
};

/// Which refresh tokens are the latest of their families.
const LATEST: &str = "SELECT value->>'ord' FROM json_each($1) JOIN refresh_families f
     ON f.tenant_id = value->>'tenant' AND f.family_id = value->>'family'
  WHERE f.current_hash = value->>'presented' AND f.revoked_at IS NULL";

/// An id that was forgotten may be used again.
const CLAIM: &str = "INSERT INTO assertion_ids (tenant_id, client_id, jti, expires_at)
     SELECT value->>'tenant', value->>'claim_client', value->>'claim_jti', value->>'claim_until'
       FROM json_each($1) WHERE true
         ON CONFLICT (tenant_id, client_id, jti) DO UPDATE SET expires_at = excluded.expires_at
            WHERE assertion_ids.expires_at < $2
  RETURNING tenant_id, client_id, jti";

const BEGIN: &str = "INSERT INTO refresh_families (tenant_id, family_id, client_id, credential_id,
            last_credential, scopes, audience, roles, began_at, expires_at, current_hash, forget_at)
     SELECT value->>'tenant', value->>'family', value->>'client', value->>'credential',
            value->>'credential', coalesce(value->>'scopes', ''), coalesce(value->>'audience', ''),
            value->>'roles', value->>'at', value->>'family_until', value->>'next',
            max(value->>'family_until', value->>'expires_at')
       FROM json_each($1)";

const ROTATE: &str = "UPDATE refresh_families
        SET current_hash = value->>'next', previous_hash = current_hash, rotated_at = value->>'at',
            last_credential = value->>'credential',
            forget_at = max(forget_at, value->>'expires_at')
       FROM json_each($1) WHERE tenant_id = value->>'tenant' AND family_id = value->>'family'";

const REVOKE: &str = "UPDATE refresh_families SET revoked_at = value->>'at'
       FROM json_each($1) WHERE tenant_id = value->>'tenant' AND family_id = value->>'family'
        AND revoked_at IS NULL";

const MARK: &str = "INSERT INTO access_tokens (tenant_id, jti, family_id, revoked_at, expires_at)
     SELECT value->>'tenant', value->>'jti', value->>'family', value->>'revoked_at', value->>'expires_at'
       FROM json_each($1) WHERE true
         ON CONFLICT (tenant_id, jti) DO UPDATE
            SET revoked_at = coalesce(access_tokens.revoked_at, excluded.revoked_at)";

/// An operation as the statements know it.
#[derive(Serialize)]
struct Asked<'a> {
    ord: usize,
    tenant: TenantId,
    at: i64,
    client: Option<&'a str>,
    credential: Option<&'a str>,
    scopes: Option<&'a str>,
    audience: Option<&'a str>,
    jti: Option<&'a str>,
    expires_at: Option<i64>,
    family: Option<FamilyId>,
    presented: Option<&'a str>,
    next: Option<&'a str>,
    roles: Option<&'a str>,
    family_until: Option<i64>,
    revoked_at: Option<i64>,
    claim_client: Option<ClientId>,
    claim_jti: Option<&'a str>,
    claim_until: Option<i64>,
    #[serde(skip)]
    change: Option<&'a Change>,
}

impl<'a> Asked<'a> {
    fn of(ord: usize, op: &'a Operation) -> Self {
        let (entry, change) = (&op.entry, op.change.as_ref());
        let begun = match change {
            Some(Change::Begin(new)) => Some(new),
            _ => None,
        };
        Self {
            ord,
            tenant: entry.tenant,
            at: entry.at.micros(),
            client: entry.client.as_deref(),
            credential: entry.credential.as_deref(),
            scopes: entry.scopes.as_deref(),
            audience: entry.audience.as_deref(),
            jti: entry.jti.as_deref(),
            expires_at: entry.expires_at.map(Timestamp::micros),
            family: change.and_then(Change::family),
            presented: match change {
                Some(Change::Rotate(rotation)) => Some(&rotation.presented),
                _ => None,
            },
            next: change.and_then(Change::next),
            roles: begun.map(|new| new.roles.as_str()),
            family_until: begun.map(|new| new.expires_at.micros()),
            revoked_at: match change {
                Some(Change::RevokeToken) => Some(entry.at.micros()),
                _ => None,
            },
            claim_client: op.assertion.as_ref().map(|used| used.client),
            claim_jti: op.assertion.as_ref().map(|used| used.jti.as_str()),
            claim_until: op.assertion.as_ref().map(|used| used.until.micros()),
            change,
        }
    }

    /// What no other operation may want in the same statement.
    fn keys(&self) -> impl Iterator<Item = Key<'a>> {
        let tenant = self.tenant;
        let family = self.family.map(|family| Key::Family(tenant, family));
        let token = self.change.and(self.jti).map(|jti| Key::Token(tenant, jti));
        let claim = self.claim_client.zip(self.claim_jti);
        let claim = claim.map(|(client, jti)| Key::Claim(tenant, client, jti));
        [family, token, claim].into_iter().flatten()
    }

    fn is_rotation(&self) -> bool {
        matches!(self.change, Some(Change::Rotate(_)))
    }
}

#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Family(TenantId, FamilyId),
    Token(TenantId, &'a str),
    Claim(TenantId, ClientId, &'a str),
}

/// Does what these operations want beside their records, and says of which it cannot be done: those do nothing
/// at all. It is as if they were done one after the other: operations that want the same thing come into
/// different rounds.
pub(crate) async fn take_places<'a>(
    tx: &mut Tx,
    operations: impl Iterator<Item = (usize, &'a Operation<'static>)>,
    answers: &mut [Answer],
) -> Result<(), StoreError> {
    let (mut round, mut wanted) = (Vec::new(), HashSet::new());
    for (ord, op) in operations {
        let asked = Asked::of(ord, op);
        if asked.keys().any(|key| wanted.contains(&key)) {
            take_place(tx, std::mem::take(&mut round), answers).await?;
            wanted.clear();
        }
        wanted.extend(asked.keys());
        round.push(asked);
    }
    take_place(tx, round, answers).await
}

/// No two of these want the same thing.
async fn take_place(
    tx: &mut Tx,
    mut round: Vec<Asked<'_>>,
    answers: &mut [Answer],
) -> Result<(), StoreError> {
    let mut refuse = |asked: &Asked<'_>, answer| {
        if let Some(place) = answers.get_mut(asked.ord) {
            *place = answer;
        }
    };
    let rotating = select(&round, Asked::is_rotation);
    if !rotating.is_empty() {
        let latest = fetch_all!(&mut *tx, (i64,), LATEST, json(&rotating)?)?;
        let latest: HashSet<_> = latest.into_iter().map(|(ord,)| ord).collect();
        round.retain(|asked| {
            let ord = i64::try_from(asked.ord);
            let able = !asked.is_rotation() || ord.is_ok_and(|ord| latest.contains(&ord));
            if !able {
                refuse(asked, Answer::RefreshUsed);
            }
            able
        });
    }
    let claiming = select(&round, |asked| asked.claim_jti.is_some());
    if let Some(forgotten) = claiming.iter().map(|asked| asked.at).min() {
        let json = json(&claiming)?;
        let won = fetch_all!(&mut *tx, (String, String, String), CLAIM, json, forgotten)?;
        let won: HashSet<_> = won.into_iter().collect();
        round.retain(|asked| {
            let (Some(client), Some(jti)) = (asked.claim_client, asked.claim_jti) else {
                return true;
            };
            let key = (asked.tenant.to_string(), client.to_string(), jti.to_owned());
            let able = won.contains(&key);
            if !able {
                refuse(asked, Answer::AssertionUsed);
            }
            able
        });
    }
    for (sql, wanted) in [
        (BEGIN, Wanted::Begin),
        (ROTATE, Wanted::Rotate),
        (REVOKE, Wanted::Revoke),
        (MARK, Wanted::Mark),
    ] {
        let asking = select(&round, |asked| wanted.by(asked.change));
        if !asking.is_empty() {
            execute!(tx, sql, json(&asking)?)?;
        }
    }
    Ok(())
}

fn select<'r, 'a>(
    round: &'r [Asked<'a>],
    these: impl Fn(&Asked<'a>) -> bool,
) -> Vec<&'r Asked<'a>> {
    round.iter().filter(|asked| these(asked)).collect()
}

/// What a statement is for.
enum Wanted {
    Begin,
    Rotate,
    Revoke,
    Mark,
}

impl Wanted {
    fn by(&self, change: Option<&Change>) -> bool {
        matches!(
            (self, change),
            (Self::Begin, Some(Change::Begin(_)))
                | (Self::Rotate, Some(Change::Rotate(_)))
                | (Self::Revoke, Some(Change::RevokeFamily(_)))
                | (
                    Self::Mark,
                    Some(Change::Begin(_) | Change::Rotate(_) | Change::RevokeToken)
                )
        )
    }
}
