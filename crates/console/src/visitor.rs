//! Who sent a request: the session behind its cookie, as things are now.

use axum::extract::{FromRequestParts, OriginalUri};
use chancery_application::{Application, Arrival, ClientAddress, Session};
use chancery_telemetry::TraceContext;
use http::{
    HeaderMap, Method,
    header::{ACCEPT, USER_AGENT},
    request::Parts,
};

use crate::{Console, cookie, stop::Stop, tokens::Peer};

/// Somebody who is signed in.
pub(crate) struct Visitor {
    pub(crate) console: Console,
    pub(crate) session: Session,
    /// The W3C trace in which the request happens.
    pub(crate) trace: TraceContext,
    /// The path that was asked for.
    pub(crate) path: String,
    token: String,
    arrival: Arrival,
    headers: HeaderMap,
}

impl Visitor {
    pub(crate) fn application(&self) -> &Application {
        &self.console.application
    }

    /// What the session's cookie holds.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// From where the request comes.
    pub(crate) fn arrival(&self) -> Arrival {
        self.arrival.clone()
    }

    /// What the request came with.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl AsRef<Self> for Visitor {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Stop> {
        let application = &console.application;
        let uri = OriginalUri::from_request_parts(parts, console)
            .await
            .map_or_else(|never| match never {}, |OriginalUri(uri)| uri);
        let asked = (parts.method == Method::GET)
            .then(|| uri.path_and_query().map(ToString::to_string))
            .flatten();
        let Some(token) = cookie::sent(&parts.headers, application) else {
            return Err(match asked {
                Some(next) if is_link_from_elsewhere(&parts.headers) => Stop::Elsewhere(next),
                asked => Stop::SignIn(asked),
            });
        };
        let trace = parts.extensions.get::<TraceContext>().copied();
        let trace = trace.ok_or(Stop::Unreadable("The request has no trace."))?;
        let arrival = arrival(&Peer(parts.extensions.clone()), &parts.headers, &trace);
        let session = if is_stream(parts, uri.path()) {
            application.session_at_rest(token).await?
        } else {
            application.session(token, &arrival).await?
        };
        let Some(session) = session else {
            return Err(Stop::SignIn(asked));
        };
        let address = arrival.address.map(ClientAddress);
        let caller = session.caller.clone().in_trace(trace.trace_id());
        let caller = caller.from_address(address);
        Ok(Self {
            console: console.clone(),
            session: Session { caller, ..session },
            trace,
            path: uri.path().to_owned(),
            token: token.to_owned(),
            arrival,
            headers: parts.headers.clone(),
        })
    }
}

/// Whether somebody follows a link from another site's page. No browser sends the cookie with it, whether or not
/// they are signed in; asked for once more from a page of this site, it does.
fn is_link_from_elsewhere(headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|said| said == value);
    says("sec-fetch-site", "cross-site")
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
}

/// Whether a page asks for what happens by itself, again and again: nobody need be there.
fn is_stream(parts: &Parts, path: &str) -> bool {
    let accepted = parts.headers.get(ACCEPT);
    let is_it = parts.method == Method::GET && path.ends_with("/roll/live");
    is_it && accepted.is_some_and(|accepted| accepted.as_bytes().starts_with(b"text/event-stream"))
}

/// From where a request comes.
pub(crate) fn arrival(peer: &Peer, headers: &HeaderMap, trace: &TraceContext) -> Arrival {
    let user_agent = headers.get(USER_AGENT);
    Arrival {
        address: peer.0.get().map(|ClientAddress(address)| *address),
        user_agent: user_agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned()),
        trace_id: Some(trace.trace_id().to_owned()),
    }
}
