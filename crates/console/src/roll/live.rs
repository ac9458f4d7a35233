//! The roll as it grows: an event stream, for as long as a request should take. The browser comes back
//! by itself with the number of the last entry, and its session is looked at again.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use chancery_application::EntryNumber;
use chancery_domain::{TenantId, Timestamp};
use futures_util::{StreamExt, future, future::Either};
use http::{HeaderMap, header::CACHE_CONTROL};

use super::{names::Names, timeline};
use crate::{fields::Asked, stop::Stop, within::Within};

/// How long one stream lasts: a server that stops waits for it no longer than for other requests.
const LASTS: Duration = Duration::from_secs(15);

/// For how long a browser may be away and go on with the same reading, in seconds.
const AWAY: i64 = 60;

/// Who follows which roll, by session: of a reading that goes on there is one record, and not one each time that
/// the browser comes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings(Arc<Mutex<HashMap<Reading, Read>>>);

type Reading = (String, TenantId);

/// What there is a record of: when the browser was last there, and past which entry it has read.
type Read = (Timestamp, i64);

impl Readings {
    /// Whether what is past this entry is still what that record is of: past which it is, then.
    fn goes_on(&self, reading: &Reading, after: i64, now: Timestamp) -> Option<i64> {
        let (last, begin) = self.all().get(reading).copied()?;
        (last <= now && now < last.plus_seconds(AWAY) && begin <= after).then_some(begin)
    }

    /// Notes that somebody reads, of which there is a record.
    fn keep(&self, reading: Reading, begin: i64, now: Timestamp) {
        let mut all = self.all();
        all.retain(|_, (last, _)| now < last.plus_seconds(AWAY));
        all.insert(reading, (now, begin));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Reading, Read>> {
        // Nothing in here is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn follow(
    within: Within,
    Asked(asked): Asked,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let application = within.visitor.application().clone();
    let came_back = headers.get("last-event-id");
    let came_back = came_back.and_then(|id| id.to_str().ok());
    let last = came_back.or_else(|| asked.get("after"));
    let after: Option<EntryNumber> = last.and_then(|number| number.parse().ok());
    let session = &within.visitor.session;
    let (caller, tenant) = (&session.caller, within.tenant);
    let readings = &within.visitor.console.readings;
    let reading = (session.form_token.clone(), tenant);
    let place = after.map_or(i64::MAX, |EntryNumber(number)| number);
    let begin = came_back.and_then(|_| readings.goes_on(&reading, place, application.now()));
    let entries = if begin.is_some() {
        Either::Left(application.follow_on(caller, tenant, after).await?)
    } else {
        Either::Right(application.follow(caller, tenant, after).await?)
    };
    readings.keep(reading, begin.unwrap_or(place), application.now());
    let (base, reader) = (within.at(""), caller.clone());
    let (signed_in, token) = (application.clone(), within.visitor.token().to_owned());
    let events =
        entries
            // Whoever may not read on or is not signed in any more, or a roll that cannot be read, ends the stream.
            .take_while(move |entry| {
                let (is_read, application, token) =
                    (entry.is_ok(), signed_in.clone(), token.clone());
                async move {
                    is_read && matches!(application.session_at_rest(&token).await, Ok(Some(_)))
                }
            })
            .filter_map(|entry| future::ready(entry.ok()))
            .then(move |entry| {
                let (application, reader) = (application.clone(), reader.clone());
                async move {
                    let entries = std::iter::once(&entry);
                    let names = Names::looked_up(&application, &reader, tenant, entries).await;
                    // Without them it is told all the same.
                    (entry, names.unwrap_or_default(), application.now())
                }
            })
            .map(move |(entry, names, now)| {
                let row = timeline::row(&base, &entry, &names, now);
                let event = Event::default()
                    .event("entry")
                    .id(entry.tenant_seq.to_string())
                    .data(row.into_string());
                Ok::<_, Infallible>(event)
            })
            .take_until(Box::pin(tokio::time::sleep(LASTS)));
    // Something has to be said before the first entry, or a proxy holds the answer back.
    let hello = Event::default()
        .retry(Duration::from_secs(1))
        .comment("live");
    let events = futures_util::stream::once(future::ready(Ok(hello))).chain(events);
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(5)));
    Ok(([(CACHE_CONTROL, "no-store")], events).into_response())
}
