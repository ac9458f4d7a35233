//! Segments made of their parts, and what was used in those that are fresh.

use std::collections::BTreeMap;

use chancery_domain::TenantId;
use chancery_event_store::StoreError;

use super::{
    FULL,
    noted::{AT_ONCE, Many, Noting, piece, pieces},
};
use crate::segments::{
    bloom::{self, Mark},
    body::{self, Written},
    due::Remembered,
    line::Line,
    unfolded::{self, Uses},
};

/// What is put together at once.
pub(super) struct Parts {
    pub(super) fresh: Vec<Part>,
    pub(super) segments: Vec<Part>,
}

/// A row in which uses were noted: its number, its records, its first moment, what it says.
pub(super) type Note = (i64, i64, i64, String);

/// A row that goes: fresh, or a smaller segment of the same hour.
pub(super) struct Part {
    pub(super) position: i64,
    pub(super) records: i64,
    pub(super) first_at: i64,
    /// What its records have as their numbers, as JSON. None: they follow the first.
    runs: Option<String>,
    lines: Lines,
}

enum Lines {
    /// As they were read.
    Body(String),
    /// As this node wrote them.
    Remembered(Remembered),
}

/// A row as it is read: its number, its records, its first moment, its runs, its body.
pub(super) type Row = (i64, i64, i64, Option<String>, String);

impl From<Row> for Part {
    fn from((position, records, first_at, runs, body): Row) -> Self {
        Self {
            position,
            records,
            first_at,
            runs,
            lines: Lines::Body(body),
        }
    }
}

impl From<Remembered> for Part {
    fn from(remembered: Remembered) -> Self {
        Self {
            position: remembered.position,
            records: i64::try_from(remembered.lines.len()).unwrap_or(i64::MAX),
            first_at: remembered.first_at,
            runs: None,
            lines: Lines::Remembered(remembered),
        }
    }
}

impl Part {
    /// Whether its uses are not counted yet.
    fn is_fresh(&self) -> bool {
        self.runs.is_none()
    }

    fn gone(&self) -> Gone {
        (self.position, self.first_at, self.records)
    }

    fn lines(&self) -> Result<Vec<Line<'_>>, StoreError> {
        match &self.lines {
            Lines::Body(body) => body::decode(body),
            Lines::Remembered(remembered) => remembered.lines.iter().map(Written::read).collect(),
        }
    }

    /// Its runs: the number of a record, and how many there are that follow it.
    fn runs(&self, records: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        match &self.runs {
            Some(runs) => serde_json::from_str(runs).map_err(|error| {
                StoreError::Corrupt(format!("a segment of activity has no runs: {error}"))
            }),
            None => Ok(vec![(self.position, records)]),
        }
    }
}

/// Segments, what goes for them, and what was used in their fresh parts; or what was noted of uses, counted.
pub(crate) struct Made {
    pub(super) tenant: TenantId,
    pub(super) segments: Vec<Segment>,
    /// Which notes of uses go.
    pub(super) notes: Vec<Gone>,
    /// The uses, where they are not counted yet.
    pub(super) noted: Vec<Noted>,
    /// How much that is.
    pub(super) many: Option<Many>,
    /// Rows of `credential_use`, as JSON.
    pub(super) uses: String,
    /// Rows of `client_days`, as JSON.
    pub(super) by_client: String,
}

/// A row in which uses are noted.
pub(super) struct Noted {
    pub(super) position: i64,
    pub(super) first_at: i64,
    pub(super) records: i64,
    /// Rows of `credential_use`, as JSON.
    pub(super) uses: String,
}

/// A row that goes: its number, its first moment, and how many records it has. A segment keeps the least number of its parts, so
/// another may stand where this one read an older. That one holds more, for records are only ever added. And where a
/// server lost what it had said was committed, numbers come again.
pub(super) type Gone = (i64, i64, i64);

#[derive(Default)]
pub(super) struct Segment {
    /// Which fresh rows and which segments go for it.
    pub(super) fresh: Vec<Gone>,
    pub(super) smaller: Vec<Gone>,
    pub(super) position: i64,
    pub(super) last_position: i64,
    pub(super) first_at: i64,
    pub(super) last_at: i64,
    pub(super) records: i64,
    pub(super) expires_at: i64,
    pub(super) rare: i64,
    pub(super) summary: Vec<u8>,
    pub(super) runs: String,
    pub(super) body: String,
}

impl Made {
    /// Puts the parts together, as many as make a full segment at a time; `noting`: whether uses are noted.
    pub(super) fn of(tenant: TenantId, parts: &Parts, noting: Noting) -> Result<Self, StoreError> {
        let all = parts.segments.iter().chain(&parts.fresh);
        let all = all.map(|part| Ok((part, part.lines()?)));
        let all = all.collect::<Result<Vec<_>, StoreError>>()?;
        let mut uses = Uses::default();
        for (_, lines) in all.iter().filter(|(part, _)| part.is_fresh()) {
            for line in lines {
                uses.count(line);
            }
        }
        let counted = if noting.notes(uses.0.len()) {
            Uses::default()
        } else {
            std::mem::take(&mut uses)
        };
        let many = (!uses.0.is_empty()).then(|| Many::of(uses.rows()));
        let segments = full(&all).map(Segment::of);
        Ok(Self {
            tenant,
            segments: segments.collect::<Result<_, _>>()?,
            notes: Vec::new(),
            noted: Noted::of(&parts.fresh, &uses)?,
            many,
            uses: json(&counted.rows().collect::<Vec<_>>())?,
            by_client: json(&counted.by_client())?,
        })
    }

    /// Counts what was noted, a part at a time: pieces of the same credentials together, or all where they are few.
    pub(super) fn counted(tenant: TenantId, notes: &[Note]) -> Result<Vec<Self>, StoreError> {
        let read = notes
            .iter()
            .map(|note| Ok((note, unfolded::read(&note.3)?)));
        let read = read.collect::<Result<Vec<_>, StoreError>>()?;
        let few = read.iter().map(|(_, rows)| rows.len()).sum::<usize>() <= AT_ONCE;
        let mut groups: BTreeMap<_, (Vec<Gone>, Uses<'_>)> = BTreeMap::new();
        let mut made = Vec::new();
        for ((position, records, first_at, _), rows) in read {
            let group = groups.entry(if few { None } else { piece(&rows) });
            let (gone, uses) = group.or_default();
            gone.push((*position, *first_at, *records));
            uses.add(rows);
            if uses.0.len() > AT_ONCE {
                made.push(Self::of_notes(
                    tenant,
                    std::mem::take(gone),
                    &std::mem::take(uses),
                )?);
            }
        }
        for (gone, uses) in groups.into_values().filter(|(gone, _)| !gone.is_empty()) {
            made.push(Self::of_notes(tenant, gone, &uses)?);
        }
        Ok(made)
    }

    fn of_notes(tenant: TenantId, notes: Vec<Gone>, uses: &Uses<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            tenant,
            segments: Vec::new(),
            notes,
            noted: Vec::new(),
            many: None,
            uses: json(&uses.rows().collect::<Vec<_>>())?,
            by_client: json(&uses.by_client())?,
        })
    }

    /// How many rows that go it stands for.
    pub(super) fn parts(&self) -> usize {
        let parts = |segment: &Segment| segment.fresh.len() + segment.smaller.len();
        self.notes.len() + self.segments.iter().map(parts).sum::<usize>()
    }
}

impl Noted {
    /// The uses in these rows: in as many pieces as they are worth.
    fn of(fresh: &[Part], uses: &Uses<'_>) -> Result<Vec<Self>, StoreError> {
        let Some(first) = fresh.iter().min_by_key(|part| part.position) else {
            return Ok(Vec::new());
        };
        let pieces = pieces(uses.rows()).into_iter().zip(first.position..);
        let pieces = pieces.filter(|(rows, _)| !rows.is_empty());
        pieces
            .map(|(rows, position)| {
                Ok(Self {
                    // A row has more numbers than there are pieces, and they are its own.
                    position,
                    first_at: first.first_at,
                    records: rows.iter().map(unfolded::Row::uses).sum(),
                    uses: json(&rows)?,
                })
            })
            .collect()
    }
}

type Read<'a> = (&'a Part, Vec<Line<'a>>);

/// The parts of one segment after the other: as many as are full, and all about alike.
fn full<'p, 'a>(mut parts: &'p [Read<'a>]) -> impl Iterator<Item = &'p [Read<'a>]> {
    let all: i64 = parts.iter().map(|(part, _)| part.records).sum();
    let each = all / (all / FULL).max(1);
    std::iter::from_fn(move || {
        let mut records = 0;
        let enough = parts.iter().position(|(part, _)| {
            records += part.records;
            records >= each
        });
        let (these, rest) = parts.split_at(enough.map_or(parts.len(), |last| last + 1));
        parts = rest;
        (!these.is_empty()).then_some(these)
    })
}

impl Segment {
    fn of(parts: &[Read<'_>]) -> Result<Self, StoreError> {
        let lines: Vec<_> = parts.iter().flat_map(|(_, lines)| lines).collect();
        let of = |fresh: bool| {
            parts
                .iter()
                .map(|it| it.0)
                .filter(move |it| it.is_fresh() == fresh)
        };
        let mut made = Self {
            fresh: of(true).map(Part::gone).collect(),
            smaller: of(false).map(Part::gone).collect(),
            position: i64::MAX,
            last_position: 0,
            first_at: i64::MAX,
            last_at: i64::MIN,
            records: i64::try_from(lines.len()).unwrap_or(i64::MAX),
            expires_at: 0,
            rare: 0,
            summary: Vec::new(),
            runs: String::new(),
            body: body::encode(lines.iter().copied())?,
        };
        let mut marks = Vec::with_capacity(3 * lines.len());
        for line in lines {
            made.first_at = made.first_at.min(line.at);
            made.last_at = made.last_at.max(line.at);
            made.expires_at = made.expires_at.max(line.expires_at.unwrap_or_default());
            made.rare += i64::from(line.is_rare()?);
            marks.extend(marks_of(line));
        }
        marks.sort_unstable();
        marks.dedup();
        made.summary = bloom::build(&marks);
        let mut runs = Vec::with_capacity(parts.len());
        for (part, lines) in parts {
            runs.extend(part.runs(i64::try_from(lines.len()).unwrap_or(i64::MAX))?);
        }
        for (first, records) in &runs {
            made.position = made.position.min(*first);
            made.last_position = made.last_position.max(first + records - 1);
        }
        made.runs = json(&runs)?;
        Ok(made)
    }
}

fn marks_of(line: &Line<'_>) -> impl Iterator<Item = u64> {
    let of = [
        (Mark::Client, line.client()),
        (Mark::Credential, line.credential()),
        (Mark::Trace, line.trace_id()),
    ];
    of.into_iter()
        .filter_map(|(mark, text)| Some(bloom::hash(mark, text?)))
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Misuse(format!("what is put together is no JSON: {error}")))
}
