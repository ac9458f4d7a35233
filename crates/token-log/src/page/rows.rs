//! What is rare in the log: a row each, found by an index.

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{Snapshot, StoreError, fetch_all};

use crate::{
    activity::{Activity, Kind},
    filter::{ActivityFilter, Leg, Marks, Range},
    place::Place,
    segments::{line::words, walk::Found},
    way::Way,
};

/// How many are read at once, at most. The first time it is one more than the page holds; each time
/// after that, four times as many.
const BATCH: usize = 2_000;

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

/// How far the rows of one tenant have been read.
pub(super) struct Rows<'a> {
    schema: &'a str,
    tenant: String,
    filter: &'a ActivityFilter,
    legs: Vec<Leg<'a>>,
    range: Range,
    way: Way,
    /// How many are read the next time, and at the most.
    batch: usize,
    first: usize,
    most: usize,
    is_done: bool,
    /// How many were looked at.
    pub(super) examined: usize,
    /// The last place that was looked at.
    pub(super) reached: Option<Place>,
}

impl<'a> Rows<'a> {
    /// Those within the range that pass the filter, for a page of so many, of which so many may be looked
    /// at.
    pub(super) fn new(
        schema: &'a str,
        tenant: TenantId,
        (range, way): (Range, Way),
        filter: &'a ActivityFilter,
        (limit, most): (usize, usize),
    ) -> Self {
        let legs = filter.legs();
        Self {
            schema,
            tenant: tenant.to_string(),
            filter,
            is_done: legs.is_empty() || range.is_empty(),
            legs,
            range,
            way,
            batch: limit + 1,
            first: limit + 1,
            most,
            examined: 0,
            reached: None,
        }
    }

    /// Everything before this place is found; nothing: everything is.
    pub(super) fn horizon(&self) -> Option<Place> {
        (!self.is_done).then(|| self.way.begin(self.range))
    }

    /// Reads what comes next.
    pub(super) async fn advance(
        &mut self,
        snapshot: &mut Snapshot,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for leg in &self.legs {
            rows.extend(self.leg(snapshot, *leg).await?);
        }
        rows.sort_unstable_by_key(Row::place);
        if self.way == Way::Back {
            rows.reverse();
        }
        rows.truncate(self.batch);
        self.is_done = rows.len() < self.batch;
        self.examined += rows.len();
        if let Some(last) = rows.last() {
            self.reached = Some(last.place());
            self.range = self.way.rest(self.range, last.place());
        }
        for row in rows {
            let place = row.place();
            if self.filter.lets_through(&row.marks()?) {
                found.insert(place, row.read()?);
            }
        }
        let next = (self.batch * 4).min(BATCH.max(self.first));
        self.batch = next.min(self.most.saturating_sub(self.examined)).max(1);
        Ok(())
    }

    /// What comes next on one of the ways.
    async fn leg(&self, snapshot: &mut Snapshot, leg: Leg<'_>) -> Result<Vec<Row>, StoreError> {
        let Range { after, before } = self.range;
        let sql = query(self.schema, leg, (before.is_some(), self.way));
        fetch_all!(
            snapshot,
            Row,
            &sql,
            self.tenant.as_str(),
            i64::try_from(self.batch).unwrap_or(i64::MAX),
            after.at,
            after.position,
            leg.condition().1,
            before.map(|before| before.at),
            before.map(|before| before.position),
        )
    }
}

/// Only what is asked for is in the text, so that the right index is used; what is bound beside it
/// is not looked at.
pub(super) fn query(schema: &str, leg: Leg<'_>, (ends, way): (bool, Way)) -> String {
    let condition = leg.condition().0;
    // The first condition of each pair is for the planners: the second alone does not prune days.
    let end = if ends {
        "AND at <= $6 AND (at, position) < ($6, $7)"
    } else {
        ""
    };
    let order = way.order();
    format!(
        "SELECT at, position, kind, client_id, credential_id, scopes, audience, jti, expires_at,
                address, user_agent, reason, trace_id, times
           FROM {schema}.activity
          WHERE tenant_id = $1 {condition} AND at >= $3 AND (at, position) > ($3, $4) {end}
          ORDER BY at {order}, position {order} LIMIT $2"
    )
}

impl Row {
    fn place(&self) -> Place {
        Place {
            at: self.at,
            position: self.position,
        }
    }

    fn kind(&self) -> Result<Kind, StoreError> {
        let unknown =
            |_| StoreError::Corrupt(format!("activity of the unknown kind `{}`", self.kind));
        self.kind.parse().map_err(unknown)
    }

    fn marks(&self) -> Result<Marks<'_>, StoreError> {
        Ok(Marks {
            kind: self.kind()?,
            client: self.client_id.as_deref(),
            credential: self.credential_id.as_deref(),
            reason: self.reason.as_deref(),
            jti: self.jti.as_deref(),
            trace_id: self.trace_id.as_deref(),
        })
    }

    fn read(self) -> Result<Activity, StoreError> {
        Ok(Activity {
            id: self.place().into(),
            at: Timestamp::from_micros(self.at),
            kind: self.kind()?,
            client: self.client_id,
            credential: self.credential_id,
            scopes: words(self.scopes.as_deref()),
            audience: words(self.audience.as_deref()),
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
