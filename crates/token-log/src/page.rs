//! Reading the log.

use chancery_domain::{ActivityId, TenantId, Timestamp};
use chancery_event_store::{StoreError, fetch_all};

use crate::{
    activity::{Activity, Kind},
    log::TokenLog,
    place::Place,
};

/// What of a tenant's log is asked for; what is left out does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<Kind>,
    /// Of this client: an id, or what was sent as one.
    pub client: Option<String>,
    /// With this secret or key.
    pub credential: Option<String>,
    /// For this reason.
    pub reason: Option<String>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    at: i64,
    position: i64,
    kind: String,
    client_id: Option<String>,
    credential_id: Option<String>,
    scopes: Option<String>,
    audience: Option<String>,
    jti: Option<String>,
    expires_at: Option<i64>,
    address: Option<String>,
    user_agent: Option<String>,
    reason: Option<String>,
    trace_id: Option<String>,
    times: i64,
}

impl TokenLog {
    /// At most `limit` records of the tenant after this one, newest last. Fewer than `limit`: this
    /// was the end.
    ///
    /// Two nodes may write at the same moment, so a reader that follows the log should stay a few
    /// seconds behind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        tenant: TenantId,
        after: Option<ActivityId>,
        limit: u32,
        filter: &ActivityFilter,
    ) -> Result<Vec<Activity>, StoreError> {
        let after = after.map(Place::from);
        let sql = query(self.schema(), after.is_some(), filter);
        let after = after.unwrap_or(Place { at: 0, position: 0 });
        let rows = fetch_all!(
            self.database(),
            Row,
            &sql,
            tenant.to_string(),
            i64::from(limit),
            after.at,
            after.position,
            filter.client.as_deref(),
            filter.credential.as_deref(),
            filter.reason.as_deref(),
            filter.since.map(Timestamp::micros),
            filter.until.map(Timestamp::micros),
        )?;
        rows.into_iter().map(Row::read).collect()
    }
}

/// Only what is asked for is in the text, so that the right index is used; what is bound beside it
/// is not looked at.
fn query(schema: &str, follows: bool, filter: &ActivityFilter) -> String {
    let kinds: Vec<_> = filter
        .kinds
        .iter()
        .map(|kind| format!("'{kind}'"))
        .collect();
    let clauses = [
        // The first condition is for the planners: the second alone does not prune days.
        follows.then(|| "at >= $3 AND (at, position) > ($3, $4)".to_owned()),
        filter.client.as_ref().map(|_| "client_id = $5".to_owned()),
        filter
            .credential
            .as_ref()
            .map(|_| "credential_id = $6".to_owned()),
        filter.reason.as_ref().map(|_| "reason = $7".to_owned()),
        filter.since.map(|_| "at >= $8".to_owned()),
        filter.until.map(|_| "at < $9".to_owned()),
        (!kinds.is_empty()).then(|| format!("kind IN ({})", kinds.join(", "))),
        // So that the index without the bulk is seen to fit.
        (!kinds.is_empty() && !filter.kinds.contains(&Kind::TokenIssued))
            .then(|| "kind <> 'token_issued'".to_owned()),
    ];
    let asked = [Some("tenant_id = $1".to_owned())];
    let clauses: Vec<_> = asked.into_iter().chain(clauses).flatten().collect();
    let clauses = clauses.join(" AND ");
    format!(
        "SELECT at, position, kind, client_id, credential_id, scopes, audience, jti, expires_at,
                address, user_agent, reason, trace_id, times
           FROM {schema}.activity WHERE {clauses} ORDER BY at, position LIMIT $2"
    )
}

impl Row {
    fn read(self) -> Result<Activity, StoreError> {
        let kind = self.kind.parse().map_err(|_| {
            StoreError::Corrupt(format!("activity of the unknown kind `{}`", self.kind))
        })?;
        let words = |text: Option<String>| {
            text.iter()
                .flat_map(|text| text.split(' '))
                .filter(|word| !word.is_empty())
                .map(ToOwned::to_owned)
                .collect()
        };
        Ok(Activity {
            id: Place {
                at: self.at,
                position: self.position,
            }
            .into(),
            at: Timestamp::from_micros(self.at),
            kind,
            client: self.client_id,
            credential: self.credential_id,
            scopes: words(self.scopes),
            audience: words(self.audience),
            jti: self.jti,
            expires_at: self.expires_at.map(Timestamp::from_micros),
            address: self.address,
            user_agent: self.user_agent,
            reason: self.reason,
            trace_id: self.trace_id,
            times: self.times,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chancery_testkit::{clock::TestClock, stores::TestStore};

    use super::*;
    use crate::log::TokenLogConfig;

    #[tokio::test]
    async fn every_question_to_sqlite_is_answered_by_an_index() {
        let store = TestStore::sqlite().await;
        let config = TokenLogConfig::beside(store.database().location());
        let clock = Arc::new(TestClock::default());
        let log = TokenLog::open(&config, store.another().await, clock)
            .await
            .unwrap();
        let any = ActivityFilter::default;
        let some = || Some("x".to_owned());
        let since = Some(Timestamp::from_micros(1));
        for (filter, index) in [
            (any(), "activity_tenant_idx"),
            (ActivityFilter { since, ..any() }, "activity_tenant_idx"),
            (
                ActivityFilter {
                    client: some(),
                    ..any()
                },
                "activity_client_idx",
            ),
            (
                ActivityFilter {
                    credential: some(),
                    ..any()
                },
                "activity_credential_idx",
            ),
            (
                ActivityFilter {
                    reason: some(),
                    ..any()
                },
                "activity_reason_idx",
            ),
            (
                ActivityFilter {
                    kinds: vec![Kind::RollRead],
                    ..any()
                },
                "activity_kind_idx",
            ),
        ] {
            for follows in [false, true] {
                let sql = format!("EXPLAIN QUERY PLAN {}", query("main", follows, &filter));
                let plan = fetch_all!(log.database(), (i64, i64, i64, String), &sql).unwrap();
                // One step: nothing is sorted either.
                let [(.., step)] = &plan[..] else {
                    panic!("{filter:?}: {plan:?}")
                };
                let index = format!("SEARCH main.activity USING INDEX {index}");
                assert!(step.starts_with(&index), "{filter:?}: {step}");
            }
        }
    }
}
