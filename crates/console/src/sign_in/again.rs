//! Who is signed in already: asked before somebody becomes somebody else.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header::CACHE_CONTROL};
use serde_json::{Value, json};

use crate::{Console, cookie, stop::Stop};

/// Whoever is signed in, in the words of the panel, for the script.
pub(crate) async fn who(
    State(console): State<Console>,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let application = &console.application;
    let session = match cookie::sent(&headers, application) {
        Some(token) => application.session_at_rest(token).await?,
        None => None,
    };
    let who = session.map_or(Value::Null, |session| {
        json!(session.name.unwrap_or_else(|| session.client.to_string()))
    });
    Ok((
        [(CACHE_CONTROL, "no-store")],
        Json(json!({"signedInAs": who})),
    )
        .into_response())
}
