#![doc = include_str!("../README.md")]

pub mod apis;
mod body;
pub mod check;
pub mod client_secrets;
pub mod clients;
mod fold;
pub mod key_rings;
mod model;
mod models;
mod rebuild;
mod save;
pub mod tenants;
mod watch;

pub use check::{Checked, Difference, How, check};
pub use fold::TenantRows;
pub use rebuild::{
    FOLD_VERSION, Rebuilt, platform_check, platform_rebuild, platform_rebuild_if_stale, rebuild,
};
pub use save::save;
pub use watch::Watch;
