use chancery_event_store::StoreLocation;
use chancery_testkit::stores::TestDatabase;
use sqlx::{Connection, PgConnection, Row, SqliteConnection, TypeInfo, ValueRef};

/// Every value of every row of every table, as text.
pub(crate) async fn dump(database: &TestDatabase) -> String {
    match database.location() {
        StoreLocation::Postgres(url) => postgres(url).await,
        StoreLocation::Sqlite(path) => sqlite(&format!("sqlite://{}", path.display())).await,
    }
}

async fn postgres(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables = sqlx::query(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    );
    let mut text = String::new();
    for table in tables.fetch_all(&mut connection).await.unwrap() {
        let query = format!("SELECT t::text FROM \"{}\" t", table.get::<String, _>(0));
        for row in sqlx::query(&query)
            .fetch_all(&mut connection)
            .await
            .unwrap()
        {
            text.push_str(&row.get::<String, _>(0));
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
        let query = format!("SELECT * FROM \"{}\"", table.get::<String, _>(0));
        for row in sqlx::query(&query)
            .fetch_all(&mut connection)
            .await
            .unwrap()
        {
            for column in 0..row.len() {
                let raw = row.try_get_raw(column).unwrap();
                // Hashes and sealed keys are bytes; PostgreSQL shows them as hexadecimal too.
                if raw.type_info().name() == "BLOB" {
                    text.push_str(&hex(&row.get::<Vec<u8>, _>(column)));
                } else if let Ok(value) = row.try_get_unchecked::<String, _>(column) {
                    text.push_str(&value);
                }
                text.push('\n');
            }
        }
    }
    text
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
