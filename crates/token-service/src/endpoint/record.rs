//! What a request leaves behind in the activity log.

use chancery_domain::{TenantId, Timestamp, value::Slug};
use chancery_token_log::{Answer, Change, Entry, Kind, Operation, RecordError};
use http::header::USER_AGENT;

use super::{Request, Seen, Served, Setback};
use crate::{client_auth::Denial, error::Refusal, refresh::GrantRefusal};

impl<'a> Request<'a> {
    /// A record of what happens here, of which only the circumstances are known.
    pub(crate) fn entry(&self, tenant: TenantId, now: Timestamp, kind: Kind) -> Entry<'a> {
        let arrival = self.arrival;
        let user_agent = arrival.headers.get(USER_AGENT);
        Entry {
            address: Some(arrival.address),
            user_agent: user_agent.map(|value| String::from_utf8_lossy(value.as_bytes())),
            trace_id: Some(arrival.trace.trace_id().into()),
            ..Entry::new(tenant, now, kind)
        }
    }

    /// Records something that is durable when this returns: the client's doing, by which its assertion
    /// is used up.
    pub(crate) async fn record(&self, operation: Operation<'_>) -> Result<(), Setback> {
        recorded(self.service.log().record(operation).await)
    }

    /// What a refused request leaves behind before it is answered. An assertion that proved its client
    /// is good for nothing else afterwards, and one that was used before is told nothing of the
    /// request. A refresh token that came again takes its family with it.
    pub(super) async fn use_up(
        &self,
        refusal: Refusal,
        seen: &mut Seen,
    ) -> Result<Served, Refusal> {
        let (Some(reason), Some(proved)) = (refusal.reason(), seen.proved.take()) else {
            return Err(refusal);
        };
        let reused = match refusal {
            Refusal::Grant(GrantRefusal::Reused(family)) => Some(Change::RevokeFamily(family)),
            _ => None,
        };
        if proved.assertion.is_none() && reused.is_none() {
            return Err(refusal);
        }
        let now = self.service.clock().now();
        let kind = match reused {
            Some(_) => Kind::RefreshReused,
            None => Kind::TokenDenied,
        };
        let operation = Operation {
            entry: Entry {
                client: seen.sent.take().map(Into::into),
                credential: reused
                    .as_ref()
                    .map(|_| proved.credential.to_string().into()),
                reason: Some(reason),
                ..self.entry(proved.tenant, now, kind)
            },
            seen: None,
            assertion: proved.assertion,
            change: reused,
        };
        seen.noted = true;
        match self.service.log().record(operation).await {
            Ok(Answer::AssertionUsed) => {
                self.service.failures().count(self.arrival.address, now);
                Err(Denial::AssertionUsed.into())
            }
            Ok(Answer::Recorded | Answer::HeadMoved(_) | Answer::RefreshUsed) => Err(refusal),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes note of a denial, without waiting for it.
    pub(super) fn note(&self, refusal: &Refusal, seen: &mut Seen) {
        if seen.noted {
            return;
        }
        let (Some(reason), Ok(slug)) = (refusal.reason(), Slug::parse(&self.arrival.slug)) else {
            return;
        };
        // Its tenant comes later.
        let nobody = TenantId::from_bytes([0; 16]);
        let entry = Entry {
            client: seen.sent.take().map(Into::into),
            credential: refusal.credential().map(|secret| secret.to_string().into()),
            reason: Some(reason),
            ..self.entry(nobody, self.service.clock().now(), Kind::TokenDenied)
        };
        // Whoever is beyond the limit of an address makes nobody look anything up.
        let may_look_up = !matches!(refusal, Refusal::AddressLimit { .. });
        self.service.note(&slug, may_look_up, entry);
    }
}

/// What became of an operation that the client's token or answer depends on.
pub(crate) fn recorded(answer: Result<Answer, RecordError>) -> Result<(), Setback> {
    match answer {
        Ok(Answer::Recorded) => Ok(()),
        Ok(Answer::HeadMoved(_) | Answer::RefreshUsed) => Err(Setback::Overtaken),
        Ok(Answer::AssertionUsed) => Err(Setback::Unproved(Denial::AssertionUsed)),
        Err(error) => Err(Setback::Refused(error.into())),
    }
}
