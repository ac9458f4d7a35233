//! Coming in and going out.

mod again;
mod credential;
mod leave;
mod link;

use axum::{
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use chancery_application::{Application, Arrival, SessionToken};
use http::HeaderMap;

use crate::{cookie, routes::Routes, stop::Stop};

pub(crate) fn routes() -> Routes {
    Routes::default()
        .page(
            "/console/sign-in",
            get(credential::page).post(credential::sign_in),
        )
        .page("/console/link", get(link::page).post(link::sign_in))
        .beside("/console/signed-in", get(again::who))
        .beside("/console/sign-out", get(leave::stay).post(leave::sign_out))
        .beside(
            "/console/sign-out/everywhere",
            get(leave::stay).post(leave::sign_out_everywhere),
        )
}

/// What somebody is told whose browser will not stay signed in.
const NOT_KEPT: &str = "Your browser keeps no session at this address: you came by plain HTTP from another machine. Come by https, or by localhost, as through `ssh -L`.";

/// Goes on as whoever has signed in. A session that the browser had before is over: nobody could end it any more.
async fn enter(
    application: &Application,
    asked: &HeaderMap,
    (token, arrival): (SessionToken, &Arrival),
    next: &str,
) -> Result<Response, Stop> {
    if let Some(before) = cookie::sent(asked, application) {
        application.end_session(before, arrival).await?;
    }
    let mut response = Redirect::to(next).into_response();
    cookie::set(response.headers_mut(), asked, application, &token.reveal());
    Ok(response)
}

/// An address to go on to: only one of this console.
fn onward(next: Option<&str>) -> String {
    let plain = |next: &&str| {
        (*next == "/console" || next.starts_with("/console/"))
            && next.bytes().all(|byte| byte.is_ascii_graphic())
            && !next.contains('\\')
            // No id has anything in it that is coded; what a browser makes of it may be a way up.
            && !path(next).contains('%')
            && path(next).split('/').all(|part| !is_dots(part))
    };
    let next = next.filter(plain).unwrap_or("/console");
    // A file is no page to come to: the one that offers it is.
    path(next)
        .strip_suffix("/export")
        .unwrap_or(next)
        .to_owned()
}

fn path(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a browser takes this part of a path for a way up, or for nothing.
fn is_dots(part: &str) -> bool {
    part == "." || part == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(onward(Some("/console/t/acme?x=1")), "/console/t/acme?x=1");
        assert_eq!(
            onward(Some("/console/t/acme/roll/export")),
            "/console/t/acme/roll"
        );
        assert_eq!(
            onward(Some("/console/t/acme/roll/export?x=1")),
            "/console/t/acme/roll"
        );
        for wrong in [
            "/console/../graphql",
            "/console/./x",
            "/console/t/.%2E/.%2e/graphql?x",
            "/console/t/acme/clients/..%2f..%2f..%2f..%2fgraphql/grants",
            "https://evil.example",
            "//evil.example",
            "/consoles",
            "/console/\\evil",
            "/console/\r\nset-cookie: x",
        ] {
            assert_eq!(onward(Some(wrong)), "/console", "{wrong}");
        }
    }
}
