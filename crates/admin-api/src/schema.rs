//! The schema as a whole, and what one operation may ask of it.

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, Schema};

use crate::{
    access_at::AccessQueries,
    activity::ActivityQueries,
    api::{create::CreateApi, query::ApiQueries, retire::RetireApi, update::UpdateApi},
    calendar::CalendarQueries,
    client::{
        create::CreateClient, delete::DeleteClient, disable::DisableClient, enable::EnableClient,
        query::ClientQueries, revoke_key::RevokeClientKey, update::UpdateClient,
    },
    roll::{RollQueries, RollSubscription},
    seal::SealQueries,
    secret::{
        advice::AdviceQueries, defer::DeferSecretRetirement, issue::IssueClientSecret,
        revoke::RevokeClientSecret, rotate::RotateClientSecret, schedule::ScheduleSecretRotation,
    },
    tenant::{
        close::CloseTenant, create::CreateTenant, preview::PolicyQueries, query::TenantQueries,
        resume::ResumeTenant, revoke_key::RevokeSigningKey, rotate_key::RotateSigningKey,
        suspend::SuspendTenant, update::UpdateTenant,
    },
};

/// How deeply fields may be nested. Asking for the schema itself, as tools do, takes 15.
pub(crate) const MAX_DEPTH: usize = 16;
/// What an operation may cost: a field costs 1, a list as much as its longest page. A page of 1,000
/// clients with everything that is known of them fits.
pub(crate) const MAX_COMPLEXITY: usize = 100_000;
/// How many directives a field may have.
const MAX_DIRECTIVES_ON_A_FIELD: usize = 5;

/// What can be read.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    TenantQueries,
    PolicyQueries,
    ClientQueries,
    ApiQueries,
    RollQueries,
    ActivityQueries,
    AccessQueries,
    SealQueries,
    CalendarQueries,
    AdviceQueries,
);

/// What can be changed. Every change is written to the roll of its tenant, in the same transaction.
///
/// Several changes in one request run one after the other, each in a transaction of its own: one that
/// fails does not stop those after it, and is missing from the answer beside its error.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    CreateTenant,
    UpdateTenant,
    SuspendTenant,
    ResumeTenant,
    CloseTenant,
    CreateApi,
    UpdateApi,
    RetireApi,
    CreateClient,
    UpdateClient,
    DisableClient,
    EnableClient,
    DeleteClient,
    RotateClientSecret,
    IssueClientSecret,
    RevokeClientSecret,
    ScheduleSecretRotation,
    DeferSecretRetirement,
    RevokeClientKey,
    RotateSigningKey,
    RevokeSigningKey,
);

/// What can be followed, over a WebSocket at `/graphql/ws` that speaks `graphql-transport-ws`.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(RollSubscription);

/// The admin API's schema.
pub(crate) type AdminSchema = Schema<Query, Mutation, Subscription>;

/// The schema with its limits.
pub(crate) fn build() -> AdminSchema {
    Schema::build(
        Query::default(),
        Mutation::default(),
        Subscription::default(),
    )
    .limit_depth(MAX_DEPTH)
    .limit_complexity(MAX_COMPLEXITY)
    .limit_directives(MAX_DIRECTIVES_ON_A_FIELD)
    .finish()
}

/// The schema in GraphQL's schema language: the text of `schema/admin.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .prefer_single_line_descriptions()
        .include_specified_by()
        .use_space_ident()
        .indent_width(2);
    let text = build().sdl_with_options(options);
    format!("{}\n", text.trim())
}

#[cfg(test)]
mod tests;
