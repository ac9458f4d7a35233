use sqlx::{Connection, PgConnection};

use crate::{config::StoreLocation, error::StoreError, postgres};

/// A PostgreSQL schema that is made for one purpose and removed afterwards: what else is in the
/// database is neither seen nor touched.
pub struct ThrowawaySchema {
    url: String,
    name: String,
}

impl ThrowawaySchema {
    /// Makes a schema with this name, which must be lower-case letters, digits and underscores.
    pub async fn create(url: &str, name: &str) -> Result<Self, StoreError> {
        postgres::check_schema_name(name)?;
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

    /// Removes the schema with everything in it, and those that were made beside it under its name.
    pub async fn remove(self) -> Result<(), StoreError> {
        let mut connection = PgConnection::connect(&self.url).await?;
        let beside: Vec<(String,)> =
            sqlx::query_as("SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname, $1)")
                .bind(format!("{}_", self.name))
                .fetch_all(&mut connection)
                .await?;
        connection.close().await?;
        for (schema,) in beside {
            self.run(&format!("DROP SCHEMA {schema} CASCADE")).await?;
        }
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
