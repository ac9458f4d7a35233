//! What holds for all events and all commands together. What holds for one is tested where it is.

#![allow(clippy::unwrap_used, clippy::panic)]

mod adapter;
mod decoding;
mod files;
mod golden;
mod histories;
mod rules;
mod schemas;
mod secrecy;
