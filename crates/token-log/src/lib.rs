#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test that panics has failed, which is what it is for"
    )
)]

mod activity;
mod backoff;
mod batch;
mod condition;
mod counted;
mod counts;
mod denials;
mod filter;
mod house;
mod log;
mod look_up;
mod numbers;
mod operation;
mod pace;
mod page;
mod partitions;
mod place;
mod postgres;
mod quota;
mod refresh;
mod revoked;
mod schema;
mod segments;
mod sqlite;
mod sqlite_changes;
mod summary;
mod text;
mod trial;
mod usage;
mod way;
mod work;
mod writer;

pub use activity::{Activity, Entry, Kind};
pub use condition::Unwritten;
pub use counts::Times;
pub use filter::{ActivityFilter, text_of_record, trace_of_record};
pub use log::{Durability, Queued, Submitted, TokenLog, TokenLogConfig};
pub use operation::{Answer, Assertion, Operation, RecordError};
pub use page::ActivityPage;
pub use quota::{Lease, Quota};
pub use refresh::{Change, Family, NewFamily, Rotation};
pub use summary::Count;
pub use text::user_agent as shown_user_agent;
pub use usage::{CredentialUses, LastUse};
