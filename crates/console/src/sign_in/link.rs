//! By a link from the command line. Its code stands behind `#`, so no browser sends it in an address;
//! the script posts it.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use chancery_telemetry::TraceContext;
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};

use super::{NOT_KEPT, enter};
use crate::{
    Console, cookie, layout, posted::Anonymous, stop::Stop, tokens::Peer, visitor::arrival,
};

/// A link is used up by being sent: not where that would be in vain.
pub(crate) async fn page(State(console): State<Console>, headers: HeaderMap) -> Markup {
    form(cookie::is_lost(&headers, &console.application).then_some(NOT_KEPT))
}

pub(crate) async fn sign_in(
    State(console): State<Console>,
    Extension(trace): Extension<TraceContext>,
    headers: HeaderMap,
    peer: Peer,
    Anonymous(given): Anonymous,
) -> Result<Response, Stop> {
    let code = given.get("code").unwrap_or_default();
    let arrival = arrival(&peer, &headers, &trace);
    let application = &console.application;
    let used = application.use_sign_in_link(code, &arrival).await?;
    if let Some(token) = used {
        enter(application, &headers, (token, &arrival), "/console").await
    } else {
        let spent = "This link was used, has ended with what it was for or by time, or is not whole. It works once, within five minutes: make another with `chancery operator link`.";
        Ok((StatusCode::UNAUTHORIZED, form(Some(spent))).into_response())
    }
}

fn form(problem: Option<&str>) -> Markup {
    layout::bare(
        "Sign in by a link",
        &html! {
            h1 { "Sign in by a link" }
            @if let Some(problem) = problem { div.problem role="alert" { p { (problem) } } }
            form method="post" action="/console/link" data-link[problem != Some(NOT_KEPT)] {
                div.field {
                    label for="code" { "Code" }
                    input id="code" name="code" type="password" required autocomplete="off" aria-describedby="code-hint";
                    p.hint id="code-hint" { "What stands behind " code { "#" } " in the link. With scripts on, it is filled in for you." }
                }
                p.aside data-asks hidden { "This browser is signed in as " strong {} ". Whoever made the link chose another session for it: go on only if that was you, or somebody whom you asked." }
                button.primary type="submit" { "Sign in" }
            }
            p { a href="/console/sign-in" { "Sign in with a client id and secret instead" } }
        },
    )
}
