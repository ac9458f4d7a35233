//! An answer that shows a secret once outlives the request that it was for, for a minute, in memory: whoever presses the
//! button a second time, or whose connection breaks, sends the same form again, and the browser shows that answer alone.
//! It is kept for the very form, of the very session. Another node knows nothing of it, and says that the form was
//! done before.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use chancery_application::{Error, InputDigest, Needs};
use chancery_domain::Timestamp;
use http::HeaderMap;
use tracing::Instrument as _;
use zeroize::Zeroizing;

use crate::{
    posted::{COMMAND, FORM_TOKEN, Posted},
    stop::Stop,
    within::Within,
};

/// For how long an answer is kept, in seconds.
const KEPT: u32 = 60;
/// How many are kept at a time: beyond it none is.
const MOST: usize = 1_024;
/// More than any page with a secret on it holds.
const LARGEST: usize = 1024 * 1024;

/// A page on which a secret is shown this once.
#[derive(Clone, Copy)]
pub(crate) struct ShownOnce;

/// A session, the command that its form is, and all that stands in it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Form {
    session: String,
    command: String,
    input: InputDigest,
}

/// What was answered. Whoever sends the form while it is under way waits for it here.
type Place = Arc<tokio::sync::Mutex<Option<Kept>>>;

struct Kept {
    until: Timestamp,
    headers: HeaderMap,
    page: Zeroizing<Vec<u8>>,
}

/// The answers of this node that are kept.
#[derive(Clone, Default)]
pub(crate) struct Answers(Arc<Mutex<HashMap<Form, Place>>>);

impl Answers {
    fn places(&self) -> MutexGuard<'_, HashMap<Form, Place>> {
        // Each change of it is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of this form, unless there are too many.
    fn place(&self, form: &Form) -> Option<Place> {
        let mut places = self.places();
        let is_new = !places.contains_key(form);
        (!is_new || places.len() < MOST).then(|| places.entry(form.clone()).or_default().clone())
    }

    fn forget(&self, form: &Form) {
        self.places().remove(form);
    }
}

/// Does what this form asks for, or answers as it was answered a moment ago. It is done to its end also where nobody
/// waits for it any more.
pub(crate) async fn once<F>(
    posted: Posted<Within>,
    doing: impl FnOnce(Posted<Within>) -> F,
) -> Result<Response, Stop>
where
    F: Future<Output = Result<Response, Stop>> + Send + 'static,
{
    let visitor = &posted.from.visitor;
    let (application, answers) = (
        visitor.application().clone(),
        visitor.console.answers.clone(),
    );
    let form = form(&posted).filter(|_| posted.from.may(Needs::TenantAdmin));
    let place = form.as_ref().and_then(|form| answers.place(form));
    let doing = doing(posted);
    let Some((form, place)) = form.zip(place) else {
        return doing.await;
    };
    let task = async move {
        let mut held = place.lock_owned().await;
        if let Some(kept) = held.as_ref().filter(|kept| application.now() < kept.until) {
            return Ok(kept.answer());
        }
        let answer = doing.await;
        let shows = |answer: &Response| answer.extensions().get::<ShownOnce>().is_some();
        match answer {
            Ok(answer) if shows(&answer) => {
                let (kept, answer) = keep(answer, application.now()).await?;
                *held = Some(kept);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(KEPT.into())).await;
                    answers.forget(&form);
                });
                Ok(answer)
            }
            other => {
                answers.forget(&form);
                other
            }
        }
    };
    let done = tokio::spawn(task.in_current_span()).await;
    done.unwrap_or_else(|error| Err(Error::Internal(Box::new(error)).into()))
}

/// What this form is known by, where it says which command it is.
fn form(posted: &Posted<Within>) -> Option<Form> {
    let visitor = &posted.from.visitor;
    let input = posted.fields.input(&[FORM_TOKEN, COMMAND]);
    Some(Form {
        session: visitor.session.form_token.clone(),
        command: posted.fields.get(COMMAND)?.to_owned(),
        input: InputDigest::of(&visitor.path, &input),
    })
}

impl Kept {
    fn answer(&self) -> Response {
        let mut response = Response::new(Body::from(self.page.to_vec()));
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// The answer twice: to be kept, and to be sent.
async fn keep(answer: Response, now: Timestamp) -> Result<(Kept, Response), Stop> {
    let (parts, body) = answer.into_parts();
    let page = to_bytes(body, LARGEST).await;
    let page = page.map_err(|error| Error::Internal(Box::new(error)))?;
    let kept = Kept {
        until: now.plus_seconds(KEPT.into()),
        headers: parts.headers.clone(),
        page: Zeroizing::new(page.to_vec()),
    };
    Ok((kept, Response::from_parts(parts, Body::from(page))))
}
