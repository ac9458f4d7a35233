use super::ApiEvent;
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ApiId, TenantId},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// Ends an API for good: no token is issued for it and no client is granted it any more. Tokens that
/// were issued live to their end.
pub struct RetireApi {
    /// The tenant.
    pub tenant: TenantId,
    /// The API.
    pub api: ApiId,
}

impl Command for RetireApi {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![StreamId::Tenant(self.tenant), StreamId::Api(self.api)]
    }

    fn decide(&self, read: &ReadSet, _: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        read.api(self.api)?.changeable()?;
        Ok(ChangeSet::of(
            StreamId::Api(self.api),
            [ApiEvent::ApiRetired {}],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::ApiRefusal,
        testing::{self, ACME, ADMIN_API_ID, ORDERS, acme_with_orders, orders},
    };

    fn retire(api: ApiId) -> RetireApi {
        RetireApi { tenant: ACME, api }
    }

    #[test]
    fn an_api_is_retired_once() {
        testing::given(acme_with_orders())
            .when(&retire(ORDERS))
            .then([ApiEvent::ApiRetired {}]);
        testing::given(acme_with_orders())
            .and([ApiEvent::ApiRetired {}])
            .when(&retire(ORDERS))
            .refused(ApiRefusal::Retired {
                identifier: orders().identifier,
            });
    }

    #[test]
    fn the_admin_api_stays() {
        testing::given(acme_with_orders())
            .when(&retire(ADMIN_API_ID))
            .refused(ApiRefusal::BuiltIn);
    }
}
