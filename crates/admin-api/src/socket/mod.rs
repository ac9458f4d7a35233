//! `GET /graphql/ws`: subscriptions over a WebSocket, by the protocol `graphql-transport-ws`.
//!
//! The protocol itself is the library's; here is what keeps a connection within bounds and ends it.

mod close;
mod connection;
mod executor;
mod incoming;
mod places;

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::Response,
};
use chancery_application::ClientAddress;
use chancery_telemetry::TraceContext;
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};

pub use places::Sockets;

use crate::{
    error::Code,
    http::{AdminApi, refusal},
};

/// The one protocol that is spoken.
const PROTOCOL: &str = "graphql-transport-ws";
/// How large a message may be, in bytes: as large as the body of a request.
const MAX_MESSAGE: usize = crate::http::MAX_BODY;

/// Answers the handshake. Who asks is said afterwards, in `connection_init`; cookies mean nothing, so
/// a foreign page that opens a socket has nothing to ride on.
pub(crate) async fn upgrade(
    State(api): State<AdminApi>,
    Extension(trace): Extension<TraceContext>,
    address: Option<Extension<ClientAddress>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let refused = |message| refusal(StatusCode::BAD_REQUEST, Code::InvalidInput, message, None);
    let Ok(upgrade) = upgrade else {
        return refused(
            "this address is for WebSockets; send queries and mutations to POST /graphql",
        );
    };
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE);
    if upgrade.selected_protocol().is_none() {
        return refused("offer the WebSocket protocol graphql-transport-ws");
    }
    let Some(place) = api.sockets.place() else {
        let message = "this node has as many WebSockets as it takes; try again in a moment";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = refusal(status, Code::Unavailable, message, None);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    let trace_id = trace.trace_id().to_owned();
    let from = connection::From {
        trace_id,
        address: address.map(|Extension(address)| address),
    };
    upgrade.on_upgrade(move |socket| connection::run(socket, api, place, from))
}
