//! What is answered to a body that came too late, in place of what can be said of half of it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{extract::Request, http::StatusCode, response::Response};
use tower::{Layer, Service};

use crate::{connections::BODY, problem::last_problem};

/// Whether a body came too late: for whoever answers, since those that read it know only that it broke off.
#[derive(Clone, Default)]
pub(crate) struct Late(Arc<AtomicBool>);

impl Late {
    /// It is.
    pub(crate) fn is_now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_so(&self) -> bool {
        // It is set by the task that asks.
        self.0.load(Ordering::Relaxed)
    }

    /// The answer to the request whose body this is about.
    pub(crate) async fn or(self, answering: impl Future<Output = Response>) -> Response {
        let response = answering.await;
        if self.is_so() { too_late() } else { response }
    }
}

fn too_late() -> Response {
    let whole = BODY.whole.as_secs();
    let pause = BODY.pause.as_secs();
    let detail = format!(
        "the body must be here within {whole} s and not pause for {pause} s; send it again, all at once"
    );
    last_problem(StatusCode::REQUEST_TIMEOUT, &detail)
}

/// Answers so on every route, for requests that have a [`Late`] among their extensions. Lay it below what
/// counts the answers.
#[derive(Clone)]
pub(crate) struct InTime;

impl<S> Layer<S> for InTime {
    type Service = AnsweredInTime<S>;

    fn layer(&self, inner: S) -> AnsweredInTime<S> {
        AnsweredInTime(inner)
    }
}

/// A service below the layer.
#[derive(Clone)]
pub(crate) struct AnsweredInTime<S>(S);

type Answering<E> = Pin<Box<dyn Future<Output = Result<Response, E>> + Send>>;

impl<S> Service<Request> for AnsweredInTime<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Answering<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let late = request.extensions().get::<Late>().cloned();
        let answering = self.0.call(request);
        Box::pin(async move {
            let response = answering.await?;
            let is_late = late.is_some_and(|late| late.is_so());
            Ok(if is_late { too_late() } else { response })
        })
    }
}
