//! The calendar: what will end and what is due.

use async_graphql::{Context, Enum, ID, Object};
use chancery_application::AgendaItem;
use chancery_domain::{Faults, Invalid, KeyId, SecretId, agenda::What};

use crate::{
    client::ClientNode,
    error::Failure,
    page::{self, Connection},
    scalars::DateTime,
    session::Session,
};

/// The longest calendar, in days: ten years.
const MAX_DAYS: u32 = 3_650;

/// What ends or is due.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpcomingKind {
    /// A client ends.
    ClientExpires,
    /// A secret's own end comes.
    SecretExpires,
    /// A secret retires, since another took its place.
    SecretRetires,
    /// A client's secret is to be rotated, by its schedule or the tenant's policy.
    SecretRotationDue,
    /// A signing key begins to sign.
    KeyActivates,
    /// A signing key leaves the key set.
    KeyRetires,
    /// A signing key is to be followed by another. The steward sees to it.
    KeyRotationDue,
}

/// Something of a tenant that ends or is due.
pub(crate) struct UpcomingNode {
    item: AgendaItem,
    overdue: bool,
}

impl UpcomingNode {
    fn secret(&self) -> Option<SecretId> {
        match self.item.what {
            What::SecretExpires(secret) | What::SecretRetires(secret) => Some(secret),
            _ => None,
        }
    }

    fn key(&self) -> Option<KeyId> {
        match self.item.what {
            What::KeyActivates(key) | What::KeyRetires(key) | What::KeyRotates(key) => Some(key),
            _ => None,
        }
    }
}

/// Something of a tenant that ends or is due.
#[Object(name = "Upcoming")]
impl UpcomingNode {
    /// What.
    async fn kind(&self) -> UpcomingKind {
        match self.item.what {
            What::ClientExpires => UpcomingKind::ClientExpires,
            What::SecretExpires(_) => UpcomingKind::SecretExpires,
            What::SecretRetires(_) => UpcomingKind::SecretRetires,
            What::SecretRotates => UpcomingKind::SecretRotationDue,
            What::KeyActivates(_) => UpcomingKind::KeyActivates,
            What::KeyRetires(_) => UpcomingKind::KeyRetires,
            What::KeyRotates(_) => UpcomingKind::KeyRotationDue,
        }
    }

    /// When.
    async fn at(&self) -> DateTime {
        self.item.at.into()
    }

    /// Whether it should have been done by now.
    async fn overdue(&self) -> bool {
        self.overdue
    }

    /// The client that ends, or whose secret it is. Null for signing keys.
    async fn client(&self, ctx: &Context<'_>) -> Result<Option<ClientNode>, Failure> {
        Ok(match self.item.client {
            Some(client) => Some(ClientNode::read(Session::of(ctx)?, client).await?),
            None => None,
        })
    }

    /// The secret that ends. Null for everything else.
    #[graphql(name = "secret")]
    async fn secret_id(&self) -> Option<ID> {
        self.secret().map(Into::into)
    }

    /// The signing key. Null for everything else.
    #[graphql(name = "key")]
    async fn key_id(&self) -> Option<ID> {
        self.key().map(Into::into)
    }
}

/// What can be read of the calendar.
#[derive(Default)]
pub(crate) struct CalendarQueries;

#[Object]
impl CalendarQueries {
    /// What will end in a tenant within so many days, and what is due or overdue, the soonest first:
    /// clients, secrets, signing keys and rotations. Needs `tenant:read` of the tenant, or
    /// `platform:read`.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn upcoming(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] tenant: String,
        #[graphql(desc = "For how many days ahead: 1 to 3,650; 30 when left out.")] days: Option<
            i64,
        >,
        #[graphql(desc = "How many at most: 1 to 1,000; 50 when left out.")] first: Option<i64>,
        #[graphql(desc = "Past this place: the `cursor` of an edge.")] after: Option<String>,
    ) -> Result<Connection<UpcomingNode>, Failure> {
        let session = Session::of(ctx)?;
        let mut faults = Faults::default();
        let days = faults.take("days", ahead(days));
        let days = faults.finish(days).map_err(Failure::Arguments)?;
        let page = page::request(first, after.as_deref())?;
        let (application, caller) = (&session.application, &session.caller);
        let tenant = application.tenant_named(caller, &tenant).await?;
        let page = application.upcoming(caller, tenant, days, &page).await?;
        Ok(Connection::of(page, |item| UpcomingNode {
            overdue: application.is_overdue(&item),
            item,
        }))
    }
}

fn ahead(days: Option<i64>) -> Result<u32, Invalid> {
    match days.map(u32::try_from) {
        None => Ok(30),
        Some(Ok(days @ 1..=MAX_DAYS)) => Ok(days),
        Some(_) => Err(Invalid::new("range", format!("must be 1 to {MAX_DAYS}"))),
    }
}
