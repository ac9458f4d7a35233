#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that panics has failed, which is what it is for"
    )
)]

mod activity;
mod apis;
mod assets;
mod chart;
mod clients;
mod dress;
mod fields;
mod form;
mod home;
mod layout;
mod posted;
mod problem;
mod roll;
mod show;
mod sign_in;
mod stop;
mod tenants;
mod tokens;
mod visitor;
mod within;

use axum::{Router, extract::DefaultBodyLimit, middleware};
use chancery_application::Application;

use crate::tokens::TokenEndpoint;

/// How large a form may be, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What every page works with.
#[derive(Clone)]
struct Console {
    application: Application,
    tokens: TokenEndpoint,
}

/// Every route of the console, beneath the layer of `chancery-telemetry` that gives each request its trace.
/// `tokens` is the router of the token endpoint: whoever signs in is
/// checked there.
pub fn router(application: Application, tokens: Router) -> Router {
    let console = Console {
        application,
        tokens: TokenEndpoint::new(tokens),
    };
    Router::new()
        .merge(home::routes())
        .merge(sign_in::routes())
        .merge(tenants::routes())
        .merge(apis::routes())
        .merge(clients::routes())
        .merge(roll::routes())
        .merge(activity::routes())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .merge(assets::routes())
        .layer(middleware::from_fn(dress::dress))
        .with_state(console)
}
