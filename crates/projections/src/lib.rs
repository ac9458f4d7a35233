#![doc = include_str!("../README.md")]

pub mod apis;
mod body;
pub mod client_secrets;
pub mod clients;
pub mod key_rings;
mod save;
pub mod tenants;

pub use save::save;
