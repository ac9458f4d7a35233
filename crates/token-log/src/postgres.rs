//! A batch on PostgreSQL: one statement, which is one transaction and one round trip.

use chancery_domain::Timestamp;
use chancery_event_store::{Connection, Database, Reads, StoreError};
use sqlx::Postgres;

use crate::{
    batch::{self, Heads, Needs},
    operation::{Answer, Operation},
    refresh::Change,
};

/// What the operations' columns are called, with their types, in the order in which they are bound
/// from `$2` on.
const COLUMNS: [(&str, &str); 16] = [
    ("at", "bigint"),
    ("tenant_id", "text"),
    ("kind", "text"),
    ("client_id", "text"),
    ("credential_id", "text"),
    ("scopes", "text"),
    ("audience", "text"),
    ("jti", "text"),
    ("expires_at", "bigint"),
    ("address", "text"),
    ("user_agent", "text"),
    ("reason", "text"),
    ("trace_id", "text"),
    ("times", "bigint"),
    ("seen_head", "bigint"),
    ("seen_at", "bigint"),
];

/// The same of assertions, after those; then the moment before which a used id may be used again.
const CLAIM: [(&str, &str); 3] = [
    ("claim_client", "text"),
    ("claim_jti", "text"),
    ("claim_until", "bigint"),
];

/// The same of what is done to tokens, after those.
const CHANGE: [(&str, &str); 6] = [
    ("change", "text"),
    ("family", "text"),
    ("next_hash", "text"),
    ("presented", "text"),
    ("roles", "text"),
    ("family_until", "bigint"),
];

/// Which operations can do what they want to a family. Families are locked in the order of their
/// keys, as they are when this statement comes to them and not as its snapshot has them: of two nodes
/// that use one refresh token the second sees what the first did. Within a batch an end goes before a
/// use, and of several uses the first is the one.
const LOCKS: &str = "
ending AS MATERIALIZED (
    SELECT DISTINCT tenant_id, family FROM asked WHERE change = 'revoke_family'),
locked AS MATERIALIZED (
    SELECT f.tenant_id, f.family_id, f.current_hash, f.revoked_at
      FROM {schema}.refresh_families f
     WHERE (f.tenant_id, f.family_id) IN (
           SELECT tenant_id, family FROM asked WHERE change IN ('rotate', 'revoke_family'))
     ORDER BY 1, 2 FOR UPDATE OF f),
rotating AS MATERIALIZED (
    SELECT DISTINCT ON (a.tenant_id, a.family) a.ord
      FROM asked a JOIN locked f ON f.tenant_id = a.tenant_id AND f.family_id = a.family
     WHERE a.change = 'rotate' AND f.revoked_at IS NULL AND f.current_hash = a.presented
       AND (a.tenant_id, a.family) NOT IN (SELECT tenant_id, family FROM ending)
     ORDER BY a.tenant_id, a.family, a.ord),
able AS MATERIALIZED (
    SELECT * FROM asked
     WHERE change IS DISTINCT FROM 'rotate' OR ord IN (SELECT ord FROM rotating)),";

/// What is done to tokens by the operations that take place.
const CHANGES: &str = "
begun AS (
    INSERT INTO {schema}.refresh_families (tenant_id, family_id, client_id, credential_id,
           last_credential, scopes, audience, roles, began_at, expires_at, current_hash, forget_at)
    SELECT tenant_id, family, client_id, credential_id, credential_id, COALESCE(scopes, ''),
           COALESCE(audience, ''), roles, at, family_until, next_hash,
           GREATEST(family_until, expires_at)
      FROM op WHERE change = 'begin' ORDER BY tenant_id, family),
rotated AS (
    UPDATE {schema}.refresh_families f
       SET current_hash = o.next_hash, previous_hash = o.presented, rotated_at = o.at,
           last_credential = o.credential_id, forget_at = GREATEST(f.forget_at, o.expires_at)
      FROM op o
     WHERE o.change = 'rotate' AND f.tenant_id = o.tenant_id AND f.family_id = o.family),
ended AS (
    UPDATE {schema}.refresh_families f SET revoked_at = o.at
      FROM (SELECT tenant_id, family, min(at) AS at FROM op WHERE change = 'revoke_family'
             GROUP BY 1, 2) o
      JOIN locked l ON l.tenant_id = o.tenant_id AND l.family_id = o.family
     WHERE f.tenant_id = o.tenant_id AND f.family_id = o.family AND f.revoked_at IS NULL),
marked AS (
    INSERT INTO {schema}.access_tokens AS known (tenant_id, jti, family_id, revoked_at, expires_at)
    SELECT DISTINCT ON (tenant_id, jti) tenant_id, jti, family,
           CASE change WHEN 'revoke_token' THEN at END, expires_at
      FROM op WHERE change IN ('begin', 'rotate', 'revoke_token') ORDER BY tenant_id, jti, ord
        ON CONFLICT (tenant_id, jti) DO UPDATE
           SET revoked_at = COALESCE(known.revoked_at, excluded.revoked_at)),";

/// Of one assertion id within a batch the first operation that is fresh claims it; then the table
/// says whether it was there before. Both tables are written in the order of their keys, so two
/// nodes cannot wait for each other.
const CLAIMS: &str = "
chosen AS MATERIALIZED (
    SELECT DISTINCT ON (tenant_id, claim_client, claim_jti)
           ord, tenant_id, claim_client, claim_jti, claim_until
      FROM {able} WHERE claim_jti IS NOT NULL
     ORDER BY tenant_id, claim_client, claim_jti, ord),
claimed AS (
    INSERT INTO {schema}.assertion_ids AS known (tenant_id, client_id, jti, expires_at)
    SELECT tenant_id, claim_client, claim_jti, claim_until FROM chosen ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, client_id, jti) DO UPDATE SET expires_at = excluded.expires_at
           WHERE known.expires_at < {forgotten}
    RETURNING tenant_id, client_id, jti),
won AS MATERIALIZED (
    SELECT ord FROM chosen c JOIN claimed d
        ON c.tenant_id = d.tenant_id AND c.claim_client = d.client_id AND c.claim_jti = d.jti),
op AS MATERIALIZED (
    SELECT * FROM {able} WHERE claim_jti IS NULL OR ord IN (SELECT ord FROM won)),";

/// The statement of a batch, with no more than it needs.
///
/// The heads are read by the statement's own snapshot: what is recorded stands on no older view.
pub(crate) fn batch(schema: &str, needs: Needs) -> String {
    let (claims, changes) = (needs >= Needs::Claims, needs >= Needs::Changes);
    let columns = COLUMNS
        .iter()
        .chain(if changes { &CHANGE[..] } else { &[] })
        .chain(if claims { &CLAIM[..] } else { &[] });
    let (mut arrays, mut names) = (Vec::new(), Vec::new());
    for (number, (name, kind)) in (2..).zip(columns) {
        arrays.push(format!("${number}::{kind}[]"));
        names.push(*name);
    }
    let forgotten = format!("${}", names.len() + 2);
    let (locks, able, changing, rotating) = if changes {
        let rotating = "(SELECT array_agg(ord) FROM rotating)";
        (LOCKS, "able", CHANGES, rotating)
    } else {
        ("", "asked", "", "NULL::bigint[]")
    };
    let (asked, claiming, won) = if claims {
        let claims = CLAIMS
            .replace("{able}", able)
            .replace("{forgotten}", &forgotten);
        ("asked", claims, "(SELECT array_agg(ord) FROM won)")
    } else {
        ("op", String::new(), "NULL::bigint[]")
    };
    let steps = format!("{locks}{claiming}{changing}").replace("{schema}", schema);
    let (arrays, names) = (arrays.join(", "), names.join(", "));
    format!(
        "WITH head AS MATERIALIZED (
    SELECT tenant_id, head, recorded_at FROM tenant_log WHERE tenant_id = ANY($1)),
{asked} AS MATERIALIZED (
    SELECT o.* FROM unnest({arrays}) WITH ORDINALITY AS o ({names}, ord)
     WHERE o.seen_head IS NULL OR EXISTS (
           SELECT FROM head h WHERE h.tenant_id = o.tenant_id AND h.head = o.seen_head
                                AND h.recorded_at = o.seen_at)),{steps}
logged AS (
    INSERT INTO {schema}.activity (at, tenant_id, kind, client_id, credential_id, scopes, audience,
           jti, expires_at, address, user_agent, reason, trace_id, times)
    SELECT at, tenant_id, kind, client_id, credential_id, scopes, audience,
           jti, expires_at, address, user_agent, reason, trace_id, times FROM op ORDER BY ord),
used AS (
    INSERT INTO {schema}.credential_use AS known
           (tenant_id, credential_id, hour, client_id, uses, last_at, last_address)
    SELECT tenant_id, credential_id, at / 3600000000, max(client_id), sum(times)::bigint, max(at),
           (array_agg(address ORDER BY at DESC, ord DESC))[1]
      FROM op
     WHERE kind IN ('token_issued', 'token_refreshed')
       AND credential_id IS NOT NULL AND client_id IS NOT NULL
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, credential_id, hour) DO UPDATE SET
           uses = known.uses + excluded.uses,
           last_address = CASE WHEN known.last_at > excluded.last_at
                               THEN known.last_address ELSE excluded.last_address END,
           last_at = GREATEST(known.last_at, excluded.last_at))
SELECT h.tenant_id, h.head, h.recorded_at, {won}, {rotating}
  FROM (VALUES (1)) AS always LEFT JOIN head h ON true"
    )
}

/// A head, and beside each the numbers of the operations that won their claim, and of those that could
/// use their refresh token.
type Row = (
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<Vec<i64>>,
    Option<Vec<i64>>,
);

/// A statement by itself is a transaction, so the connection need not say so.
pub(crate) async fn write(
    database: &Database,
    sql: &str,
    needs: Needs,
    operations: &[&Operation],
) -> Result<Vec<Answer>, StoreError> {
    let stored: Vec<_> = operations
        .iter()
        .map(|op| op.entry.tenant.to_string())
        .collect();
    let query = bind(sql, needs, operations, &stored);
    let Connection::Postgres(mut held) = database.source().connection().await? else {
        return Err(StoreError::Misuse("this is not PostgreSQL".to_owned()));
    };
    let rows: Vec<Row> = query.fetch_all(&mut *held).await?;

    let (won, rotating) = rows
        .first()
        .map(|row| (row.3.clone(), row.4.clone()))
        .unwrap_or_default();
    let (won, rotating) = (won.unwrap_or_default(), rotating.unwrap_or_default());
    let heads: Heads = rows
        .into_iter()
        .filter_map(|(tenant, head, at, ..)| Some((tenant?, head?, at?)))
        .collect();
    let answers = (1..).zip(operations).zip(&stored);
    Ok(answers
        .map(|((number, op), tenant)| {
            if let Some(moved) = heads.refuse(op, tenant) {
                moved
            } else if matches!(op.change, Some(Change::Rotate(_))) && !rotating.contains(&number) {
                Answer::RefreshUsed
            } else if op.assertion.is_some() && !won.contains(&number) {
                Answer::AssertionUsed
            } else {
                Answer::Recorded
            }
        })
        .collect())
}

type Query<'q> = sqlx::query::QueryAs<'q, Postgres, Row, sqlx::postgres::PgArguments>;

fn bind<'q>(
    sql: &'q str,
    needs: Needs,
    operations: &'q [&'q Operation],
    stored: &'q [String],
) -> Query<'q> {
    macro_rules! column {
        ($op:ident => $value:expr) => {
            operations.iter().map(|$op| $value).collect::<Vec<_>>()
        };
    }
    let query = sqlx::query_as(sql)
        .bind(batch::tenants(operations))
        .bind(column!(op => op.entry.at.micros()))
        .bind(stored)
        .bind(column!(op => op.entry.kind.as_str()))
        .bind(column!(op => op.entry.client.as_deref()))
        .bind(column!(op => op.entry.credential.as_deref()))
        .bind(column!(op => op.entry.scopes.as_deref()))
        .bind(column!(op => op.entry.audience.as_deref()))
        .bind(column!(op => op.entry.jti.as_deref()))
        .bind(column!(op => op.entry.expires_at.map(Timestamp::micros)))
        .bind(column!(op => op.entry.address.map(|address| address.to_string())))
        .bind(column!(op => op.entry.user_agent.as_deref()))
        .bind(column!(op => op.entry.reason))
        .bind(column!(op => op.entry.trace_id.as_deref()))
        .bind(column!(op => i64::from(op.entry.times)))
        .bind(column!(op => op.seen.map(|seen| seen.head)))
        .bind(column!(op => op.seen.map(|seen| seen.recorded_at.micros())));
    if needs < Needs::Claims {
        return query;
    }
    let query = if needs < Needs::Changes {
        query
    } else {
        let change = |op: &'q Operation| op.change.as_ref();
        query
            .bind(column!(op => change(op).map(Change::name)))
            .bind(column!(op => change(op).and_then(Change::family).map(|it| it.to_string())))
            .bind(column!(op => change(op).and_then(Change::next)))
            .bind(column!(op => match change(op) {
                Some(Change::Rotate(rotation)) => Some(rotation.presented.as_str()),
                _ => None,
            }))
            .bind(column!(op => match change(op) {
                Some(Change::Begin(new)) => Some(new.roles.as_str()),
                _ => None,
            }))
            .bind(column!(op => match change(op) {
                Some(Change::Begin(new)) => Some(new.expires_at.micros()),
                _ => None,
            }))
    };
    let now = operations.iter().map(|op| op.entry.at.micros()).min();
    query
        .bind(column!(op => op.assertion.as_ref().map(|used| used.client.to_string())))
        .bind(column!(op => op.assertion.as_ref().map(|used| used.jti.as_str())))
        .bind(column!(op => op.assertion.as_ref().map(|used| used.until.micros())))
        .bind(now)
}
