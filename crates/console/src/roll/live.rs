//! The roll as it grows: an event stream, for as long as a request should take. The browser comes back
//! by itself with the number of the last entry, and its session is looked at again.

use std::{convert::Infallible, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use chancery_application::EntryNumber;
use futures_util::{StreamExt, future};
use http::{HeaderMap, header::CACHE_CONTROL};

use super::timeline;
use crate::{fields::Asked, stop::Stop, within::Within};

/// How long one stream lasts: a server that stops waits for it no longer than for other requests.
const LASTS: Duration = Duration::from_secs(15);

pub(crate) async fn follow(
    within: Within,
    Asked(asked): Asked,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let application = within.visitor.application().clone();
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .or_else(|| asked.get("after"));
    let after: Option<EntryNumber> = last.and_then(|number| number.parse().ok());
    let caller = &within.visitor.session.caller;
    let entries = application.follow(caller, within.tenant, after).await?;
    let base = within.at("");
    let events = entries
        // Whoever may not read on, or a roll that cannot be read, ends the stream.
        .take_while(|entry| future::ready(entry.is_ok()))
        .filter_map(|entry| future::ready(entry.ok()))
        .map(move |entry| {
            let row = timeline::row(&base, &entry, application.now());
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
