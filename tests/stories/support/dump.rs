use chancery_event_store::StoreLocation;
use chancery_testkit::stores::TestDatabase;
use sqlx::{Connection, PgConnection, Row, SqliteConnection, TypeInfo, ValueRef};

/// Every value of every row of every table, as text: one line for each row, beginning with the name
/// of its table.
pub(crate) async fn dump(database: &TestDatabase) -> String {
    match database.location() {
        StoreLocation::Postgres(url) => postgres(url).await,
        StoreLocation::Sqlite(path) => sqlite(&format!("sqlite://{}", path.display())).await,
    }
}

/// The same of the token log.
pub(crate) async fn dump_tokens(database: &TestDatabase) -> String {
    let beside = chancery_token_log::TokenLogConfig::beside(database.location());
    match beside.location {
        StoreLocation::Postgres(url) => postgres_schema(&url, "token_log").await,
        StoreLocation::Sqlite(path) => sqlite(&format!("sqlite://{}", path.display())).await,
    }
}

/// Every row that holds one of these, sorted: what the database knows of a tenant by its ids.
pub(crate) async fn rows_with(database: &TestDatabase, marks: &[&str]) -> Vec<String> {
    let text = dump(database).await;
    let rows = text
        .lines()
        .filter(|row| marks.iter().any(|mark| row.contains(mark)));
    let mut rows: Vec<_> = rows.map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

async fn postgres(url: &str) -> String {
    postgres_schema(url, "public").await
}

async fn postgres_schema(url: &str, schema: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables = sqlx::query(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1",
    )
    .bind(schema.to_owned());
    let mut text = String::new();
    for table in tables.fetch_all(&mut connection).await.unwrap() {
        let table = table.get::<String, _>(0);
        let query = format!("SELECT t::text FROM \"{schema}\".\"{table}\" t");
        for row in sqlx::query(&query)
            .fetch_all(&mut connection)
            .await
            .unwrap()
        {
            text.push_str(&table);
            text.push(' ');
            text.push_str(&row.get::<String, _>(0).replace('\n', "\\n"));
            text.push('\n');
        }
    }
    text
}

async fn sqlite(url: &str) -> String {
    let mut connection = SqliteConnection::connect(url).await.unwrap();
    let tables = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table'");
    let mut text = String::new();
    for table in tables.fetch_all(&mut connection).await.unwrap() {
        let table = table.get::<String, _>(0);
        let query = format!("SELECT * FROM \"{table}\"");
        for row in sqlx::query(&query)
            .fetch_all(&mut connection)
            .await
            .unwrap()
        {
            text.push_str(&table);
            for column in 0..row.len() {
                text.push('\t');
                let raw = row.try_get_raw(column).unwrap();
                // Hashes and sealed keys are bytes; PostgreSQL shows them as hexadecimal too.
                if raw.type_info().name() == "BLOB" {
                    text.push_str(&hex(&row.get::<Vec<u8>, _>(column)));
                } else if let Ok(value) = row.try_get_unchecked::<String, _>(column) {
                    text.push_str(&value.replace('\n', "\\n"));
                } else if let Ok(value) = row.try_get_unchecked::<i64, _>(column) {
                    text.push_str(&value.to_string());
                }
            }
            text.push('\n');
        }
    }
    text
}

/// How many rows a table has of this secret.
pub(crate) async fn rows_of_secret(database: &TestDatabase, table: &str, secret: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table} WHERE secret_id = $1");
    match database.location() {
        StoreLocation::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let query = sqlx::query_scalar(&sql).bind(secret);
            query.fetch_one(&mut connection).await.unwrap()
        }
        StoreLocation::Sqlite(path) => {
            let url = format!("sqlite://{}", path.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let query = sqlx::query_scalar(&sql).bind(secret);
            query.fetch_one(&mut connection).await.unwrap()
        }
    }
}

/// Does to the database what the server would not.
pub(crate) async fn run_sql(database: &TestDatabase, sql: &str) {
    match database.location() {
        StoreLocation::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
        StoreLocation::Sqlite(path) => {
            let url = format!("sqlite://{}", path.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
