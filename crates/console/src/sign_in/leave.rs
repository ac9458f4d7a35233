//! Signing out, here or everywhere.

use axum::response::{IntoResponse, Redirect, Response};

use crate::{cookie, posted::Posted, stop::Stop, visitor::Visitor};

/// No address signs anybody out.
pub(crate) async fn stay(_: Visitor) -> Redirect {
    Redirect::to("/console")
}

pub(crate) async fn sign_out(form: Posted<Visitor>) -> Result<Response, Stop> {
    let visitor = form.from;
    visitor.application().end_session(visitor.token()).await?;
    Ok(left(&visitor))
}

pub(crate) async fn sign_out_everywhere(form: Posted<Visitor>) -> Result<Response, Stop> {
    let visitor = form.from;
    visitor
        .application()
        .end_every_session(&visitor.session)
        .await?;
    Ok(left(&visitor))
}

fn left(visitor: &Visitor) -> Response {
    let mut response = Redirect::to("/console/sign-in?out=1").into_response();
    cookie::set(
        response.headers_mut(),
        visitor.headers(),
        visitor.application(),
        "",
    );
    response
}
