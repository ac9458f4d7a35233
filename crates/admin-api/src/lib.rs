#![doc = include_str!("../README.md")]
// Each mutation is one more layer of the merged schema.
#![recursion_limit = "256"]

mod access_at;
mod activity;
mod api;
mod auth;
mod calendar;
mod client;
mod document;
mod error;
mod explorer;
mod http;
mod input;
mod last_use;
mod page;
mod repeated;
mod roll;
mod scalars;
mod schema;
mod seal;
mod secret;
mod session;
mod socket;
mod tenant;

pub use http::{Options, router};
pub use schema::sdl;
pub use socket::Sockets;
