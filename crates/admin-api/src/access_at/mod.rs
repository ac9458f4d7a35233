//! What a client could do at a moment.

mod node;
mod query;

pub(crate) use query::AccessQueries;
