//! A batch on PostgreSQL: one statement, which is one transaction and one round trip.

use chancery_domain::Timestamp;
use chancery_event_store::{Connection, Kept, StoreError};
use sqlx::Postgres;

use crate::{
    batch::{self, Group, Heads, Outcome},
    operation::{Answer, Operation},
    refresh::Change,
    segments::{HOUR, body::Written},
    work::{Whole, Work},
};

/// What the groups' columns are called, with their types, in the order in which they are bound from `$2`
/// on.
const GROUPS: [(&str, &str); 7] = [
    ("tenant_id", "text"),
    ("seen_head", "bigint"),
    ("seen_at", "bigint"),
    ("first_at", "bigint"),
    ("last_at", "bigint"),
    ("records", "bigint"),
    ("body", "text"),
];

/// The same of the operations that are not in a group, after those.
const COLUMNS: [(&str, &str); 17] = [
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
    ("line", "text"),
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

/// What stands where nothing was seen, or what was seen is so.
const FRESH: &str = "(seen_head IS NULL OR EXISTS (
           SELECT FROM head h WHERE h.tenant_id = o.tenant_id AND h.head = o.seen_head
                                AND h.recorded_at = o.seen_at))";

/// What the operations of a batch need beside groups. Most need nothing, and pay for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    Groups,
    /// There are rows.
    Rows,
    /// Ids of assertions are claimed.
    Claims,
    /// So they may be, and tokens are changed.
    Changes,
}

impl Needs {
    fn of(works: &[&Work]) -> Self {
        let of = |work: &&Work| match work.whole() {
            None => Self::Groups,
            Some(whole) if whole.operation.change.is_some() => Self::Changes,
            Some(whole) if whole.operation.assertion.is_some() => Self::Claims,
            Some(_) => Self::Rows,
        };
        works.iter().map(of).max().unwrap_or(Self::Groups)
    }
}

/// The statements of batches, each with no more than it needs.
pub(crate) struct Statements([String; 4]);

impl Statements {
    pub(crate) fn new(schema: &str) -> Self {
        let needs = [Needs::Groups, Needs::Rows, Needs::Claims, Needs::Changes];
        Self(needs.map(|needs| statement(schema, needs)))
    }

    fn of(&self, needs: Needs) -> &str {
        let [groups, rows, claims, changes] = &self.0;
        match needs {
            Needs::Groups => groups,
            Needs::Rows => rows,
            Needs::Claims => claims,
            Needs::Changes => changes,
        }
    }
}

/// Arrays that are bound from this number on, and the names of their columns.
fn arrays<'a>(
    from: usize,
    columns: impl Iterator<Item = &'a (&'a str, &'a str)>,
) -> (String, String) {
    let (mut arrays, mut names) = (Vec::new(), Vec::new());
    for (number, (name, kind)) in (from..).zip(columns) {
        arrays.push(format!("${number}::{kind}[]"));
        names.push(*name);
    }
    (arrays.join(", "), names.join(", "))
}

/// The statement of a batch.
///
/// The heads are read by the statement's own snapshot: what is recorded stands on no older view.
fn statement(schema: &str, needs: Needs) -> String {
    let (grouped, names) = arrays(2, GROUPS.iter());
    let numbered = format!(
        "
numbered AS MATERIALIZED (
    SELECT o.*, nextval('{schema}.activity_position') AS position
      FROM unnest({grouped}) WITH ORDINALITY AS o ({names}, ord) WHERE {FRESH}),"
    );
    let (operations, own, won, rotating) = if needs == Needs::Groups {
        let nobody = || "NULL::bigint[]".to_owned();
        (String::new(), String::new(), nobody(), nobody())
    } else {
        operations(schema, needs)
    };
    format!(
        "WITH head AS MATERIALIZED (
    SELECT tenant_id, head, recorded_at FROM tenant_log WHERE tenant_id = ANY($1)),{numbered}{operations}
together AS (
    INSERT INTO {schema}.activity_fresh (position, tenant_id, first_at, last_at, records, body)
    SELECT position, tenant_id, first_at, last_at, records, body FROM numbered{own})
SELECT h.tenant_id, h.head, h.recorded_at, {won}, {rotating},
       (SELECT array_agg(position ORDER BY ord) FROM numbered)
  FROM (VALUES (1)) AS always LEFT JOIN head h ON true"
    )
}

/// What is done for operations that are not in a group; those of the bulk among them; which won their
/// claim, and which could use their refresh token.
fn operations(schema: &str, needs: Needs) -> (String, String, String, String) {
    let (claims, changes) = (needs >= Needs::Claims, needs >= Needs::Changes);
    let columns = COLUMNS
        .iter()
        .chain(if changes { &CHANGE[..] } else { &[] })
        .chain(if claims { &CLAIM[..] } else { &[] });
    let first = GROUPS.len() + 2;
    let forgotten = format!("${}", first + columns.clone().count());
    let (arrays, names) = arrays(first, columns);
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
    let operations = format!(
        "
{asked} AS MATERIALIZED (
    SELECT o.* FROM unnest({arrays}) WITH ORDINALITY AS o ({names}, ord)
     WHERE {FRESH}),{steps}
logged AS (
    INSERT INTO {schema}.activity (at, tenant_id, kind, client_id, credential_id, scopes, audience,
           jti, expires_at, address, user_agent, reason, trace_id, times)
    SELECT at, tenant_id, kind, client_id, credential_id, scopes, audience,
           jti, expires_at, address, user_agent, reason, trace_id, times
      FROM op WHERE line IS NULL ORDER BY ord),"
    );
    let own = format!(
        "
    UNION ALL
    SELECT nextval('{schema}.activity_position'), * FROM (
        SELECT tenant_id, min(at), max(at), count(*), '[' || string_agg(line, ',' ORDER BY ord) || ']'
          FROM op WHERE line IS NOT NULL GROUP BY tenant_id, at / {HOUR}) AS own"
    );
    (operations, own, won.to_owned(), rotating.to_owned())
}

/// A head, and beside each the numbers of the operations that won their claim, of those that could use their refresh
/// token, and of the rows that were written for groups, in the order of these.
type Row = (
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<Vec<i64>>,
    Option<Vec<i64>>,
    Option<Vec<i64>>,
);

/// A statement by itself is a transaction, so the connection need not say so.
pub(crate) async fn write(
    kept: &mut Kept,
    statements: &Statements,
    works: &[&Work],
) -> Result<Outcome, StoreError> {
    let needs = Needs::of(works);
    let lines = works.iter().copied().enumerate();
    let groups = batch::groups(lines.filter(|(_, work)| work.whole().is_none()))?;
    let wholes: Vec<_> = works.iter().filter_map(|work| work.whole()).collect();
    let tenants = batch::tenants(works);
    let tenants = tenants.iter().map(ToString::to_string).collect();
    let query = bind_groups(statements.of(needs), tenants, &groups);
    let query = if needs == Needs::Groups {
        query
    } else {
        bind_operations(query, needs, &wholes)
    };
    let Connection::Postgres(mut held) = kept.connection().await? else {
        return Err(StoreError::Misuse("this is not PostgreSQL".to_owned()));
    };
    let mut rows: Vec<Row> = query.fetch_all(&mut *held).await?;

    let (won, rotating, numbers) = rows
        .first_mut()
        .map(|row| (row.3.take(), row.4.take(), row.5.take()))
        .unwrap_or_default();
    let (won, rotating) = (won.unwrap_or_default(), rotating.unwrap_or_default());
    let heads: Heads = rows
        .into_iter()
        .filter_map(|(tenant, head, at, ..)| Some((tenant?, head?, at?)))
        .collect();
    let mut number = 0;
    let answers = works.iter();
    let answers = answers
        .map(|work| {
            number += i64::from(work.whole().is_some());
            if let Some(moved) = heads.refuse(work) {
                moved
            } else if matches!(work.change(), Some(Change::Rotate(_)))
                && !rotating.contains(&number)
            {
                Answer::RefreshUsed
            } else if work.assertion().is_some() && !won.contains(&number) {
                Answer::AssertionUsed
            } else {
                Answer::Recorded
            }
        })
        .collect();
    let rows = written(works, groups, &heads, numbers.unwrap_or_default());
    Ok(Outcome { answers, rows })
}

/// The rows of those groups that were written, where each has a number.
fn written(
    works: &[&Work],
    groups: Vec<Group>,
    heads: &Heads,
    numbers: Vec<i64>,
) -> Vec<batch::Row> {
    let is_refused = |group: &Group| {
        let one = group.members.first().and_then(|place| works.get(*place));
        one.is_none_or(|one| heads.refuse(one).is_some())
    };
    let groups: Vec<_> = groups.into_iter().filter(|it| !is_refused(it)).collect();
    if groups.len() != numbers.len() {
        return Vec::new();
    }
    let rows = numbers.into_iter().zip(groups);
    rows.map(|(position, group)| batch::Row {
        position,
        first_at: group.first_at,
        members: group.members,
    })
    .collect()
}

type Query<'q> = sqlx::query::QueryAs<'q, Postgres, Row, sqlx::postgres::PgArguments>;

macro_rules! column {
    ($of:ident: $one:ident => $value:expr) => {
        $of.iter().map(|$one| $value).collect::<Vec<_>>()
    };
}

fn bind_groups<'q>(sql: &'q str, tenants: Vec<String>, groups: &'q [Group]) -> Query<'q> {
    sqlx::query_as(sql)
        .bind(tenants)
        .bind(column!(groups: group => group.tenant.to_string()))
        .bind(column!(groups: group => group.seen.map(|seen| seen.head)))
        .bind(column!(groups: group => group.seen.map(|seen| seen.recorded_at.micros())))
        .bind(column!(groups: group => group.first_at))
        .bind(column!(groups: group => group.last_at))
        .bind(column!(groups: group => group.records))
        .bind(column!(groups: group => group.body.as_str()))
}

fn bind_operations<'q>(query: Query<'q>, needs: Needs, wholes: &'q [&'q Whole]) -> Query<'q> {
    macro_rules! entry {
        ($entry:ident => $value:expr) => {
            column!(wholes: whole => { let $entry = &whole.operation.entry; $value })
        };
    }
    macro_rules! operation {
        ($op:ident => $value:expr) => {
            column!(wholes: whole => { let $op = &whole.operation; $value })
        };
    }
    let query = query
        .bind(entry!(entry => entry.at.micros()))
        .bind(entry!(entry => entry.tenant.to_string()))
        .bind(entry!(entry => entry.kind.as_str()))
        .bind(entry!(entry => entry.client.as_deref()))
        .bind(entry!(entry => entry.credential.as_deref()))
        .bind(entry!(entry => entry.scopes.as_deref()))
        .bind(entry!(entry => entry.audience.as_deref()))
        .bind(entry!(entry => entry.jti.as_deref()))
        .bind(entry!(entry => entry.expires_at.map(Timestamp::micros)))
        .bind(entry!(entry => entry.address.map(|address| address.to_string())))
        .bind(entry!(entry => entry.user_agent.as_deref()))
        .bind(entry!(entry => entry.reason))
        .bind(entry!(entry => entry.trace_id.as_deref()))
        .bind(entry!(entry => i64::from(entry.times)))
        .bind(operation!(op => op.seen.map(|seen| seen.head)))
        .bind(operation!(op => op.seen.map(|seen| seen.recorded_at.micros())))
        .bind(column!(wholes: whole => whole.line.as_ref().map(Written::as_str)));
    if needs < Needs::Claims {
        return query;
    }
    let query = if needs < Needs::Changes {
        query
    } else {
        let change = |op: &'q Operation<'_>| op.change.as_ref();
        query
            .bind(operation!(op => change(op).map(Change::name)))
            .bind(operation!(op => change(op).and_then(Change::family).map(|it| it.to_string())))
            .bind(operation!(op => change(op).and_then(Change::next)))
            .bind(operation!(op => match change(op) {
                Some(Change::Rotate(rotation)) => Some(rotation.presented.as_str()),
                _ => None,
            }))
            .bind(operation!(op => match change(op) {
                Some(Change::Begin(new)) => Some(new.roles.as_str()),
                _ => None,
            }))
            .bind(operation!(op => match change(op) {
                Some(Change::Begin(new)) => Some(new.expires_at.micros()),
                _ => None,
            }))
    };
    let now = wholes
        .iter()
        .map(|whole| whole.operation.entry.at.micros())
        .min();
    query
        .bind(operation!(op => op.assertion.as_ref().map(|used| used.client.to_string())))
        .bind(operation!(op => op.assertion.as_ref().map(|used| used.jti.as_str())))
        .bind(operation!(op => op.assertion.as_ref().map(|used| used.until.micros())))
        .bind(now)
}
