//! The binary as a person starts it: first start, restart, faults at start, `kill -9`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod accept;
mod audit;
mod auditor;
mod cluster;
mod crash;
mod demo;
mod drain;
mod export;
mod files;
mod first_start;
mod forwarded;
mod guide;
mod heads;
mod hostile;
mod integrator;
mod integrators;
mod log;
mod master_key;
mod operators;
mod outages;
mod outside;
mod projections;
mod proxy;
mod restore;
mod sealed;
mod server;
mod sockets;
mod start_faults;
mod stopped;
mod telemetry;
mod tls;
mod two_processes;
mod upgrade;
