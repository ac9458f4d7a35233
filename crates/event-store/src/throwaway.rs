use sqlx::{Connection, PgConnection};

use crate::{config::StoreLocation, error::StoreError};

/// A PostgreSQL schema that is made for one purpose and removed afterwards: what else is in the
/// database is neither seen nor touched.
pub struct ThrowawaySchema {
    url: String,
    name: String,
}

impl ThrowawaySchema {
    /// Makes a schema with this name, which must be lower-case letters, digits and underscores.
    pub async fn create(url: &str, name: &str) -> Result<Self, StoreError> {
        if !name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        {
            return Err(StoreError::Misuse(format!(
                "`{name}` is no name for a schema"
            )));
        }
        let schema = Self {
            url: url.to_owned(),
            name: name.to_owned(),
        };
        schema.run(&format!("CREATE SCHEMA {name}")).await?;
        Ok(schema)
    }

    /// A store in this schema.
    pub fn location(&self) -> StoreLocation {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        StoreLocation::Postgres(format!(
            "{}{separator}options=-csearch_path%3D{}",
            self.url, self.name
        ))
    }

    /// Removes the schema with everything in it.
    pub async fn remove(self) -> Result<(), StoreError> {
        self.run(&format!("DROP SCHEMA {} CASCADE", self.name))
            .await
    }

    async fn run(&self, sql: &str) -> Result<(), StoreError> {
        let mut connection = PgConnection::connect(&self.url).await?;
        sqlx::query(sql).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }
}
