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
mod answered;
mod apis;
mod assets;
mod calendar;
mod chart;
mod clients;
mod cookie;
mod dress;
mod fields;
mod find;
mod form;
mod home;
mod kept;
mod keys;
mod layout;
mod meant;
mod once_each;
mod people;
mod posted;
mod problem;
mod refused;
mod roll;
mod routes;
mod show;
mod sign_in;
mod stop;
mod tenants;
mod tokens;
mod visitor;
mod within;

use axum::{Router, extract::DefaultBodyLimit, middleware};
use chancery_application::Application;

use crate::{
    answered::Answers, roll::live::Readings, routes::Routes, stop::Stop, tokens::TokenEndpoint,
};

/// How large a form may be, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What every page works with.
#[derive(Clone)]
struct Console {
    application: Application,
    tokens: TokenEndpoint,
    readings: Readings,
    answers: Answers,
}

/// The router of the token endpoint, for each of the two who ask it from here.
pub struct Tokens {
    /// As a program asks: a token is tried out.
    pub tried: Router,
    /// For whoever signs in, apart from the tenant's limits on tokens.
    pub signing_in: Router,
}

/// Every route of the console, beneath the layer of `chancery-telemetry` that gives each request its trace.
/// Whoever signs in is checked by the token endpoint.
pub fn router(application: Application, tokens: Tokens) -> Router {
    let console = Console {
        application,
        tokens: TokenEndpoint::new(tokens),
        readings: Readings::default(),
        answers: Answers::default(),
    };
    routes()
        .router()
        .method_not_allowed_fallback(async || Stop::WrongMethod)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .merge(assets::routes())
        .layer(middleware::from_fn_with_state(
            console.clone(),
            dress::dress,
        ))
        .with_state(console)
}

/// The path of every page, with the names of its parts in braces as in `/console/t/{slug}`: for whoever
/// looks at all of them.
pub fn pages() -> Vec<String> {
    routes().pages()
}

/// The path of every route but the assets', in the same way: pages, and where forms are sent to.
pub fn paths() -> Vec<String> {
    routes().paths()
}

fn routes() -> Routes {
    Routes::default()
        .merge(home::routes())
        .merge(sign_in::routes())
        .merge(tenants::routes())
        .merge(find::routes())
        .merge(people::routes())
        .merge(keys::routes())
        .merge(apis::routes())
        .merge(clients::routes())
        .merge(calendar::routes())
        .merge(roll::routes())
        .merge(activity::routes())
}
