//! Who sent a request: the cookie, and the session behind it as things are now.

use axum::extract::{FromRequestParts, OriginalUri};
use chancery_application::{Application, Session};
use chancery_telemetry::TraceContext;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{COOKIE, SET_COOKIE},
    request::Parts,
};

use crate::{Console, stop::Stop};

/// Somebody who is signed in.
pub(crate) struct Visitor {
    pub(crate) console: Console,
    pub(crate) session: Session,
    /// The W3C trace in which the request happens.
    pub(crate) trace: TraceContext,
    /// The path that was asked for.
    pub(crate) path: String,
    token: String,
}

impl Visitor {
    pub(crate) fn application(&self) -> &Application {
        &self.console.application
    }

    /// What the session's cookie holds.
    pub(crate) fn token(&self) -> &str {
        &self.token
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
        let Some(token) = cookie(&parts.headers, application) else {
            return Err(Stop::SignIn(asked));
        };
        let Some(session) = application.session(token).await? else {
            return Err(Stop::SignIn(asked));
        };
        let trace = parts.extensions.get::<TraceContext>().copied();
        let trace = trace.ok_or(Stop::Unreadable("The request has no trace."))?;
        let caller = session.caller.clone().in_trace(trace.trace_id());
        Ok(Self {
            console: console.clone(),
            session: Session { caller, ..session },
            trace,
            path: uri.path().to_owned(),
            token: token.to_owned(),
        })
    }
}

/// Whether browsers come in by TLS: everywhere but on this machine.
fn is_secure(application: &Application) -> bool {
    application.public_url().as_str().starts_with("https://")
}

/// `__Host-` keeps other hosts of the domain, and plain HTTP, from setting it; it asks for `Secure`.
fn cookie_name(application: &Application) -> &'static str {
    if is_secure(application) {
        "__Host-chancery-console"
    } else {
        "chancery-console"
    }
}

/// The session's token, as the browser sent it.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, application: &Application) -> Option<&'a str> {
    let name = cookie_name(application);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Has the browser keep this token until it is closed; an empty one: has it forget.
pub(crate) fn set_cookie(headers: &mut HeaderMap, application: &Application, token: &str) {
    let name = cookie_name(application);
    let secure = if is_secure(application) {
        "; Secure"
    } else {
        ""
    };
    let gone = if token.is_empty() { "; Max-Age=0" } else { "" };
    let cookie = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{gone}");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        headers.insert(SET_COOKIE, value);
    }
}
