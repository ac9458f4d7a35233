//! A batch on SQLite: groups are inserted with one statement, and the rows of what is rare travel as one JSON
//! text, so that a batch of any size is few statements. Each of them is a way to SQLite's thread and back.

use std::{collections::BTreeSet, fmt::Write as _};

use chancery_domain::Timestamp;
use chancery_event_store::{Connection, Database, Kept, StoreError, Tx, execute, fetch_all};
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::{
    activity::Entry,
    batch::{self, Group, Heads, Outcome, Row},
    numbers::Numbers,
    operation::Answer,
    sqlite_changes::take_places,
    work::Work,
};

const ROWS: &str = "
INSERT INTO activity (position, at, tenant_id, kind, client_id, credential_id, scopes, audience, jti,
       expires_at, address, user_agent, reason, trace_id, times)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
       value->>8, value->>9, value->>10, value->>11, value->>12, value->>13, value->>14
  FROM json_each($1) ORDER BY key";

const HEADS: &str = "SELECT tenant_id, head, recorded_at FROM beside.tenant_log
      WHERE tenant_id IN (SELECT value FROM json_each($1))";

/// Groups are inserted where all that was seen is so: `$1` says what was, `$2` how much of it there is.
const SEEN: &str = " WHERE $2 = (SELECT count(*) FROM json_each($1) JOIN beside.tenant_log t
     ON t.tenant_id = value->>0 AND t.head = value->>1 AND t.recorded_at = value->>2)";

/// Of how many groups at most the statement is kept prepared: each number of them has its own.
const PREPARED: usize = 16;

/// The heads are read when this is the writer: nothing that a batch waited for lies between them and the
/// commit.
///
/// A batch that is nothing but lines, decided on views that all hold, is one statement and so a
/// transaction by itself. Nearly every one is.
pub(crate) async fn write(
    database: &Database,
    kept: &mut Kept,
    numbers: &mut Numbers,
    works: &[&Work],
) -> Result<Outcome, StoreError> {
    // No batch has more rows than operations; they may be tried twice.
    numbers.make_room(kept, 2 * works.len()).await?;
    if works.iter().all(|work| work.whole().is_none()) {
        let groups = batch::groups(works.iter().copied().enumerate())?;
        let Connection::Sqlite(mut held) = kept.connection().await? else {
            return Err(StoreError::Misuse("this is not SQLite".to_owned()));
        };
        if let Some(rows) = insert(&mut held, numbers, groups, true).await? {
            let answers = vec![Answer::Recorded; works.len()];
            return Ok(Outcome { answers, rows });
        }
    }
    // There is one connection that writes, and the transaction needs it.
    kept.give_back();
    write_each(database, numbers, works).await
}

/// Writes those whose view holds, and whatever else they are.
async fn write_each(
    database: &Database,
    numbers: &mut Numbers,
    works: &[&Work],
) -> Result<Outcome, StoreError> {
    let mut tx = database.begin().await?;
    let heads = read_heads(&mut tx, works).await?;
    let mut answers: Vec<_> = works
        .iter()
        .map(|work| heads.refuse(work).unwrap_or(Answer::Recorded))
        .collect();
    if !answers.contains(&Answer::Recorded) {
        tx.rollback().await?;
        let rows = Vec::new();
        return Ok(Outcome { answers, rows });
    }
    let wanting: Vec<_> = works
        .iter()
        .enumerate()
        .filter(|(ord, _)| answers.get(*ord) == Some(&Answer::Recorded))
        .filter_map(|(ord, work)| Some((ord, &work.whole()?.operation)))
        .collect();
    take_places(&mut tx, wanting.into_iter(), &mut answers).await?;
    let recorded = || {
        let answered = works.iter().zip(&answers).enumerate();
        answered.filter_map(|(place, (work, answer))| {
            (*answer == Answer::Recorded).then_some((place, *work))
        })
    };
    let rare = recorded()
        .filter_map(|(_, work)| work.whole())
        .filter(|whole| whole.line.is_none())
        .map(|whole| Ok(row(numbers.take()?, &whole.operation.entry)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let groups = batch::groups(recorded())?;
    let Tx::Sqlite(own) = &mut tx else {
        return Err(StoreError::Misuse("this is not SQLite".to_owned()));
    };
    let rows = insert(own, numbers, groups, false).await?;
    if !rare.is_empty() {
        execute!(&mut tx, ROWS, json(&rare)?)?;
    }
    tx.commit().await?;
    let rows = rows.unwrap_or_default();
    Ok(Outcome { answers, rows })
}

/// Inserts all of them with one statement; where `checked`, only if what was seen is so. Gives the rows, if they
/// are inserted.
async fn insert(
    connection: &mut SqliteConnection,
    numbers: &mut Numbers,
    groups: Vec<Group>,
    checked: bool,
) -> Result<Option<Vec<Row>>, StoreError> {
    let Some(last) = groups.len().checked_sub(1) else {
        return Ok(Some(Vec::new()));
    };
    let mut sql =
        "INSERT INTO activity_fresh (tenant_id, position, first_at, last_at, records, body) \
                   SELECT * FROM (VALUES "
            .to_owned();
    for index in 0..groups.len() {
        let places: [_; 6] = std::array::from_fn(|place| format!("${}", index * 6 + place + 3));
        let end = if index == last { ")" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(sql, "({}){end}", places.join(", "));
    }
    if checked {
        sql.push_str(SEEN);
    }
    let seen: BTreeSet<_> = groups
        .iter()
        .filter_map(|group| {
            group
                .seen
                .map(|seen| (group.tenant, seen.head, seen.recorded_at.micros()))
        })
        .collect();
    let mut query = sqlx::query(&sql)
        .persistent(groups.len() <= PREPARED)
        .bind(json(&seen)?)
        .bind(i64::try_from(seen.len()).unwrap_or(i64::MAX));
    let asked = groups.len();
    let mut rows = Vec::with_capacity(asked);
    for group in groups {
        let position = numbers.take()?;
        rows.push(Row {
            position,
            first_at: group.first_at,
            members: group.members,
        });
        query = query
            .bind(group.tenant.to_string())
            .bind(position)
            .bind(group.first_at)
            .bind(group.last_at)
            .bind(group.records)
            .bind(group.body);
    }
    let inserted = query.execute(connection).await?.rows_affected();
    let all = usize::try_from(inserted).is_ok_and(|inserted| inserted == asked);
    Ok(all.then_some(rows))
}

async fn read_heads(tx: &mut Tx, works: &[&Work]) -> Result<Heads, StoreError> {
    let tenants = batch::tenants(works);
    if tenants.is_empty() {
        return Ok(Heads::from_iter([]));
    }
    let rows = fetch_all!(tx, (String, i64, i64), HEADS, json(&tenants)?)?;
    Ok(rows.into_iter().collect())
}

/// A row after its number.
fn row(number: i64, entry: &Entry) -> impl Serialize {
    (
        number,
        entry.at.micros(),
        entry.tenant,
        entry.kind.as_str(),
        entry.client.as_deref(),
        entry.credential.as_deref(),
        entry.scopes.as_deref(),
        entry.audience.as_deref(),
        entry.jti.as_deref(),
        entry.expires_at.map(Timestamp::micros),
        entry.address.map(|address| address.to_string()),
        entry.user_agent.as_deref(),
        entry.reason,
        entry.trace_id.as_deref(),
        entry.times,
    )
}

pub(crate) fn json(rows: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(rows)
        .map_err(|error| StoreError::Misuse(format!("a record is no JSON: {error}")))
}
