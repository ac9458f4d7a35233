//! By a client's id and secret, which the token endpoint checks as it would for anybody.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use chancery_application::BearerRefused;
use chancery_domain::value::{ADMIN_API, Slug};
use chancery_telemetry::TraceContext;
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use maud::{Markup, html};

use super::{NOT_KEPT, enter, onward};
use crate::{
    Console, cookie,
    fields::{Asked, Fields},
    layout,
    posted::Anonymous,
    show,
    stop::{Stop, capitalised},
    tokens::{Answer, Origin, Peer, Purpose},
    visitor::arrival,
};

pub(crate) async fn page(
    State(console): State<Console>,
    headers: HeaderMap,
    Asked(asked): Asked,
) -> Result<Markup, Stop> {
    let lost = cookie::is_lost(&headers, &console.application).then_some(NOT_KEPT);
    // Whoever is signed in may come here by an old address.
    let signed_in = match cookie::sent(&headers, &console.application) {
        Some(token) => console.application.session_at_rest(token).await?,
        None => None,
    };
    let notice = if let Some(session) = signed_in {
        let name = session.name.unwrap_or_else(|| session.client.to_string());
        Some(format!(
            "You are signed in as {name}, of {}. Whoever signs in here ends that session.",
            session.slug
        ))
    } else if let Some(sessions) = asked.get("out") {
        Some(match sessions.parse::<u32>() {
            Ok(number) if number > 1 => {
                format!("You are signed out everywhere: {number} sessions have ended.")
            }
            _ => "You are signed out.".to_owned(),
        })
    } else if asked.get("undone").is_some() {
        Some("You were not signed in, or not any more: nothing was done.".to_owned())
    } else {
        None
    };
    Ok(form(&asked, lost, notice.as_deref()))
}

pub(crate) async fn sign_in(
    State(console): State<Console>,
    Extension(trace): Extension<TraceContext>,
    headers: HeaderMap,
    peer: Peer,
    Anonymous(given): Anonymous,
) -> Result<Response, Stop> {
    let refused = |status: StatusCode, text: &str| {
        Ok((status, form(&given, Some(text), None)).into_response())
    };
    let tenant = given.get("tenant").unwrap_or(Slug::SYSTEM);
    let tenant = tenant.to_ascii_lowercase();
    let (Ok(slug), Some(client), Some(secret)) = (
        Slug::parse(&tenant),
        given.get("client"),
        given.get("secret"),
    ) else {
        return refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Give the tenant's short name, the client's id and its secret.",
        );
    };
    let origin = Origin::of(&peer.0, &headers, &trace);
    let answer = console
        .tokens
        .ask(
            (Purpose::SigningIn, &origin),
            &slug,
            (client, secret),
            &[("audience", ADMIN_API)],
        )
        .await?;
    let Some(token) = answer.token() else {
        let wait = answer
            .retry_after
            .filter(|_| answer.error().0 == "rate_limit_exceeded");
        let status = match answer.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => answer.status,
            _ => StatusCode::UNAUTHORIZED,
        };
        let mut response = refused(status, &why_not(&answer))?;
        if let Some(seconds) = wait {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        return Ok(response);
    };
    let arrival = arrival(&peer, &headers, &trace);
    let caller = match console.application.authenticate(token).await {
        Ok(caller) => caller,
        Err(BearerRefused::Failed(error)) => return Err(error.into()),
        Err(refusal @ BearerRefused::NotUsable(_)) => {
            return refused(StatusCode::UNAUTHORIZED, &capitalised(&refusal.to_string()));
        }
    };
    let application = &console.application;
    let token = application.begin_session(&caller, &arrival).await?;
    let next = onward(given.get("next"));
    enter(application, &headers, (token, &arrival), &next).await
}

/// What the endpoint's answer means here.
fn why_not(answer: &Answer) -> String {
    match answer.error() {
        ("invalid_target" | "invalid_scope", _) => {
            "The credential is right, but its client holds no scope of the admin API. Ask an operator to grant it one, or sign in as another client.".to_owned()
        }
        ("rate_limit_exceeded", _) => {
            let wait = show::span(answer.retry_after.unwrap_or(60));
            format!("Too many attempts from this address, or too many sign-ins of this client. Try again in {wait}.")
        }
        ("temporarily_unavailable", _) => {
            "The server cannot check that right now. Try again in a moment.".to_owned()
        }
        ("invalid_client", _) => {
            "Client authentication failed; check the tenant, the client id and the secret.".to_owned()
        }
        (_, "") => "That did not work. Try again in a moment.".to_owned(),
        (_, text) => capitalised(text),
    }
}

fn form(given: &Fields, problem: Option<&str>, notice: Option<&str>) -> Markup {
    let tenant = given.get("tenant").unwrap_or(Slug::SYSTEM);
    // Whoever comes from an invitation has one thing to type.
    let is_known = given.get("client").is_some();
    layout::bare(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            @if let Some(notice) = notice { p.notice role="status" { (notice) } }
            @if let Some(problem) = problem { div.problem role="alert" tabindex="-1" autofocus { p { (problem) } } }
            form method="post" action="/console/sign-in" {
                @if let Some(next) = given.get("next") { input type="hidden" name="next" value=(next); }
                div.field {
                    label for="tenant" { "Tenant" }
                    input id="tenant" name="tenant" value=(tenant) required autocomplete="organization" autocapitalize="none" spellcheck="false" aria-describedby="tenant-hint";
                    p.hint id="tenant-hint" { "Its short name. Operators belong to " code { "system" } "." }
                }
                div.field {
                    label for="client" { "Client id" }
                    input id="client" name="client" value=(given.raw("client")) required autocomplete="username" autocapitalize="none" spellcheck="false";
                }
                div.field {
                    label for="secret" { "Client secret" }
                    input id="secret" name="secret" type="password" required autocomplete="current-password" autofocus[is_known && problem.is_none()];
                }
                button.primary type="submit" { "Sign in" }
            }
            details.help {
                summary { "Where do I find these?" }
                p { "The first start wrote them to " code { "operator.json" } " in the data directory: " code { "client_id" } " and " code { "client_secret" } "." }
                p { "Whoever invited you to a tenant has a page with them: its short name, a client id and a secret." }
                p { "At the server itself, " code { "chancery operator link" } " makes a link that signs you in without them." }
            }
        },
    )
}
