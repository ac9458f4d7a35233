//! A batch on SQLite: the rows of each table travel as one JSON text, so that a batch of any size is
//! the same few statements.

use chancery_domain::Timestamp;
use chancery_event_store::{Database, Store, StoreError, Tx, execute, fetch_all};
use serde::Serialize;

use crate::{
    activity::Entry,
    batch::{self, Heads},
    operation::{Answer, Assertion, Operation},
    sqlite_changes::{can_rotate, change},
};

const HEADS: &str = "SELECT tenant_id, head, recorded_at FROM tenant_log
      WHERE tenant_id IN (SELECT value FROM json_each($1))";

const CLAIM: &str = "INSERT INTO assertion_ids (tenant_id, client_id, jti, expires_at)
     VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, client_id, jti) DO UPDATE SET expires_at = excluded.expires_at
            WHERE assertion_ids.expires_at < $5";

/// Two statements in one go; each takes the parameter that it names.
const WRITE: &str = "
INSERT INTO activity (at, tenant_id, kind, client_id, credential_id, scopes, audience, jti,
       expires_at, address, user_agent, reason, trace_id, times)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
       value->>8, value->>9, value->>10, value->>11, value->>12, value->>13
  FROM json_each($1) ORDER BY key;
INSERT INTO credential_use (tenant_id, credential_id, hour, client_id, uses, last_at, last_address)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6
  FROM json_each($2) WHERE true
    ON CONFLICT (tenant_id, credential_id, hour) DO UPDATE SET
       uses = uses + excluded.uses,
       last_address = CASE WHEN last_at > excluded.last_at
                           THEN last_address ELSE excluded.last_address END,
       last_at = max(last_at, excluded.last_at)";

/// The heads are in another file, and are read when this is the writer: nothing that a batch waited
/// for lies between them and the commit.
pub(crate) async fn write(
    database: &Database,
    heads: &Store,
    operations: &[&Operation],
) -> Result<Vec<Answer>, StoreError> {
    let mut tx = database.begin().await?;
    let heads = read_heads(heads, operations).await?;
    let mut answers: Vec<_> = operations
        .iter()
        .map(|op| {
            let moved = op
                .seen
                .and_then(|_| heads.refuse(op, &op.entry.tenant.to_string()));
            moved.unwrap_or(Answer::Recorded)
        })
        .collect();
    if !answers.contains(&Answer::Recorded) {
        tx.rollback().await?;
        return Ok(answers);
    }
    for (op, answer) in operations.iter().zip(&mut answers) {
        if *answer == Answer::Recorded {
            *answer = take_place(&mut tx, op).await?;
        }
    }
    let recorded = || {
        operations
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| **answer == Answer::Recorded)
            .map(|(op, _)| &op.entry)
    };
    let rows = json(&recorded().map(row).collect::<Vec<_>>())?;
    let uses = batch::uses(recorded());
    let uses: Vec<_> = uses
        .iter()
        .map(|((tenant, credential, hour), of)| {
            let address = of.last.address.map(|address| address.to_string());
            (
                tenant, credential, hour, of.client, of.count, of.last_at, address,
            )
        })
        .collect();
    let uses = json(&uses)?;
    execute!(&mut tx, WRITE, rows, uses)?;
    tx.commit().await?;
    Ok(answers)
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

async fn read_heads(store: &Store, operations: &[&Operation]) -> Result<Heads, StoreError> {
    let tenants = batch::tenants(operations);
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
