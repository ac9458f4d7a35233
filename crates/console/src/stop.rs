//! Why a request is not answered as it was asked: one map from errors to pages.

use std::sync::Arc;

use axum::response::{IntoResponse, Redirect, Response};
use chancery_application::Error;
use chancery_domain::ClockFault;
use chancery_telemetry::causes;
use http::StatusCode;
use maud::{Markup, html};

use crate::{
    dress::Frame,
    kept::Kept,
    layout::{self, Page},
};

/// What stands against a request.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The application did not do it.
    Error(Error),
    /// Nobody is signed in. Where to go on afterwards.
    SignIn(Option<String>),
    /// A form came from here, but its session has ended: what stands in it is kept.
    Ended(Kept),
    /// The form did not come from a page of this session.
    Forged,
    /// The form came from here, but from a page of another session than there is now, of which this token is.
    Earlier { kept: Kept, token: String },
    /// The body or the address cannot be read.
    Unreadable(&'static str),
    /// There is nothing at this address.
    NothingHere,
    /// There is nothing that could be done in this way at this address.
    WrongMethod,
    /// The browser came from elsewhere, and so without its cookie: to be asked again from here.
    Elsewhere(String),
    /// As many do it already as may at once.
    Busy,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::CallerEnded => Self::SignIn(None),
            error => Self::Error(error),
        }
    }
}

/// A page about what stands against a request.
#[derive(Clone)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    title: &'static str,
    /// What is the matter, and what to do about it.
    text: String,
    /// What is for the log alone.
    cause: Option<Arc<str>>,
    /// What stands below.
    more: Option<Markup>,
}

impl Fault {
    fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            title,
            text: text.into(),
            cause: None,
            more: None,
        }
    }

    fn of(error: &Error) -> Self {
        let text = sentence(error);
        match error {
            Error::Forbidden { .. } => Self::new(
                StatusCode::FORBIDDEN,
                "Not allowed",
                format!(
                    "{text} Sign in as a client that holds it, or ask an operator to grant it."
                ),
            ),
            Error::NotFound { .. } | Error::NoApi(_) => Self::new(
                StatusCode::NOT_FOUND,
                "Not found",
                format!(
                    "{text} It may have another id, or belong to a tenant that you cannot see."
                ),
            ),
            Error::NotThen { .. } => Self::new(StatusCode::NOT_FOUND, "Not there yet", text),
            Error::Invalid(faults) => {
                let first = faults.clone().into_vec().into_iter().next();
                let text = first.map_or(text, |fault| {
                    format!("`{}` {}.", fault.path, fault.invalid.message)
                });
                Self::new(StatusCode::BAD_REQUEST, "That cannot be used", text)
            }
            Error::Previewed { cause, .. } => Self::of(cause),
            Error::Refused(_) | Error::Guarded { .. } => {
                Self::new(StatusCode::CONFLICT, "A rule forbids it", text)
            }
            Error::Changed { what, .. } => Self::new(
                StatusCode::CONFLICT,
                "Somebody was faster",
                format!(
                    "{} Nothing was changed. Open the page anew, and decide on how it is now.",
                    overtaken(what)
                ),
            ),
            Error::CommandReused | Error::Conflict | Error::CallerEnded => {
                Self::new(StatusCode::CONFLICT, "Try it again", text)
            }
            Error::Unavailable(cause) if cause.is::<ClockFault>() => Self {
                cause: Some(causes(&**cause).into()),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The server's clock is wrong",
                    format!(
                        "{} Nothing is done by a clock that cannot be believed.",
                        capitalised(&cause.to_string())
                    ),
                )
            },
            Error::Unavailable(cause) => Self {
                cause: Some(causes(&**cause).into()),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Not possible right now",
                    "The database cannot be reached, or has too much to do. Load the page again in a moment: a form that is sent again is done once.",
                )
            },
            Error::Internal(cause) => Self {
                cause: Some(causes(&**cause).into()),
                ..Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong inside the server",
                    "The server's log has the details under the trace below.",
                )
            },
        }
    }

    /// Writes what is not the reader's doing to the log.
    pub(crate) fn log(&self, trace_id: &str) {
        if let Some(cause) = &self.cause {
            tracing::error!(trace_id, %cause, "the console could not answer");
        }
    }

    /// The page; `asked` is the one that was asked for with what cannot be used.
    pub(crate) fn page(&self, trace_id: &str, asked: Option<&str>, frame: &Frame) -> Response {
        let without = asked.filter(|_| self.status == StatusCode::BAD_REQUEST);
        let content = html! {
            h1 { (self.title) }
            p.lead { (self.text) }
            @if let Some(more) = &self.more { (more) }
            p {
                @if let Some(page) = without { a.button.primary href=(page) { "The page without it" } " " }
                a.button href="/console" { "To the console" }
            }
            p.quiet { "Trace " code { (trace_id) } }
        };
        let mut response = match frame {
            Frame::Bare => layout::bare(self.title, &content).into_response(),
            Frame::Visitor(visitor) => Page::new(self.title, visitor).show(&content),
            Frame::Within(within) => Page::within(self.title, within).show(&content),
        };
        *response.status_mut() = self.status;
        response
    }
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        let fault = match &self {
            Self::Error(error) => Fault::of(error),
            Self::SignIn(next) => {
                let to = match next {
                    Some(next) => {
                        let next: String =
                            url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
                        format!("/console/sign-in?next={next}")
                    }
                    None => "/console/sign-in?undone=1".to_owned(),
                };
                return Redirect::to(&to).into_response();
            }
            Self::Ended(kept) => Fault {
                more: Some(kept.again(None)),
                ..Fault::new(
                    StatusCode::UNAUTHORIZED,
                    "You are not signed in any more",
                    "Nothing was done, and nothing is lost: what you typed stands below.",
                )
            },
            Self::Earlier { kept, token } => Fault {
                more: Some(kept.again(Some(token))),
                ..Fault::new(
                    StatusCode::FORBIDDEN,
                    "This form is from an earlier session",
                    "Nothing was done yet. See whether it is what you mean, and send it in this session.",
                )
            },
            Self::Forged => Fault::new(
                StatusCode::FORBIDDEN,
                "This form is not from here",
                "It did not come from a page of your session, or the page is from an earlier session, or your browser keeps to itself where it came from. Nothing was done. Open the page again and send it from there.",
            ),
            Self::Unreadable(what) => {
                Fault::new(StatusCode::BAD_REQUEST, "That cannot be read", *what)
            }
            Self::NothingHere => Fault::new(
                StatusCode::NOT_FOUND,
                "Nothing here",
                "The console has no such page.",
            ),
            Self::WrongMethod => Fault::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "Not in this way",
                "There is something at this address, but not for this kind of request.",
            ),
            Self::Elsewhere(next) => return layout::onward(next).into_response(),
            Self::Busy => Fault::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Others are at it",
                "As many exports are under way as may be at once. Try it again in a minute, or use `chancery audit export`.",
            ),
        };
        let mut response = fault.status.into_response();
        response.extensions_mut().insert(fault);
        response
    }
}

/// An error's text as a sentence of its own.
pub(crate) fn sentence(error: &Error) -> String {
    match error {
        // Forms bring an id of their own, of which nobody who fills them in has heard.
        Error::CommandReused => {
            "This form was sent before, with something else in it. Open the page anew, and send it from there.".to_owned()
        }
        Error::Forbidden { needs } => format!("This takes {needs}, which you do not hold."),
        Error::Conflict => "Others changed the same at the same moment. Send the form again.".to_owned(),
        error => capitalised(&error.to_string()),
    }
}

/// That a form was made from what is not so any more.
pub(crate) fn overtaken(what: &str) -> String {
    format!("Somebody changed this {what} after you had opened the form.")
}

/// A text that begins like a sentence and ends like one.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    sentence.push_str(letters.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}
