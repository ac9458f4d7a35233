use std::str::FromStr;

use chancery_domain::{Fold, Invalid, Row, TenantId, Timestamp};
use chancery_event_store::{Backend, StoreError};

/// What every read model's row has.
#[derive(sqlx::FromRow)]
pub(crate) struct BodyRow {
    id: String,
    tenant_id: String,
    version: i64,
    created_at: i64,
    changed_at: i64,
    body: String,
}

impl BodyRow {
    pub(crate) fn into_row<S: Fold>(self) -> Result<Row<S>, StoreError> {
        let corrupt = |cause: String| {
            StoreError::Corrupt(format!("the {} row {}: {cause}", S::TYPE, self.id))
        };
        Ok(Row {
            tenant: self
                .tenant_id
                .parse()
                .map_err(|invalid: Invalid| corrupt(invalid.to_string()))?,
            version: self.version,
            created_at: Timestamp::from_micros(self.created_at),
            changed_at: Timestamp::from_micros(self.changed_at),
            state: serde_json::from_str(&self.body).map_err(|error| corrupt(error.to_string()))?,
        })
    }

    pub(crate) fn into_pair<I: FromStr<Err = Invalid>, S: Fold>(
        self,
    ) -> Result<(I, Row<S>), StoreError> {
        let id = self.id.parse().map_err(|invalid: Invalid| {
            StoreError::Corrupt(format!("the {} row {}: {invalid}", S::TYPE, self.id))
        })?;
        Ok((id, self.into_row()?))
    }
}

/// Rows with their ids.
pub(crate) fn pairs<I: FromStr<Err = Invalid>, S: Fold>(
    rows: Vec<BodyRow>,
) -> Result<Vec<(I, Row<S>)>, StoreError> {
    rows.into_iter().map(BodyRow::into_pair).collect()
}

/// The state as a row's body holds it.
pub(crate) fn body<S: Fold>(row: &Row<S>) -> String {
    chancery_domain::json::canonical(&row.state)
}

/// Past which id a page begins: an empty text is before every id.
pub(crate) fn past<I: ToString>(after: Option<I>) -> String {
    after.map(|id| id.to_string()).unwrap_or_default()
}

/// A statement for many ids at once: `{ids}` stands for those that are bound as [`json_list`]. The two
/// stores take a list apart by functions of different names.
pub(crate) fn for_many(backend: Backend, sql: &str) -> String {
    let ids = match backend {
        Backend::Postgres => "(SELECT json_array_elements_text($1::text::json))",
        Backend::Sqlite => "(SELECT value FROM json_each($1))",
    };
    sql.replace("{ids}", ids)
}

/// Ids as one parameter.
pub(crate) fn json_list<I: ToString>(ids: &[I]) -> String {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    serde_json::Value::from(ids).to_string()
}

/// A query for many rows of several tenants, each by its tenant and id, that are bound as [`places_list`]. On SQLite
/// the list is walked and each row looked up, which it would else do the other way round.
pub(crate) fn for_places(backend: Backend, columns: &str, table: &str, id: &str) -> String {
    let (list, tenant, place) = match backend {
        Backend::Postgres => (
            "json_array_elements($1::text::json) AS asked(place) JOIN",
            "asked.place ->> 0",
            "asked.place ->> 1",
        ),
        Backend::Sqlite => (
            "json_each($1) AS asked CROSS JOIN",
            "json_extract(asked.value, '$[0]')",
            "json_extract(asked.value, '$[1]')",
        ),
    };
    format!(
        "SELECT {columns} FROM {list} {table} ON {table}.{id} = {place} AND {table}.tenant_id = {tenant}"
    )
}

/// Places as one parameter.
pub(crate) fn places_list<I: ToString>(places: &[(TenantId, I)]) -> String {
    let pair =
        |(tenant, id): &(TenantId, I)| serde_json::json!([tenant.to_string(), id.to_string()]);
    serde_json::Value::from(places.iter().map(pair).collect::<Vec<_>>()).to_string()
}

/// The query for a read model's rows: `select!("api_id", "apis", "WHERE api_id = $1")`.
macro_rules! select {
    ($id:literal, $table:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $id,
            " AS id, tenant_id, version, created_at, changed_at, body FROM ",
            $table,
            " ",
            $rest
        )
    };
}
pub(crate) use select;
