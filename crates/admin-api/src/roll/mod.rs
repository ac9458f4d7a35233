//! The roll: read page by page, and followed.

mod filter;
mod follow;
mod node;
mod query;

pub(crate) use follow::RollSubscription;
pub(crate) use query::RollQueries;
