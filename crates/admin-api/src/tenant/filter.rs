use async_graphql::InputObject;
use chancery_application::{Search, TenantFilter as Wanted};
use chancery_domain::Faults;

use super::node::TenantStateName;
use crate::{error::Failure, page::one_at_least, scalars::DateTime};

/// Which tenants. What is left out or null lets every tenant through; of several, all must let it through.
///
/// With `search` the list is sorted by what was found, otherwise by creation, oldest first.
#[derive(InputObject, Default)]
pub(crate) struct TenantFilter {
    /// How the slug or the name for people begins: 1 to 100 characters, in any letter case.
    search: Option<String>,
    /// In which of these states it is. At least one.
    states: Option<Vec<TenantStateName>>,
    /// Since when it is there, that moment included.
    created_since: Option<DateTime>,
}

impl TenantFilter {
    pub(super) fn parse(self) -> Result<Wanted, Failure> {
        let mut faults = Faults::default();
        let search = self.search.as_deref().map(Search::parse);
        let search = faults.take_optional("filter.search", search);
        let states = faults.take_optional("filter.states", self.states.map(one_at_least));
        let created = self.created_since.map(|moment| moment.parse());
        let created = faults.take_optional("filter.createdSince", created);
        let ((search, states), created_since) = faults
            .finish(search.zip(states).zip(created))
            .map_err(Failure::Arguments)?;
        Ok(Wanted {
            search,
            states: states.map(|states| states.into_iter().map(Into::into).collect()),
            created_since,
        })
    }
}
