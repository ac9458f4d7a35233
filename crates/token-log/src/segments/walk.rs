//! The records of segments in the order of the log. A segment is read when all before it are.

use std::collections::{BTreeMap, VecDeque};

use chancery_domain::TenantId;
use chancery_event_store::{Snapshot, StoreError, fetch_all, fetch_one};

use crate::{
    activity::Activity,
    filter::{ActivityFilter, InSegments, Range},
    place::Place,
    segments::{bloom, hour_of, line},
};

/// How many segments are looked up at once.
const LISTED: i64 = 32;

/// What it costs to learn from a segment's summary that nothing in it is asked for, in records.
const SUMMARY: usize = 10;

/// Records that were found, in their order, and are not yet given on.
pub(crate) type Found = BTreeMap<Place, Activity>;

/// What is known of a segment before it is read.
#[derive(sqlx::FromRow)]
struct Listed {
    first_at: i64,
    position: i64,
    last_at: i64,
    last_position: i64,
    /// None where nobody asks for it.
    summary: Option<Vec<u8>>,
}

/// How far the segments of one tenant have been read.
pub(crate) struct Walk<'a> {
    schema: &'a str,
    tenant: String,
    filter: &'a ActivityFilter,
    wanted: InSegments,
    /// From where on fresh records are not read yet, where there are any.
    fresh: Option<Place>,
    /// The next segments.
    listed: VecDeque<Listed>,
    /// After which of them others follow; nothing when all are listed.
    cursor: Option<(i64, i64)>,
    /// How many records were looked at.
    pub(crate) examined: usize,
    /// The last place that was looked at.
    pub(crate) reached: Option<Place>,
}

impl<'a> Walk<'a> {
    /// All that is wanted of the bulk and passes the filter.
    pub(crate) async fn begin(
        snapshot: &mut Snapshot,
        schema: &'a str,
        tenant: TenantId,
        filter: &'a ActivityFilter,
        wanted: InSegments,
    ) -> Result<Self, StoreError> {
        let mut walk = Self {
            schema,
            tenant: tenant.to_string(),
            filter,
            wanted,
            fresh: None,
            listed: VecDeque::new(),
            cursor: None,
            examined: 0,
            reached: None,
        };
        let low = walk.wanted.range.after;
        if !walk.wanted.range.is_empty() && !walk.wanted.nothing {
            walk.cursor = Some((hour_of(low.at), -1));
            let sql = format!(
                "SELECT MIN(first_at) FROM {schema}.activity_fresh WHERE tenant_id = $1 AND last_at >= $2"
            );
            let tenant = walk.tenant.as_str();
            let (first,) = fetch_one!(&mut *snapshot, (Option<i64>,), &sql, tenant, low.at)?;
            walk.fresh = first.map(|at| Place { at, position: 0 });
            walk.list(snapshot).await?;
        }
        Ok(walk)
    }

    /// Everything before this place is found; nothing: everything is.
    pub(crate) fn horizon(&self) -> Option<Place> {
        let listed = self.listed.front().map(|listed| Place {
            at: listed.first_at,
            position: listed.position,
        });
        let before = self.wanted.range.before;
        self.fresh
            .into_iter()
            .chain(listed)
            .filter(|place| before.is_none_or(|before| *place < before))
            .min()
    }

    /// Reads what comes next.
    pub(crate) async fn advance(
        &mut self,
        snapshot: &mut Snapshot,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        if self.fresh.is_some() && self.fresh == self.horizon() {
            self.fresh = None;
            return self.read_fresh(snapshot, found).await;
        }
        let Some(next) = self.listed.pop_front() else {
            return Ok(());
        };
        let summary = next.summary.unwrap_or_default();
        let mut marks = self.wanted.marks.iter();
        if marks.all(|mark| bloom::may_hold(&summary, *mark)) {
            self.read(snapshot, next.position, found).await?;
        } else {
            self.examined += SUMMARY;
            self.reach(Place {
                at: next.last_at,
                position: next.last_position,
            });
        }
        if self.listed.is_empty() {
            self.list(snapshot).await?;
        }
        Ok(())
    }

    async fn list(&mut self, snapshot: &mut Snapshot) -> Result<(), StoreError> {
        let Some((first_at, position)) = self.cursor else {
            return Ok(());
        };
        let Range { after, before } = self.wanted.range;
        let sql = list(self.schema, before.is_some(), &self.wanted);
        let rows = fetch_all!(
            snapshot,
            Listed,
            &sql,
            self.tenant.as_str(),
            first_at,
            position,
            after.at,
            after.position,
            before.map(|before| before.at),
            self.wanted.alive_at,
            LISTED
        )?;
        let all = i64::try_from(rows.len()).is_ok_and(|rows| rows < LISTED);
        let last = rows.last().map(|last| (last.first_at, last.position));
        self.cursor = last.filter(|_| !all);
        self.listed = rows.into();
        Ok(())
    }

    async fn read_fresh(
        &mut self,
        snapshot: &mut Snapshot,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT position, body FROM {}.activity_fresh WHERE tenant_id = $1 AND last_at >= $2",
            self.schema
        );
        let after = self.wanted.range.after.at;
        let rows = fetch_all!(snapshot, (i64, String), &sql, self.tenant.as_str(), after)?;
        for (position, body) in rows {
            self.keep(&body, position.., found)?;
        }
        Ok(())
    }

    async fn read(
        &mut self,
        snapshot: &mut Snapshot,
        position: i64,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT runs, body FROM {}.activity_segments WHERE tenant_id = $1 AND position = $2",
            self.schema
        );
        let tenant = self.tenant.as_str();
        let (runs, body) = fetch_one!(snapshot, (String, String), &sql, tenant, position)?;
        let numbers = numbers(&runs)?;
        self.keep(&body, numbers.into_iter(), found)
    }

    /// Keeps of a body what is asked for.
    fn keep(
        &mut self,
        body: &str,
        numbers: impl Iterator<Item = i64>,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        for (line, position) in line::decode(body)?.iter().zip(numbers) {
            let place = Place {
                at: line.at,
                position,
            };
            if !self.wanted.range.holds(place) {
                continue;
            }
            self.examined += 1;
            self.reach(place);
            if self.filter.lets_through(&line.marks()?) {
                found.insert(place, line.read(position)?);
            }
        }
        Ok(())
    }

    fn reach(&mut self, place: Place) {
        let place = match self.wanted.range.before {
            Some(before) => place.min(before.previous()),
            None => place,
        };
        self.reached = self.reached.max(Some(place));
    }
}

/// The numbers of the records in a body.
pub(crate) fn numbers(runs: &str) -> Result<Vec<i64>, StoreError> {
    let runs: Vec<(i64, i64)> = serde_json::from_str(runs).map_err(|error| {
        StoreError::Corrupt(format!("a segment of activity has no runs: {error}"))
    })?;
    Ok(runs
        .into_iter()
        .flat_map(|(first, records)| first..first + records)
        .collect())
}

/// Segments begin within the hour of their last record, so an index finds those that reach beyond a place
/// from the beginning of its hour.
fn list(schema: &str, ends: bool, wanted: &InSegments) -> String {
    let clauses = [
        (ends, "AND first_at <= $6"),
        (wanted.rare, "AND rare > 0"),
        (wanted.alive_at.is_some(), "AND expires_at > $7"),
    ];
    let clauses: Vec<_> = clauses
        .iter()
        .filter_map(|(asked, clause)| asked.then_some(*clause))
        .collect();
    let summary = if wanted.marks.is_empty() {
        "NULL"
    } else {
        "summary"
    };
    format!(
        "SELECT first_at, position, last_at, last_position, {summary} AS summary FROM {schema}.activity_segments
          WHERE tenant_id = $1 AND first_at >= $2 AND (first_at, position) > ($2, $3)
            AND (last_at, last_position) > ($4, $5) {}
          ORDER BY first_at, position LIMIT $8",
        clauses.join(" ")
    )
}
