//! The activity log: what token traffic did, and who read the roll and this.

mod filter;
mod node;
mod query;

pub(crate) use query::ActivityQueries;
