//! Stories across the whole system, on both stores, through the real HTTP server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that panics has failed, which is what it is for"
)]

mod activity;
mod admin_limits;
mod api_changes;
mod api_life;
mod assertions;
mod client_keys;
mod client_life;
mod clock_set_back;
mod clock_wrong;
mod concurrency;
mod console;
mod emergencies;
mod first_token;
mod granted;
mod introspection;
mod keys_in_use;
mod last_credential;
mod lists;
mod master_key;
mod openapi;
mod policy_preview;
mod quotas;
mod refresh_tokens;
mod refusals;
mod repeated_commands;
mod revocation;
mod roll_again;
mod roll_following;
mod roll_past;
mod roll_reading;
mod rotation;
mod sdk;
mod sealing;
mod secrets_life;
mod shared_commits;
mod signing_keys;
mod steward;
mod store_faults;
mod support;
mod sweep;
mod tenant_life;
mod token_requests;
mod token_rules;
mod waiting_changes;
