//! The console, as a browser without scripts sees it.

mod browser;
mod clients;
mod foreign;
mod links;
mod pictures;
mod roll;
mod sessions;
mod tenants;
