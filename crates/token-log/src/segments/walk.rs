//! The records of segments in the order of the log. A segment is read when all before it are.

use std::collections::{BTreeMap, btree_map::OccupiedEntry};

use chancery_domain::TenantId;
use chancery_event_store::{Snapshot, StoreError, fetch_all, fetch_one};

use crate::{
    activity::Activity,
    filter::{ActivityFilter, InSegments, Range},
    place::Place,
    segments::{HOUR, bloom, body, hour_of},
    way::Way,
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

impl Listed {
    /// No record of it is before this place.
    fn begin(&self) -> Place {
        Place {
            at: self.first_at,
            position: self.position,
        }
    }

    /// None is after this one.
    fn end(&self) -> Place {
        Place {
            at: self.last_at,
            position: self.last_position,
        }
    }
}

/// How far the segments of one tenant have been read.
pub(crate) struct Walk<'a> {
    schema: &'a str,
    tenant: String,
    filter: &'a ActivityFilter,
    wanted: InSegments,
    way: Way,
    /// From where on fresh records are not read yet, where there are any.
    fresh: Option<Place>,
    /// The next segments, by where each is come to.
    listed: BTreeMap<Place, Listed>,
    /// After which of them others follow, by where they begin; nothing when all are listed.
    cursor: Option<Place>,
    /// How many records were looked at.
    pub(crate) examined: usize,
    /// How many segments were read, not by their summaries.
    pub(crate) read: usize,
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
        (wanted, way): (InSegments, Way),
    ) -> Result<Self, StoreError> {
        let mut walk = Self {
            schema,
            tenant: tenant.to_string(),
            filter,
            wanted,
            way,
            fresh: None,
            listed: BTreeMap::new(),
            cursor: None,
            examined: 0,
            read: 0,
            reached: None,
        };
        let range = walk.wanted.range;
        if !range.is_empty() && !walk.wanted.nothing {
            walk.cursor = Some(match way {
                // A segment that reaches into the range begins within the hour.
                Way::Forth => Place::start(hour_of(range.after.at)).previous(),
                Way::Back => range.before.unwrap_or(Place::END),
            });
            let sql = fresh(schema, "MIN(first_at), MAX(last_at)");
            let (first, last) = fetch_one!(
                &mut *snapshot,
                (Option<i64>, Option<i64>),
                &sql,
                walk.tenant.as_str(),
                range.after.at,
                range.before.map_or(i64::MAX, |before| before.at)
            )?;
            walk.fresh = match way {
                Way::Forth => first.map(Place::start),
                Way::Back => last.map(|at| Place::start(at.saturating_add(1)).previous()),
            };
            if way == Way::Forth {
                walk.list(snapshot).await?;
            }
        }
        Ok(walk)
    }

    /// Everything before this place is found; nothing: everything is.
    pub(crate) fn horizon(&self) -> Option<Place> {
        let listed = match self.way {
            Way::Forth => self.listed.first_key_value(),
            Way::Back => self.listed.last_key_value(),
        };
        let listed = listed.map(|(place, _)| *place);
        let places = [self.fresh, listed, self.unlisted()].into_iter().flatten();
        let place = places.reduce(|one, other| self.way.first(one, other))?;
        let Range { after, before } = self.wanted.range;
        match self.way {
            Way::Forth => Some(place).filter(|place| before.is_none_or(|before| *place < before)),
            Way::Back => {
                Some(place.min(self.way.begin(self.wanted.range))).filter(|place| after < *place)
            }
        }
    }

    /// Where segments may be that are not listed. They are listed by where they begin: forth that is where they are come to;
    /// back they are come to where they end, which is within the same hour.
    fn unlisted(&self) -> Option<Place> {
        let cursor = self.cursor.filter(|_| self.way == Way::Back)?;
        Some(Place::start(hour_of(cursor.at).saturating_add(HOUR)).previous())
    }

    /// Reads what comes next.
    pub(crate) async fn advance(
        &mut self,
        snapshot: &mut Snapshot,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        let way = self.way;
        let is_first = |place: Option<Place>, others: [Option<Place>; 2]| {
            let mut others = others.into_iter().flatten();
            place.is_some_and(|place| others.all(|other| !way.is_before(other, place)))
        };
        let listed = way.next(&mut self.listed).map(|listed| *listed.key());
        let unlisted = self.unlisted();
        if is_first(unlisted, [self.fresh, listed]) {
            return self.list(snapshot).await;
        }
        if is_first(self.fresh, [unlisted, listed]) {
            self.fresh = None;
            return self.read_fresh(snapshot, found).await;
        }
        let Some(next) = way.next(&mut self.listed).map(OccupiedEntry::remove) else {
            return Ok(());
        };
        let summary = next.summary.as_deref().unwrap_or_default();
        let mut marks = self.wanted.marks.iter();
        if marks.all(|mark| bloom::may_hold(summary, *mark)) {
            self.read(snapshot, next.position, found).await?;
        } else {
            self.examined += SUMMARY;
            self.reach(match way {
                Way::Forth => next.end(),
                Way::Back => next.begin(),
            });
        }
        if way == Way::Forth && self.listed.is_empty() {
            self.list(snapshot).await?;
        }
        Ok(())
    }

    async fn list(&mut self, snapshot: &mut Snapshot) -> Result<(), StoreError> {
        let Some(cursor) = self.cursor else {
            return Ok(());
        };
        let Range { after, before } = self.wanted.range;
        let sql = list(self.schema, (before.is_some(), self.way), &self.wanted);
        let rows = fetch_all!(
            snapshot,
            Listed,
            &sql,
            self.tenant.as_str(),
            cursor.at,
            cursor.position,
            after.at,
            after.position,
            match self.way {
                Way::Forth => before.map(|before| before.at),
                Way::Back => Some(hour_of(after.at)),
            },
            self.wanted.alive_at,
            LISTED
        )?;
        let all = i64::try_from(rows.len()).is_ok_and(|rows| rows < LISTED);
        let last = rows.last().map(Listed::begin);
        self.cursor = last.filter(|_| !all);
        let way = self.way;
        let by_place = rows.into_iter().map(|row| match way {
            Way::Forth => (row.begin(), row),
            Way::Back => (row.end(), row),
        });
        self.listed.extend(by_place);
        Ok(())
    }

    async fn read_fresh(
        &mut self,
        snapshot: &mut Snapshot,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        let sql = fresh(self.schema, "position, body");
        let Range { after, before } = self.wanted.range;
        let rows = fetch_all!(
            snapshot,
            (i64, String),
            &sql,
            self.tenant.as_str(),
            after.at,
            before.map_or(i64::MAX, |before| before.at)
        )?;
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
        self.read += 1;
        self.keep(&body, numbers.into_iter(), found)
    }

    /// Keeps of a body what is asked for.
    fn keep(
        &mut self,
        body: &str,
        numbers: impl Iterator<Item = i64>,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        for (line, position) in body::decode(body)?.iter().zip(numbers) {
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
        let Range { after, before } = self.wanted.range;
        let place = match self.way {
            Way::Forth => before.map_or(place, |before| place.min(before.previous())),
            Way::Back => place.max(after.next()),
        };
        let reached = self.reached.map(|reached| self.way.last(reached, place));
        self.reached = Some(reached.unwrap_or(place));
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

/// What is asked of the fresh rows that reach into a range.
fn fresh(schema: &str, columns: &str) -> String {
    format!(
        "SELECT {columns} FROM {schema}.activity_fresh
          WHERE tenant_id = $1 AND last_at >= $2 AND first_at <= $3"
    )
}

/// Segments begin within the hour of their last record, so an index finds those that reach beyond a place
/// from the beginning of its hour.
pub(crate) fn list(schema: &str, (ends, way): (bool, Way), wanted: &InSegments) -> String {
    let (from, to) = match way {
        Way::Forth => (">", "first_at <= $6"),
        Way::Back => ("<", "first_at >= $6"),
    };
    let to = format!("AND {to}");
    let clauses = [
        (ends || way == Way::Back, to.as_str()),
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
    let order = way.order();
    format!(
        "SELECT first_at, position, last_at, last_position, {summary} AS summary FROM {schema}.activity_segments
          WHERE tenant_id = $1 AND first_at {from}= $2 AND (first_at, position) {from} ($2, $3)
            AND (last_at, last_position) > ($4, $5) {}
          ORDER BY first_at {order}, position {order} LIMIT $8",
        clauses.join(" ")
    )
}
