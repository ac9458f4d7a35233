use async_graphql::InputObject;
use chancery_application::{ClientFilter as Wanted, Search};
use chancery_domain::{Faults, TenantId, value::ApiIdentifier};

use super::node::ClientStateName;
use crate::{
    error::Failure, page::one_at_least, scalars::DateTime, session::Session, tenant::AuthMethodName,
};

/// Which of a tenant's clients. What is left out or null lets every client through; of several, all must
/// let it through.
///
/// With `search` the list is sorted by name. Otherwise, with `expiringBefore` or the one state `EXPIRED` and
/// without `api`, it is sorted by the end, the soonest first; and else by creation, oldest first.
#[derive(InputObject, Default)]
pub(crate) struct ClientFilter {
    /// How the name begins: 1 to 100 characters, in any letter case.
    search: Option<String>,
    /// In which of these states it is, at this moment. At least one.
    states: Option<Vec<ClientStateName>>,
    /// The identifier of an API that it is granted.
    api: Option<String>,
    /// What it authenticates with.
    auth_method: Option<AuthMethodName>,
    /// Before when it ends. Clients that have ended already are among them, unless `states` says
    /// otherwise; disabled and deleted ones, and those without an end, are not.
    expiring_before: Option<DateTime>,
    /// Since when it is there, that moment included.
    created_since: Option<DateTime>,
}

impl ClientFilter {
    /// The filter, with the API that it names.
    pub(super) async fn parse(
        self,
        session: &Session,
        tenant: TenantId,
    ) -> Result<Wanted, Failure> {
        let mut faults = Faults::default();
        let search = self.search.as_deref().map(Search::parse);
        let search = faults.take_optional("filter.search", search);
        let states = faults.take_optional("filter.states", self.states.map(one_at_least));
        let api = self.api.as_deref().map(ApiIdentifier::parse);
        let api = faults.take_optional("filter.api", api);
        let moment = |moment: Option<DateTime>| moment.map(|moment| moment.parse());
        let expiring = faults.take_optional("filter.expiringBefore", moment(self.expiring_before));
        let created = faults.take_optional("filter.createdSince", moment(self.created_since));
        let parsed = search.zip(states).zip(api).zip(expiring).zip(created);
        let ((((search, states), api), expiring_before), created_since) =
            faults.finish(parsed).map_err(Failure::Arguments)?;
        let application = &session.application;
        let api = match api {
            Some(api) => Some(application.api_named(&session.caller, tenant, &api).await?),
            None => None,
        };
        Ok(Wanted {
            search,
            states: states.map(|states| states.into_iter().map(Into::into).collect()),
            api,
            auth_method: self.auth_method.map(Into::into),
            expiring_before,
            created_since,
        })
    }
}
