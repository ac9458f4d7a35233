use super::{TenantEvent, TenantPolicy, TenantRefusal};
use crate::{
    api::built_in_admin_api,
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ApiId, TenantId},
    key_ring::{KeyRingRefusal, NewKey},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::{DisplayName, Slug},
};

/// Creates a tenant with its first signing key and its built-in admin API.
pub struct CreateTenant {
    /// The new tenant.
    pub tenant: TenantId,
    /// Its name in URLs, for ever.
    pub slug: Slug,
    /// Its name for people.
    pub display_name: DisplayName,
    /// Its policy, checked.
    pub policy: TenantPolicy,
    /// Its first signing key, of the policy's algorithm.
    pub key: NewKey,
    /// Its built-in admin API.
    pub admin_api: ApiId,
}

impl Command for CreateTenant {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![
            StreamId::Tenant(self.tenant),
            StreamId::KeyRing(self.tenant),
            StreamId::Api(self.admin_api),
        ]
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        if self.slug.is_system() {
            return Err(TenantRefusal::SlugReserved.into());
        }
        self.create(read, now)
    }
}

impl CreateTenant {
    /// The creation itself, also of the tenant whose slug is reserved.
    pub(super) fn create(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        if read.tenant(self.tenant).is_ok() {
            return Err(TenantRefusal::AlreadyExists.into());
        }
        self.policy.check().map_err(Refusal::Invalid)?;
        let algorithm = self.policy.signing_algorithm;
        if self.key.algorithm != algorithm {
            return Err(KeyRingRefusal::NoActiveKey { algorithm }.into());
        }
        let mut change = ChangeSet::of(
            StreamId::Tenant(self.tenant),
            [TenantEvent::TenantCreated {
                slug: self.slug.clone(),
                display_name: self.display_name.clone(),
                policy: self.policy.clone(),
            }],
        );
        let days = self.policy.signing_key_rotation_days;
        change.and(self.key.first(self.tenant, now, days));
        change.push(
            StreamId::Api(self.admin_api),
            built_in_admin_api(self.slug.is_system()),
        );
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Event,
        key_ring::KeyRingEvent,
        tenant::SigningAlgorithm,
        testing::{self, acme, new_tenant},
    };

    #[test]
    fn a_tenant_begins_with_a_key_and_an_admin_api() {
        let command = new_tenant("acme");
        let change = testing::given([]).when(&command).change();
        let kinds: Vec<_> = change
            .events()
            .iter()
            .map(|(_, event)| event.kind().0)
            .collect();
        assert_eq!(
            kinds,
            [
                "TenantCreated",
                "KeyGenerated",
                "KeyActivated",
                "ApiCreated"
            ]
        );
        assert_eq!(change.vault().len(), 1);
        let Event::KeyRing(KeyRingEvent::KeyGenerated { activates_at, .. }) = &change.events()[1].1
        else {
            panic!("the second event is the key's");
        };
        assert_eq!(*activates_at, testing::NOW, "the first key signs at once");
    }

    #[test]
    fn the_operators_slug_is_reserved() {
        testing::given([])
            .when(&new_tenant("system"))
            .refused(TenantRefusal::SlugReserved);
    }

    #[test]
    fn a_tenant_is_created_once() {
        testing::given(acme())
            .when(&new_tenant("acme"))
            .refused(TenantRefusal::AlreadyExists);
    }

    #[test]
    fn the_first_key_is_of_the_policys_algorithm() {
        let mut command = new_tenant("acme");
        command.policy.signing_algorithm = SigningAlgorithm::EdDsa;
        testing::given([])
            .when(&command)
            .refused(KeyRingRefusal::NoActiveKey {
                algorithm: SigningAlgorithm::EdDsa,
            });
    }

    #[test]
    fn an_invalid_policy_is_refused_with_its_faults() {
        let mut command = new_tenant("acme");
        command.policy.max_live_secrets = 9;
        assert_eq!(
            testing::given([]).when(&command).faults(),
            ["policy.maxLiveSecrets"]
        );
    }
}
