#![doc = include_str!("../README.md")]

pub mod agenda;
pub mod apis;
mod body;
pub mod callers;
pub mod check;
mod client_grants;
pub mod client_list;
pub mod client_secrets;
pub mod clients;
pub mod counts;
mod fold;
pub mod key_rings;
mod log;
mod model;
mod models;
mod place;
pub mod policy_reach;
mod rebuild;
mod save;
mod search;
mod side;
pub mod tenant_list;
pub mod tenants;
mod vault;
mod walk;
mod watch;

pub use check::{Checked, Difference, How, check};
pub use client_list::ClientFilter;
pub use counts::Counts;
pub use fold::TenantRows;
pub use place::{Order, Place};
pub use rebuild::{
    FOLD_VERSION, Rebuilt, platform_check, platform_rebuild, platform_rebuild_if_stale, rebuild,
};
pub use save::{Saved, save};
pub use search::Search;
pub use tenant_list::TenantFilter;
pub use walk::Listed;
pub use watch::Watch;
