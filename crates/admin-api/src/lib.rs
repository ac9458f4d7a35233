#![doc = include_str!("../README.md")]

mod api;
mod auth;
mod client;
mod document;
mod error;
pub mod explorer;
mod http;
mod input;
mod page;
mod scalars;
mod schema;
mod secret;
mod session;
mod tenant;
mod trace;

pub use http::router;
pub use schema::sdl;
