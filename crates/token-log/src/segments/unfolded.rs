//! Uses of credentials that are not counted in `credential_use` yet: those in fresh rows, and those that were noted when
//! these were put together.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use chancery_domain::TenantId;
use chancery_event_store::{Snapshot, StoreError, fetch_all};
use serde::{Deserialize, Serialize};

use crate::segments::{DAY, HOUR, body, line::Line};

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
        type Row = (Option<String>, Option<String>);
        let sql = format!(
            "SELECT body, NULL AS uses FROM {schema}.activity_fresh WHERE tenant_id = $1
              UNION ALL
             SELECT NULL AS body, uses FROM {schema}.activity_uses WHERE tenant_id = $1"
        );
        let rows = fetch_all!(snapshot, Row, &sql, tenant.to_string())?;
        let bodies = rows.iter().filter_map(|row| row.0.as_deref());
        let lines = bodies.map(body::decode);
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        let mut uses = Uses::default();
        lines.iter().flatten().for_each(|line| uses.count(line));
        for note in rows.iter().filter_map(|row| row.1.as_deref()) {
            uses.add(read(note)?);
        }
        Ok(uses.into_owned())
    }
}

/// A row of `credential_use` without its tenant: credential, hour, client, uses, the last of them and its address.
#[derive(Serialize, Deserialize)]
pub(crate) struct Row<'a>(
    #[serde(borrow)] Cow<'a, str>,
    i64,
    #[serde(borrow)] Cow<'a, str>,
    i64,
    i64,
    #[serde(borrow)] Option<Cow<'a, str>>,
);

impl Row<'_> {
    pub(crate) fn credential(&self) -> &str {
        &self.0
    }

    pub(crate) fn uses(&self) -> i64 {
        self.3
    }
}

/// What was noted.
pub(crate) fn read(note: &str) -> Result<Vec<Row<'_>>, StoreError> {
    serde_json::from_str(note).map_err(|error| {
        StoreError::Corrupt(format!("what was noted of uses cannot be read: {error}"))
    })
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

    /// Adds what was noted.
    pub(crate) fn add(&mut self, rows: Vec<Row<'a>>) {
        for Row(credential, hour, client, count, last_at, last_address) in rows {
            match self.0.entry((credential, hour)) {
                Entry::Vacant(place) => {
                    place.insert(Use {
                        client,
                        count,
                        last_at,
                        last_address,
                    });
                }
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.count += count;
                    if known.last_at <= last_at {
                        (known.last_at, known.last_address) = (last_at, last_address);
                    }
                }
            }
        }
    }

    /// Rows of `credential_use`, in the order of their keys, as [`read`] reads them.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.0.iter().map(|((credential, hour), it)| {
            let address = it.last_address.as_deref().map(Cow::Borrowed);
            let (credential, client) = (Cow::Borrowed(&**credential), Cow::Borrowed(&*it.client));
            Row(credential, *hour, client, it.count, it.last_at, address)
        })
    }

    /// Rows of `client_days`, in the order of their keys: when a day begins, a client, and how often it was used.
    pub(crate) fn by_client(&self) -> Vec<(i64, &str, i64)> {
        let mut counts: BTreeMap<(i64, &str), i64> = BTreeMap::new();
        for ((_, hour), used) in &self.0 {
            let day = (hour * HOUR).div_euclid(DAY) * DAY;
            *counts.entry((day, &used.client)).or_default() += used.count;
        }
        let rows = counts
            .into_iter()
            .map(|((day, client), uses)| (day, client, uses));
        rows.collect()
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
