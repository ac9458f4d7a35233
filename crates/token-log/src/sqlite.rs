//! A batch on SQLite: groups are rows, and the rows of what is rare travel as one JSON text, so that a batch
//! of any size is the same few statements.

use chancery_domain::Timestamp;
use chancery_event_store::{Database, Store, StoreError, Tx, execute, fetch_all};
use serde::Serialize;

use crate::{
    activity::Entry,
    batch::{self, Group, Heads},
    operation::{Answer, Assertion, Operation},
    segments::NUMBERS,
    sqlite_changes::{can_rotate, change},
    work::Work,
};

const HEADS: &str = "SELECT tenant_id, head, recorded_at FROM tenant_log
      WHERE tenant_id IN (SELECT value FROM json_each($1))";

const CLAIM: &str = "INSERT INTO assertion_ids (tenant_id, client_id, jti, expires_at)
     VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, client_id, jti) DO UPDATE SET expires_at = excluded.expires_at
            WHERE assertion_ids.expires_at < $5";

/// Two statements in one go; each takes the parameters that it names.
const GROUP: &str = "
INSERT INTO activity_fresh (tenant_id, position, first_at, last_at, records, body)
SELECT $1, next, $2, $3, $4, $5 FROM activity_number;
UPDATE activity_number SET next = next + $6";

/// Two statements in one go, like those.
const ROWS: &str = "
INSERT INTO activity (position, at, tenant_id, kind, client_id, credential_id, scopes, audience, jti,
       expires_at, address, user_agent, reason, trace_id, times)
SELECT next + key * $3, value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,
       value->>7, value->>8, value->>9, value->>10, value->>11, value->>12, value->>13
  FROM activity_number, json_each($1) ORDER BY key;
UPDATE activity_number SET next = next + $2 * $3";

/// The heads are in another file, and are read when this is the writer: nothing that a batch waited
/// for lies between them and the commit.
pub(crate) async fn write(
    database: &Database,
    heads: &Store,
    works: &[&Work],
) -> Result<Vec<Answer>, StoreError> {
    let mut tx = database.begin().await?;
    let heads = read_heads(heads, works).await?;
    let mut answers: Vec<_> = works
        .iter()
        .map(|work| heads.refuse(work).unwrap_or(Answer::Recorded))
        .collect();
    if !answers.contains(&Answer::Recorded) {
        tx.rollback().await?;
        return Ok(answers);
    }
    for (work, answer) in works.iter().zip(&mut answers) {
        if let Some(whole) = work.whole()
            && *answer == Answer::Recorded
        {
            *answer = take_place(&mut tx, &whole.operation).await?;
        }
    }
    let recorded = || {
        let answered = works.iter().zip(&answers);
        answered.filter_map(|(work, answer)| (*answer == Answer::Recorded).then_some(*work))
    };
    for group in batch::groups(recorded()) {
        insert(&mut tx, group).await?;
    }
    let rows = recorded()
        .filter_map(Work::whole)
        .filter(|whole| whole.line.is_none());
    let rows: Vec<_> = rows.map(|whole| row(&whole.operation.entry)).collect();
    if !rows.is_empty() {
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        execute!(&mut tx, ROWS, json(&rows)?, count, NUMBERS)?;
    }
    tx.commit().await?;
    Ok(answers)
}

async fn insert(tx: &mut Tx, group: Group) -> Result<(), StoreError> {
    execute!(
        tx,
        GROUP,
        group.tenant.to_string(),
        group.first_at,
        group.last_at,
        group.records,
        group.body,
        NUMBERS
    )?;
    Ok(())
}

/// Whatever an operation does beside its record: as a whole, or not at all.
async fn take_place(tx: &mut Tx, op: &Operation) -> Result<Answer, StoreError> {
    if !can_rotate(tx, op).await? {
        return Ok(Answer::RefreshUsed);
    }
    if let Some(assertion) = &op.assertion
        && !claim(tx, &op.entry, assertion).await?
    {
        return Ok(Answer::AssertionUsed);
    }
    change(tx, op).await?;
    Ok(Answer::Recorded)
}

async fn read_heads(store: &Store, works: &[&Work]) -> Result<Heads, StoreError> {
    let tenants = batch::tenants(works);
    if tenants.is_empty() {
        return Ok(Heads::from_iter([]));
    }
    let rows = fetch_all!(store, (String, i64, i64), HEADS, json(&tenants)?)?;
    Ok(rows.into_iter().collect())
}

async fn claim(tx: &mut Tx, entry: &Entry, assertion: &Assertion) -> Result<bool, StoreError> {
    let changed = execute!(
        tx,
        CLAIM,
        entry.tenant.to_string(),
        assertion.client.to_string(),
        assertion.jti.as_str(),
        assertion.until.micros(),
        entry.at.micros()
    )?;
    Ok(changed == 1)
}

fn row(entry: &Entry) -> impl Serialize {
    (
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

fn json(rows: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(rows)
        .map_err(|error| StoreError::Misuse(format!("a record is no JSON: {error}")))
}
