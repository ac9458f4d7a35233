#![doc = include_str!("../README.md")]

mod access;
mod access_at;
mod activity;
mod activity_summary;
mod advice;
mod apis;
mod authenticate;
mod bearer;
mod calendar;
mod clients;
mod deadline;
mod difference;
mod error;
mod execute;
mod expected;
mod find;
mod follow;
mod group;
mod install;
mod issuer;
mod kept_check;
mod keys;
mod master_key;
mod mint;
mod moment;
mod operators;
mod page;
mod policy_preview;
mod present;
mod queue;
mod roll;
mod rotation;
mod sealing;
mod secrets;
mod sessions;
mod settle;
mod steward;
mod tenants;
mod together;
mod turns;
mod write;

use std::sync::Arc;

pub use access::{Caller, ClientAddress, Needs};
pub use activity::ActivityPlace;
pub use activity_summary::{ActivitySummary, Span, UnusedClients};
pub use advice::{CredentialAdvice, CredentialRevoked, Verdict};
pub use apis::{ApiChange, NewApi};
pub use authenticate::BearerRefused;
pub use chancery_event_store::{ByActor, EventFilter};
pub use chancery_roll::Hash;
pub use chancery_roll::replay::{Difference, Kind as DifferenceKind, What as DifferenceWhat};
pub use chancery_token_log::{
    Activity, ActivityFilter, Count as ActivityCount, Kind as ActivityKind, LastUse,
    text_of_record, trace_of_record,
};
pub use clients::{ClientChange, ClientChanged, ClientCreated, GrantInput, NewClient};
pub use deadline::Deadline;
pub use difference::DifferencePage;
pub use error::Error;
pub use execute::{InputDigest, Remember, Request};
pub use install::{Installation, OpenError};
pub use issuer::{InvalidPublicUrl, PublicUrl};
pub use kept_check::KeptChecked;
pub use master_key::{ResealError, Resealed, reseal};
pub use mint::IssuedSecret;
pub use moment::Moment;
pub use operators::{Administrator, Invitation, OperatorCredential, OperatorEndpoints};
pub use page::{Page, PageRequest};
pub use policy_preview::{BrokenClient, PolicyBreak, PolicyPreview};
pub use roll::{EntryNumber, RollQuery};
pub use sealing::{
    Accepted, ConsistencyProof, ExportFailure, Exported, InclusionProof, Leaf, NotAccepted, Patrol,
    SealError, SealRound, SealedRoll, Seen, Witness, WitnessError,
};
pub use secrets::{NewSecretInput, SecretIssued};
pub use sessions::{Arrival, LinkCode, Session, SessionToken, SignedIn, SignedInOf};
pub use steward::{Recorded, Steward};
pub use tenants::{AuditedTenant, NewTenant, TenantChange};

/// Lists: what is on them, and where in them something stands.
pub use chancery_projections::{
    ClientFilter, Counts, Order, Place, Search, TenantFilter, agenda::Item as AgendaItem,
    counts::Kind,
};

use chancery_crypto::{Entropy, Sealer, SecretHasher, SecretIssuer};
use chancery_domain::Clock;
use chancery_event_store::{Heads, Store};
use chancery_token_log::TokenLog;
use tokio_util::task::TaskTracker;

/// What the application works with. Time and chance come in here and nowhere else.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// Where token traffic is kept.
    pub log: TokenLog,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// What seals private keys.
    pub sealer: Arc<Sealer>,
    /// What mints client secrets.
    pub secrets: Arc<SecretIssuer>,
    /// What hashes client secrets.
    pub hasher: SecretHasher,
    /// The base of every issuer.
    pub public_url: PublicUrl,
    /// What this node has seen of seals, outside the database.
    pub witness: Witness,
    /// Whether it may make the first seal of a roll, which fixes the log's name by `public_url` for ever:
    /// servers may, whose public URL is the one that everybody uses.
    pub begins_seals: bool,
    /// Where the admin API is, if not below the base of every issuer: scheme and authority.
    pub admin_url: Option<String>,
}

/// The one door for changes, and for what operators read. Cheap to clone.
#[derive(Clone)]
pub struct Application {
    parts: Arc<Parts>,
    tasks: TaskTracker,
    heads: Heads,
    /// What the clock is held against.
    known: Arc<present::Known>,
    /// Told after each commit.
    unsealed: Arc<tokio::sync::Notify>,
    changes: group::Changes,
    turns: Arc<turns::Turns>,
    tokens: Arc<bearer::Tokens>,
    /// Clients whose tenant was looked up.
    homes: Arc<clients::Homes>,
}

impl Application {
    /// The application on these parts.
    pub fn new(parts: Parts) -> Self {
        let tasks = TaskTracker::new();
        let turns = turns::Turns::of(&parts.store);
        Self {
            heads: Heads::new(parts.store.clone()),
            changes: group::changes(tasks.clone(), parts.store.clone(), turns.clone()),
            turns,
            parts: Arc::new(parts),
            tasks,
            known: Arc::default(),
            unsealed: Arc::default(),
            tokens: Arc::default(),
            homes: Arc::default(),
        }
    }

    /// Waits for the changes that are under way; call it when no new ones come in.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Deletes what is remembered of commands for longer than it is promised. Gives how many there
    /// were.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn forget_old_commands(&self) -> Result<u64, Error> {
        self.clock_trusted()?;
        let mut tx = self.parts.store.begin().await?;
        let forgotten = tx.platform_delete_forgotten_commands(self.now()).await?;
        tx.commit().await?;
        Ok(forgotten)
    }

    /// The base of every issuer.
    pub fn public_url(&self) -> &PublicUrl {
        &self.parts.public_url
    }

    /// Where browsers find the console: its base, without a slash at the end.
    pub fn console_url(&self) -> &str {
        let public = self.parts.public_url.as_str();
        self.parts.admin_url.as_deref().unwrap_or(public)
    }

    /// The present moment, as every decision sees it.
    pub fn now(&self) -> chancery_domain::Timestamp {
        self.parts.clock.now()
    }

    /// Whether that may be believed. By a clock that is wrong nothing is decided.
    ///
    /// # Errors
    /// [`ClockFault`](chancery_domain::ClockFault).
    pub fn clock_trusted(&self) -> Result<(), chancery_domain::ClockFault> {
        self.parts.clock.trusted()
    }
}
