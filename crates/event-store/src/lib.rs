#![doc = include_str!("../README.md")]

mod append;
mod commands;
mod config;
mod connect;
mod database;
mod error;
mod feed;
pub mod files;
mod gathered;
mod heads;
mod history;
mod kept;
mod library;
mod load;
mod migrate;
mod moments;
mod numbers;
mod postgres;
mod query;
mod reseal;
mod row;
mod rows;
mod seals;
mod select;
mod sessions;
mod snapshot;
mod sqlite;
mod store;
#[doc(hidden)]
pub mod taken;
mod throwaway;
mod trial;
mod tx;
mod unique;
mod vacuum;
mod vault;
mod versions;

pub use append::{Append, Provenance};
pub use commands::Remembered;
pub use config::{Backend, StoreConfig, StoreLocation};
pub use database::{Connections, Database};
pub use error::{Cause, EventName, FOREIGN, StoreError};
pub use feed::{
    Named, Stamp, complete, dense, entries_page, events_page, head, recorded_until, stamp,
};
pub use gathered::{Found, Gathered};
pub use heads::{Heads, LOOK_AGAIN, Watch};
pub use kept::Kept;
pub use migrate::{Migration, Migrations, SchemaStatus, migrations};
pub use moments::Newest;
pub use numbers::{Numbers, Wanted};
pub use query::{Connection, Held, Reads, Source};
pub use reseal::{Sealing, Sealings};
pub use rows::{Cell, Insert};
pub use seals::{Seal, StoredSeal, TileRow, seal, tiles};
pub use select::{ByActor, EventFilter, Order};
pub use sessions::{SESSIONS_LISTED, Session, SignInLink};
pub use snapshot::Snapshot;
pub use store::Store;
pub use throwaway::ThrowawaySchema;
pub use trial::Trial;
pub use tx::Tx;
pub use unique::{UNIQUE_RULES, UniqueRule};
pub use vault::{InstallationKey, SealedKey, SealedSecret, VaultTable, Verifier, vault_rows};
pub use versions::{Stands, Versions};

/// For the macros, and for `#[derive(FromRow)]` on the rows that they return.
pub use sqlx;
