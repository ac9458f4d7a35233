//! Signing out, here or everywhere.

use axum::response::{IntoResponse, Redirect, Response};

use crate::{cookie, posted::Posted, stop::Stop, visitor::Visitor};

/// No address signs anybody out.
pub(crate) async fn stay(_: Visitor) -> Redirect {
    Redirect::to("/console")
}

pub(crate) async fn sign_out(form: Posted<Visitor>) -> Response {
    let visitor = form.from;
    let application = visitor.application();
    let arrival = visitor.arrival();
    let ended = application.end_session(visitor.token(), &arrival).await;
    left(&visitor, ended.map(|()| 1).map_err(Stop::from))
}

pub(crate) async fn sign_out_everywhere(form: Posted<Visitor>) -> Response {
    let visitor = form.from;
    let application = visitor.application();
    let arrival = visitor.arrival();
    let ended = application
        .end_every_session(&visitor.session, &arrival)
        .await;
    left(&visitor, ended.map_err(Stop::from))
}

/// The browser forgets the session, whether or not the server could end it.
fn left(visitor: &Visitor, ended: Result<usize, Stop>) -> Response {
    let mut response = match ended {
        Ok(number) => Redirect::to(&format!("/console/sign-in?out={number}")).into_response(),
        Err(stop) => stop.into_response(),
    };
    cookie::set(
        response.headers_mut(),
        visitor.headers(),
        visitor.application(),
        "",
    );
    response
}
