//! Uses of credentials that are not counted in `credential_use` yet: those in fresh segments.

use std::collections::BTreeMap;

use chancery_domain::TenantId;
use chancery_event_store::{Snapshot, StoreError, fetch_all};

use crate::segments::{HOUR, body, line::Line};

/// How a credential was used within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) client: String,
    pub(crate) count: i64,
    pub(crate) last_at: i64,
    pub(crate) last_address: Option<String>,
}

/// Each credential's use in some records, in the order of its key: credential, hour.
#[derive(Default)]
pub(crate) struct Uses(pub(crate) BTreeMap<(String, i64), Use>);

impl Uses {
    /// Those that are not counted yet. In the snapshot that is given, so that none is counted twice.
    pub(crate) async fn unfolded(
        snapshot: &mut Snapshot,
        schema: &str,
        tenant: TenantId,
    ) -> Result<Self, StoreError> {
        let sql = format!(
            "SELECT body FROM {schema}.activity_fresh WHERE tenant_id = $1 ORDER BY position"
        );
        let bodies = fetch_all!(snapshot, (String,), &sql, tenant.to_string())?;
        let mut uses = Self::default();
        for (body,) in &bodies {
            for line in body::decode(body)? {
                uses.count(&line);
            }
        }
        Ok(uses)
    }

    /// Counts what one record says.
    pub(crate) fn count(&mut self, line: &Line<'_>) {
        let (Some(credential), Some(client)) = (line.credential(), line.client()) else {
            return;
        };
        let hour = line.at / HOUR;
        let this = self
            .0
            .entry((credential.to_owned(), hour))
            .or_insert_with(|| Use {
                client: client.to_owned(),
                count: 0,
                last_at: 0,
                last_address: None,
            });
        this.count += 1;
        if this.last_at <= line.at {
            this.last_at = line.at;
            this.last_address = line.address().map(ToOwned::to_owned);
        }
    }

    /// The latest use of whom a column names.
    pub(crate) fn latest(&self, column: Column, id: &str) -> Option<&Use> {
        self.0
            .iter()
            .filter(|((credential, _), it)| match column {
                Column::Credential => credential == id,
                Column::Client => it.client == id,
            })
            .map(|(_, it)| it)
            .max_by_key(|it| it.last_at)
    }
}

/// By what uses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Credential,
    Client,
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential_id",
            Self::Client => "client_id",
        }
    }
}
