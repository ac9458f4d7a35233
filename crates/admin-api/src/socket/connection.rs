use std::{sync::Arc, time::Duration};

use async_graphql::{
    Data,
    http::{WebSocket as Protocol, WebSocketProtocols, WsMessage},
};
use axum::extract::ws::{Message, WebSocket};
use chancery_application::{BearerRefused, Caller, ClientAddress};
use futures_util::{Sink, SinkExt, Stream, StreamExt, future};
use serde_json::Value;
use tokio::{
    sync::oneshot,
    time::{self, Instant, MissedTickBehavior},
};

use super::{
    close::Close,
    executor::Subscriptions,
    incoming::Shared,
    places::{OfCaller, Place},
};
use crate::{auth, error, http::AdminApi};

/// How long a client may take to say who it is.
const INIT: Duration = Duration::from_secs(5);
/// How often it is asked for a sign of life.
const PING: Duration = Duration::from_secs(20);
/// How long it may give none, or may leave a message unread.
const SILENCE: Duration = Duration::from_mins(1);
/// How long the last word may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// From where a connection was opened, and in which trace.
pub(super) struct From {
    pub(super) trace_id: String,
    pub(super) address: Option<ClientAddress>,
}

/// A caller, once it is known, with its place.
type Authenticated = (Caller, OfCaller);

/// Speaks with one client until one of both ends it.
pub(super) async fn run(socket: WebSocket, api: AdminApi, place: Place, from: From) {
    let (mut sink, stream) = socket.split();
    let shared = Arc::new(Shared::new());
    let incoming = {
        let shared = Arc::clone(&shared);
        stream.filter_map(move |message| future::ready(shared.take(message)))
    };
    let subscriptions = Subscriptions {
        schema: api.schema.clone(),
        application: api.application.clone(),
        trace_id: from.trace_id.clone(),
    };
    let place = Arc::new(place);
    let (known, authenticated) = oneshot::channel();
    let init = {
        let (api, place, shared) = (api.clone(), Arc::clone(&place), Arc::clone(&shared));
        move |payload| async move {
            match authenticate(&api, &place, &payload, &from).await {
                Ok((caller, of_caller)) => {
                    let mut data = Data::default();
                    data.insert(caller.clone());
                    let _ = known.send((caller, of_caller));
                    Ok(data)
                }
                Err(close) => {
                    shared.condemn(close);
                    Err(async_graphql::Error::new("refused"))
                }
            }
        }
    };
    let outgoing =
        Protocol::from_message_stream(subscriptions, incoming, WebSocketProtocols::GraphQLWS)
            .on_connection_init(init);
    let close = tokio::select! {
        biased;
        () = place.stopped() => Some(Close::going_away()),
        close = ended(&api, authenticated) => Some(close),
        close = speak(outgoing, &mut sink, &shared) => close,
    };
    if let Some(close) = close {
        tracing::debug!(?close, "a WebSocket is closed");
        let _ = time::timeout(FAREWELL, sink.send(close.into())).await;
    }
}

/// Sends what the protocol has to say, each message when the one before it has gone out: a client that
/// reads slowly holds up its own subscriptions and nothing grows. Gives why it has to end; `None`: the
/// client has gone.
async fn speak(
    outgoing: impl Stream<Item = WsMessage>,
    sink: &mut (impl Sink<Message> + Unpin),
    shared: &Shared,
) -> Option<Close> {
    let mut outgoing = std::pin::pin!(outgoing);
    let mut pings = time::interval_at(Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = outgoing.next() => match message {
                None => return shared.verdict(),
                Some(WsMessage::Close(code, reason)) => {
                    return Some(shared.verdict().unwrap_or_else(|| Close::of_library(code, &reason)));
                }
                Some(WsMessage::Text(text)) => {
                    shared.sent(&text);
                    Message::Text(text.into())
                }
            },
            _ = pings.tick() => {
                if shared.heard().elapsed() > SILENCE {
                    return None;
                }
                Message::Ping(Vec::new().into())
            }
        };
        match time::timeout(SILENCE, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return None,
        }
    }
}

/// Waits until the client has no right to be here: it did not say in time who it is, or who it is has
/// ended since.
async fn ended(api: &AdminApi, authenticated: oneshot::Receiver<Authenticated>) -> Close {
    match time::timeout(INIT, authenticated).await {
        Err(_) => Close::init_timeout(),
        // Whoever refused it says so.
        Ok(Err(_)) => future::pending().await,
        Ok(Ok((caller, _place))) => {
            let reason = api.application.until_ended(&caller).await;
            Close::forbidden(reason)
        }
    }
}

async fn authenticate(
    api: &AdminApi,
    place: &Place,
    payload: &Value,
    from: &From,
) -> Result<Authenticated, Close> {
    let token = auth::token_of_init(payload).ok_or_else(|| {
        Close::forbidden("connection_init needs a payload like {\"authorization\": \"Bearer …\"}")
    })?;
    let caller = match api.application.authenticate(token).await {
        Ok(caller) => caller.from_address(from.address),
        Err(BearerRefused::NotUsable(_)) => {
            return Err(Close::forbidden(
                "the access token is malformed, expired, revoked or for another audience",
            ));
        }
        Err(BearerRefused::Failed(error)) => {
            error::log(&error, &from.trace_id);
            return Err(Close::later("it cannot be found out now who you are"));
        }
    };
    let of_caller = place
        .of_caller(caller.actor())
        .ok_or_else(|| Close::later("this client has as many connections as it may have"))?;
    Ok((caller, of_caller))
}
