//! A form that somebody sent from a page of their session. There is no other way to a body here.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Redirect, Response},
};
use chancery_application::{Error, InputDigest, Remember, Request as Commanded};
use http::{
    HeaderMap, HeaderName,
    header::{CONTENT_TYPE, HOST, ORIGIN},
};

use crate::{
    Console,
    fields::{Fields, holds_secret},
    kept::{self, Kept},
    refused::Refused,
    stop::Stop,
    visitor::Visitor,
    within::Within,
};

/// The field that proves where a form comes from.
pub(crate) const FORM_TOKEN: &str = "form_token";
/// The field that makes a form that is sent twice one command.
pub(crate) const COMMAND: &str = "command";
/// The field that says which version of a thing stands in the form.
pub(crate) const VERSION: &str = "version";

/// How many fields a form has at most: what is looked for in them takes time of everybody's.
const MOST_FIELDS: usize = 4_000;

/// A form and who sent it.
pub(crate) struct Posted<V> {
    pub(crate) from: V,
    pub(crate) fields: Fields,
}

impl<V: AsRef<Visitor>> Posted<V> {
    /// What comes with the command of this form.
    pub(crate) fn request(&self, verb: &str) -> Commanded {
        let command = self.fields.get(COMMAND).and_then(|id| id.parse().ok());
        let input = self.fields.input(&[FORM_TOKEN, COMMAND]);
        let remember = command.map(|command_id| Remember {
            command_id,
            digest: InputDigest::of(verb, &input),
        });
        let trace_id = self.from.as_ref().trace.trace_id().to_owned();
        Commanded::new(remember, Some(trace_id))
    }

    /// The version that whoever sent the form had before their eyes: what it writes back as a whole is
    /// written on that version, or not at all.
    pub(crate) fn version(&self) -> Result<i64, Stop> {
        let version = self.fields.get(VERSION).and_then(|text| text.parse().ok());
        version.ok_or(Stop::Unreadable(
            "The form does not say which version it was made from. Open the page anew, and send it from there.",
        ))
    }
}

impl Posted<Within> {
    /// Back to a page of the tenant with what was done in a word; or what is wrong with the form of this name, to be shown
    /// on that page.
    pub(crate) fn answered(
        &self,
        page: &str,
        form: &str,
        outcome: Result<&'static str, Error>,
    ) -> Result<Result<Response, Refused>, Stop> {
        match outcome {
            Ok(done) => {
                let page = self.from.at(&format!("{page}?done={done}"));
                Ok(Ok(Redirect::to(&page).into_response()))
            }
            Err(error) => Refused::by(error, form, &self.fields).map(Err),
        }
    }
}

impl<V> FromRequest<Console> for Posted<V>
where
    V: FromRequestParts<Console, Rejection = Stop> + AsRef<Visitor> + Send,
{
    type Rejection = Stop;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Stop> {
        let (mut parts, body) = request.into_parts();
        let action = kept::action(&parts.method, &parts.uri, &parts.headers);
        let from = V::from_request_parts(&mut parts, console).await;
        let request = Request::from_parts(parts, body);
        let (from, action) = match (from, action) {
            (Ok(from), action) => (from, action),
            // Whose session has ended has typed it all the same.
            (Err(Stop::SignIn(_)), Some(action)) => {
                let kept = Kept::of(action, body_of(request).await?);
                return Err(kept.map_or(Stop::SignIn(None), Stop::Ended));
            }
            (Err(stop), _) => return Err(stop),
        };
        let fields = body_of(request).await?;
        // It would be written back into a page, or stand in the roll for ever.
        if fields
            .iter()
            .any(|(name, value)| name != "secret" && holds_secret(value))
        {
            return Err(Stop::Unreadable(
                "A client's secret stands in this form where none belongs. Nothing was done, and nothing of it was kept: go back, and take it out.",
            ));
        }
        let session = &from.as_ref().session;
        if session.sent(fields.get(FORM_TOKEN).unwrap_or_default()) {
            return Ok(Self { from, fields });
        }
        let kept = action.and_then(|action| Kept::of(action, fields));
        let token = session.form_token.clone();
        Err(kept.map_or(Stop::Forged, |kept| Stop::Earlier { kept, token }))
    }
}

/// A form of somebody who is not signed in.
pub(crate) struct Anonymous(pub(crate) Fields);

impl FromRequest<Console> for Anonymous {
    type Rejection = Stop;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Stop> {
        // There is no session whose page it could have come from; but a browser says which site's page it was.
        if !is_from_here(request.headers(), console.application.console_url()) {
            return Err(Stop::Forged);
        }
        body_of(request).await.map(Self)
    }
}

/// Whether a form is of a page of this server, or of nobody's page but its user's. Every browser says one of the two
/// of a form that another page sends, and no page can keep it from that: what says nothing is a program, which has
/// nobody's cookies. `null` is what a browser says of an origin that is to be kept secret, as any page can ask of it;
/// the pages here do not.
fn is_from_here(headers: &HeaderMap, own: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if !headers.contains_key(ORIGIN) {
        return true;
    }
    let Some((scheme, host)) = text(ORIGIN).and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let own = own.split_once("://");
    let own = own.map(|(scheme, rest)| (scheme, rest.split('/').next().unwrap_or_default()));
    // A proxy may speak TLS before a server that does not; the other way round nobody does.
    let is_like =
        scheme == "https" || (scheme == "http" && own.is_none_or(|(own, _)| own == "http"));
    own == Some((scheme, host)) || (is_like && text(HOST) == Some(host))
}

async fn body_of(request: Request) -> Result<Fields, Stop> {
    let essence = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if !essence
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
    {
        return Err(Stop::Unreadable("The body is not a form."));
    }
    let body = Bytes::from_request(request, &()).await;
    let body = body.map_err(|_| {
        Stop::Unreadable("The form is larger than 64 KiB, or did not come in whole.")
    })?;
    let fields = Fields::parse(&body);
    if fields.iter().count() > MOST_FIELDS {
        return Err(Stop::Unreadable(
            "The form has more than 4,000 fields. Do it in parts.",
        ));
    }
    Ok(fields)
}
