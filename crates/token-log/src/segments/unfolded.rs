//! Uses of credentials that are not counted in `credential_use` yet: those in fresh segments.

use std::{borrow::Cow, collections::BTreeMap};

use chancery_domain::TenantId;
use chancery_event_store::{Snapshot, StoreError, fetch_all};

use crate::segments::{HOUR, body, line::Line};

/// How a credential was used within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use<'a> {
    pub(crate) client: Cow<'a, str>,
    pub(crate) count: i64,
    pub(crate) last_at: i64,
    pub(crate) last_address: Option<Cow<'a, str>>,
}

/// Each credential's use in some records, in the order of its key: credential, hour. Borrowed from the records where
/// those stay.
#[derive(Default)]
pub(crate) struct Uses<'a>(pub(crate) BTreeMap<(Cow<'a, str>, i64), Use<'a>>);

impl Uses<'static> {
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
        let lines = bodies.iter().map(|(body,)| body::decode(body));
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        let mut uses = Uses::default();
        lines.iter().flatten().for_each(|line| uses.count(line));
        Ok(uses.into_owned())
    }
}

impl<'a> Uses<'a> {
    /// Counts what one record says.
    pub(crate) fn count(&mut self, line: &'a Line<'_>) {
        let (Some(credential), Some(client)) = (line.credential(), line.client()) else {
            return;
        };
        let this = self.0.entry((credential.into(), line.at / HOUR));
        let this = this.or_insert_with(|| Use {
            client: client.into(),
            count: 0,
            last_at: 0,
            last_address: None,
        });
        this.count += 1;
        if this.last_at <= line.at {
            this.last_at = line.at;
            this.last_address = line.address().map(Into::into);
        }
    }

    fn into_owned(self) -> Uses<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let uses = self.0.into_iter().map(|((credential, hour), it)| {
            let this = Use {
                client: owned(it.client),
                count: it.count,
                last_at: it.last_at,
                last_address: it.last_address.map(owned),
            };
            ((owned(credential), hour), this)
        });
        Uses(uses.collect())
    }

    /// The latest use of whom a column names.
    pub(crate) fn latest(&self, column: Column, id: &str) -> Option<&Use<'a>> {
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
