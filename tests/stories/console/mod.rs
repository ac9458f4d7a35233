//! The console, as a browser without scripts sees it, and a real one.

mod axe;
mod browser;
mod calendar;
mod clients;
mod cookies;
mod foreign;
mod injection;
mod kept;
mod keyboard;
mod keys;
mod life;
mod links;
mod pages;
mod people;
mod pictures;
pub(crate) mod readers;
mod records;
mod refused;
mod roll;
mod routes;
mod secrets;
mod sessions;
mod settings;
mod stale;
mod tenants;
