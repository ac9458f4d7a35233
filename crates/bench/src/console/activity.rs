//! What the tenant's clients did in four weeks: most of it tokens, and what is rare beside them.

use std::sync::Arc;

use chancery_domain::{Clock, Timestamp};
use chancery_event_store::{Store, StoreLocation};
use chancery_projections::{ClientFilter, client_list, client_secrets};
use chancery_roll::testing::Sample;
use chancery_token_log::{Entry, Kind, TokenLog, TokenLogConfig};

use crate::{error::Error, machine::now};

/// Of so many requests one is denied, and of ten times as many the roll is read.
const RARE: usize = 20;
/// How many clients ask.
const CLIENTS: u32 = 500;
const WEEK: i64 = 7 * 86_400;

/// A moment that does not pass: the log makes room for the days that follow it.
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A moment so many weeks before now.
pub(super) fn weeks_ago(weeks: i64) -> Timestamp {
    now().plus_seconds(-weeks * WEEK)
}

/// A `UUIDv7` of this moment.
fn jti(at: Timestamp, number: usize) -> String {
    let millis = at.micros() / 1_000;
    let (high, low) = (millis >> 16, millis & 0xffff);
    format!("{high:08x}-{low:04x}-7000-8000-{number:012x}")
}

/// Writes so many tokens, and what is rare beside them, week by week.
pub(super) async fn filled(
    store: &Store,
    location: &StoreLocation,
    tokens: usize,
) -> Result<(), Error> {
    let tenant = Sample::tenant().id;
    let filter = ClientFilter::default();
    let listed = client_list::list(store, tenant, &filter, now(), None, CLIENTS).await;
    let listed = listed.map_err(Error::wrong)?;
    let clients: Vec<_> = listed.items.iter().map(|(_, client, _)| *client).collect();
    let secrets = client_secrets::of_clients(store, tenant, &clients).await;
    let secrets = secrets.map_err(Error::wrong)?;
    let of_client: Vec<_> = secrets
        .iter()
        .filter_map(|(client, row)| {
            Some((
                client.to_string(),
                row.state.secrets.keys().next()?.to_string(),
            ))
        })
        .collect();
    let in_week = tokens / 4;
    for week in (0..4).rev() {
        let begin = weeks_ago(week + 1);
        let clock = Arc::new(At(begin));
        let config = TokenLogConfig {
            retention_days: 400,
            ..TokenLogConfig::beside(location)
        };
        let log = TokenLog::open(&config, store, clock)
            .await
            .map_err(Error::wrong)?;
        for number in 0..in_week {
            let step = WEEK * 1_000_000 / i64::try_from(in_week.max(1)).unwrap_or(i64::MAX);
            let place = i64::try_from(number).unwrap_or_default();
            let at = Timestamp::from_micros(begin.micros() + place * step);
            let Some((client, secret)) = of_client.get(number * 7 % of_client.len().max(1)) else {
                return Err(Error::Wrong("no client has a secret".into()));
            };
            let (kind, reason) = match number {
                number if number % (10 * RARE) == 1 => (Kind::RollRead, None),
                number if number % RARE == 1 => (Kind::TokenDenied, Some("invalid_scope")),
                _ => (Kind::TokenIssued, None),
            };
            let entry = Entry {
                client: Some(client.into()),
                credential: Some(secret.into()),
                jti: (kind == Kind::TokenIssued).then(|| jti(at, number).into()),
                expires_at: Some(at.plus_seconds(300)),
                address: Some([127, 0, 0, 1].into()),
                user_agent: Some("bench".into()),
                reason,
                trace_id: Some(format!("{number:032x}").into()),
                ..Entry::new(tenant, at, kind)
            };
            let queued = log.queue(entry).map_err(Error::wrong)?;
            queued.done().await.map_err(Error::wrong)?;
        }
        log.drain().await;
        log.compact(tenant).await.map_err(Error::wrong)?;
        log.close().await;
    }
    Ok(())
}
