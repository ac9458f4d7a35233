//! Segments take the place of their parts, with one statement.

use std::fmt::Write as _;

use chancery_event_store::{Backend, Cause, Connection, Kept, StoreError, Tx};
use tokio::sync::oneshot;

use super::{
    Compactor,
    made::{Gone, Made, Segment, json},
};
use crate::writer::Message;

/// What stands where another node was first. On SQLite it is said by a trigger.
const BY_ANOTHER: &str = "put together by another";

impl Compactor {
    /// Whether this was the one that did it. Where one of the parts is not there as it was, nothing is done.
    pub(super) async fn replace(&self, made: Made) -> Result<bool, StoreError> {
        match self.database.backend() {
            Backend::Postgres => self.replace_beside(&made).await,
            Backend::Sqlite => self.ask_the_writer(made).await,
        }
    }

    /// On a connection beside the one that writes batches.
    ///
    /// A server that crashes within moments may lose it, and then as a whole: the parts are there, and are put
    /// together again. So nobody waits for its log to be written.
    ///
    /// Uses are counted in the order of their keys, so that two nodes cannot wait for each other.
    async fn replace_beside(&self, made: &Made) -> Result<bool, StoreError> {
        let sql = statement(&self.schema);
        let segments = &made.segments;
        let gone = [
            columns(segments.iter().flat_map(|it| &it.fresh)),
            columns(segments.iter().flat_map(|it| &it.smaller)),
            columns(made.notes.iter()),
        ];
        let mut tx = self.database.begin_losable().await?;
        let Tx::Postgres(own) = &mut tx else {
            return Err(StoreError::Misuse("this is not PostgreSQL".to_owned()));
        };
        macro_rules! column {
            ($rows:expr, $of:ident => $value:expr) => {
                $rows.iter().map(|$of| $value).collect::<Vec<_>>()
            };
        }
        let mut query = sqlx::query_as(&sql)
            .bind(made.tenant.to_string())
            .bind(i64::try_from(made.parts()).unwrap_or(i64::MAX))
            .bind(made.by_client.as_str())
            .bind(made.uses.as_str())
            .bind(column!(made.noted, it => it.position))
            .bind(column!(made.noted, it => it.first_at))
            .bind(column!(made.noted, it => it.records))
            .bind(column!(made.noted, it => it.uses.as_str()))
            .bind(column!(segments, it => it.position))
            .bind(column!(segments, it => it.last_position))
            .bind(column!(segments, it => it.first_at))
            .bind(column!(segments, it => it.last_at))
            .bind(column!(segments, it => it.records))
            .bind(column!(segments, it => it.expires_at))
            .bind(column!(segments, it => it.rare))
            .bind(column!(segments, it => it.summary.as_slice()))
            .bind(column!(segments, it => it.runs.as_str()))
            .bind(column!(segments, it => it.body.as_str()));
        for column in gone.into_iter().flatten() {
            query = query.bind(column);
        }
        let (found,): (bool,) = query.fetch_one(&mut **own).await?;
        if found {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(found)
    }

    /// On SQLite there is one connection that writes, and who has it writes batches: to take it from them and give
    /// it back would be more ways between threads than the work.
    async fn ask_the_writer(&self, made: Made) -> Result<bool, StoreError> {
        let (done, replaced) = oneshot::channel();
        let closed = || {
            StoreError::Unavailable(Cause {
                code: None,
                message: "the log is closed".to_owned(),
            })
        };
        let writer = self.writer.upgrade().ok_or_else(closed)?;
        let asked = writer.send(Message::Replace(Box::new(made), done)).await;
        drop(writer);
        asked.map_err(|_| closed())?;
        replaced.await.map_err(|_| closed())?
    }
}

/// Puts the segments there, on the connection of the writer on SQLite: an insert of a row for each, of which a trigger
/// makes the rest (migrations 9 and 10). Gives whether this was the one that did it.
pub(crate) async fn put(kept: &mut Kept, made: &Made) -> Result<bool, StoreError> {
    const COLUMNS: usize = 20;
    // Each row is a segment, a note, or both; the first says what is counted too.
    let rows = made.segments.len().max(made.noted.len()).max(1);
    let nothing = Segment::default();
    let mut sql = "INSERT INTO activity_made (position, last_position, tenant_id, first_at, last_at, records,
            expires_at, rare, summary, runs, body, fresh, segments, notes, note_position, note_first_at, note_records, note,
            uses, by_client) VALUES "
        .to_owned();
    for row in 0..rows {
        let places: [_; COLUMNS] =
            std::array::from_fn(|place| format!("${}", row * COLUMNS + place + 1));
        let before = if row == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(sql, "{before}({})", places.join(", "));
    }
    let gone = json(&made.notes)?;
    let mut query = sqlx::query(&sql);
    for row in 0..rows {
        let segment = made.segments.get(row).unwrap_or(&nothing);
        let note = made.noted.get(row);
        let (notes, uses, by_client) = match row {
            0 => (gone.as_str(), made.uses.as_str(), made.by_client.as_str()),
            _ => ("[]", "[]", "[]"),
        };
        query = query
            .bind(segment.position)
            .bind(segment.last_position)
            .bind(made.tenant.to_string())
            .bind(segment.first_at)
            .bind(segment.last_at)
            .bind(segment.records)
            .bind(segment.expires_at)
            .bind(segment.rare)
            .bind(segment.summary.as_slice())
            .bind(segment.runs.as_str())
            .bind(segment.body.as_str())
            .bind(json(&segment.fresh)?)
            .bind(json(&segment.smaller)?)
            .bind(notes)
            .bind(note.map(|it| it.position))
            .bind(note.map(|it| it.first_at))
            .bind(note.map(|it| it.records))
            .bind(note.map(|it| it.uses.as_str()))
            .bind(uses)
            .bind(by_client);
    }
    let Connection::Sqlite(mut held) = kept.connection().await? else {
        return Err(StoreError::Misuse("this is not SQLite".to_owned()));
    };
    match query.execute(&mut *held).await {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(fault)) if fault.message() == BY_ANOTHER => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The statement by which segments take the place of their parts on PostgreSQL.
pub(super) fn statement(schema: &str) -> String {
    POSTGRES
        .replace("{fresh}", &goes("fresh", "activity_fresh", TENANT, 19))
        .replace(
            "{smaller}",
            &goes("smaller", "activity_segments", TENANT_BESIDE, 22),
        )
        .replace("{notes}", &goes("notes", "activity_uses", TENANT, 25))
        .replace("{schema}", schema)
}

/// Where the tenant is the first part of the key.
const TENANT: &str = "tenant_id = $1";

/// Where it is not: an index that begins with it would have all that the tenant has.
const TENANT_BESIDE: &str = "tenant_id || '' = $1";

/// Deletes the rows of a table whose `position`, `first_at` and `records` stand in this parameter and the next two, as far
/// as they are there.
///
/// They are found by their keys, from the least to the greatest. Joined with the rows of an array, the plan that is kept
/// may be one of a table that was small then, and read all of it, with what was deleted since it was cleaned up last; so
/// may one with the array alone before PostgreSQL 17, which looks for it in the first part of a key only.
fn goes(name: &str, table: &str, tenant: &str, first: u8) -> String {
    let (positions, moments, records) = (first, first + 1, first + 2);
    format!(
        "{name} AS (
    DELETE FROM {{schema}}.{table} known
     WHERE {tenant} AND position = ANY(${positions}::bigint[])
       AND position >= (SELECT min(number) FROM unnest(${positions}::bigint[]) AS least (number))
       AND position <= (SELECT max(number) FROM unnest(${positions}::bigint[]) AS greatest (number))
       AND first_at = (${moments}::bigint[])[array_position(${positions}::bigint[], position)]
       AND records = (${records}::bigint[])[array_position(${positions}::bigint[], position)] RETURNING 1)"
    )
}

/// Three columns of rows that go.
fn columns<'a>(rows: impl Iterator<Item = &'a Gone>) -> [Vec<i64>; 3] {
    let mut columns = [const { Vec::new() }; 3];
    for (position, first_at, records) in rows {
        let row = [position, first_at, records];
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(*value);
        }
    }
    columns
}

/// Where one of the parts is not there, nothing is found, and what was deleted is rolled back.
///
/// What nothing refers to is done from the last to the first, so credentials are counted before days, by all nodes.
const POSTGRES: &str = "
WITH {fresh}, {smaller}, {notes},
found AS MATERIALIZED (
    SELECT 1 WHERE (SELECT count(*) FROM fresh) + (SELECT count(*) FROM smaller)
                 + (SELECT count(*) FROM notes) = $2),
days AS (
    INSERT INTO {schema}.client_days AS known (tenant_id, begins_at, client_id, uses)
    SELECT $1, CAST(value->>0 AS BIGINT), value->>1, CAST(value->>2 AS BIGINT)
      FROM json_array_elements($3::json) AS used (value) WHERE EXISTS (SELECT FROM found)
        ON CONFLICT (tenant_id, begins_at, client_id) DO UPDATE SET uses = known.uses + excluded.uses),
used AS (
    INSERT INTO {schema}.credential_use AS known
           (tenant_id, credential_id, hour, client_id, uses, last_at, last_address)
    SELECT $1, value->>0, CAST(value->>1 AS BIGINT), value->>2, CAST(value->>3 AS BIGINT),
           CAST(value->>4 AS BIGINT), value->>5
      FROM json_array_elements($4::json) AS used (value) WHERE EXISTS (SELECT FROM found)
        ON CONFLICT (tenant_id, credential_id, hour) DO UPDATE SET
           uses = known.uses + excluded.uses,
           last_address = CASE WHEN known.last_at > excluded.last_at
                               THEN known.last_address ELSE excluded.last_address END,
           last_at = CASE WHEN known.last_at > excluded.last_at
                          THEN known.last_at ELSE excluded.last_at END),
noted AS (
    INSERT INTO {schema}.activity_uses (tenant_id, position, first_at, records, uses)
    SELECT $1, position, first_at, records, uses
      FROM unnest($5::bigint[], $6::bigint[], $7::bigint[], $8::text[]) AS noted (position, first_at, records, uses)
     WHERE EXISTS (SELECT FROM found)),
made AS (
    INSERT INTO {schema}.activity_segments (position, last_position, tenant_id, first_at, last_at,
           records, expires_at, rare, summary, runs, body)
    SELECT position, last_position, $1, first_at, last_at, records, expires_at, rare, summary, runs, body
      FROM unnest($9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
                  $16::bytea[], $17::text[], $18::text[])
           AS made (position, last_position, first_at, last_at, records, expires_at, rare, summary, runs, body)
     WHERE EXISTS (SELECT FROM found))
SELECT EXISTS (SELECT FROM found)";
