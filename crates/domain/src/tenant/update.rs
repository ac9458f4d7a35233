use super::{PolicyChange, TenantEvent};
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::TenantId,
    key_ring::{self, NewKey, Switch},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
    value::DisplayName,
};

/// Changes a tenant's name for people and its policy. What is left out stays; the slug stays for
/// ever.
pub struct UpdateTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// The name for people.
    pub display_name: Option<DisplayName>,
    /// What changes in the policy.
    pub policy: PolicyChange,
    /// A key of the policy's algorithm, in case that the tenant has none.
    pub key: Option<NewKey>,
    /// Whether a policy that breaks something is to be refused. That takes more than this decision
    /// reads, so it is looked at when the change is written.
    pub refuse_if_breaks: bool,
}

impl Command for UpdateTenant {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![
            StreamId::Tenant(self.tenant),
            StreamId::KeyRing(self.tenant),
        ]
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        let tenant = read.tenant(self.tenant)?.open()?;
        let policy = self.policy.over(&tenant.policy).map_err(Refusal::Invalid)?;
        tenant.may_have(&policy)?;
        let algorithm = policy.signing_algorithm;
        let mut change = ChangeSet::default();
        if algorithm != tenant.policy.signing_algorithm {
            let ring = read.key_ring(self.tenant)?;
            let choice = (Switch::Of(None), Some(algorithm));
            change = key_ring::chosen(ring, self.tenant, choice, self.key.as_ref(), now)?;
        }
        if policy.signing_key_rotation_days != tenant.policy.signing_key_rotation_days {
            let days = policy.signing_key_rotation_days;
            change.and(key_ring::scheduled(
                read.key_ring(self.tenant)?,
                self.tenant,
                days,
            ));
        }
        let mut events = Vec::new();
        if let Some(display_name) = &self.display_name
            && *display_name != tenant.display_name
        {
            events.push(TenantEvent::TenantRenamed {
                display_name: display_name.clone(),
            });
        }
        if policy != tenant.policy {
            events.push(TenantEvent::TenantPolicyChanged { policy });
        }
        change.and(ChangeSet::of(StreamId::Tenant(self.tenant), events));
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key_ring::{KeyRingEvent, KeyRingRefusal},
        tenant::{RateLimit, SigningAlgorithm, TenantRefusal},
        testing::{self, ACME, NOW, SYSTEM, acme, closed, new_key, policy, suspended, system},
        value::Patch,
    };

    fn nothing() -> UpdateTenant {
        UpdateTenant {
            tenant: ACME,
            display_name: None,
            policy: PolicyChange::default(),
            key: None,
            refuse_if_breaks: false,
        }
    }

    fn overlap(seconds: u32) -> UpdateTenant {
        let policy = PolicyChange {
            rotation_overlap_seconds: Some(seconds),
            ..PolicyChange::default()
        };
        UpdateTenant {
            policy,
            ..nothing()
        }
    }

    fn signed_with(algorithm: SigningAlgorithm) -> UpdateTenant {
        let policy = PolicyChange {
            signing_algorithm: Some(algorithm),
            ..PolicyChange::default()
        };
        UpdateTenant {
            policy,
            ..nothing()
        }
    }

    #[test]
    fn what_stays_the_same_is_no_event() {
        testing::given(acme()).when(&nothing()).then_nothing();
        let same = UpdateTenant {
            display_name: Some(DisplayName::parse("Acme").unwrap()),
            ..overlap(86_400)
        };
        testing::given(acme()).when(&same).then_nothing();
    }

    #[test]
    fn a_name_and_a_policy_change_each_by_itself() {
        let name = DisplayName::parse("Acme International").unwrap();
        let both = UpdateTenant {
            display_name: Some(name.clone()),
            ..overlap(0)
        };
        testing::given(acme()).when(&both).then([
            TenantEvent::TenantRenamed { display_name: name },
            TenantEvent::TenantPolicyChanged {
                policy: policy(|policy| policy.rotation_overlap_seconds = 0),
            },
        ]);
        testing::given(acme())
            .and([suspended()])
            .when(&overlap(0))
            .change();
    }

    #[test]
    fn the_policy_is_checked_as_a_whole() {
        let faults = testing::given(acme()).when(&overlap(2_592_001)).faults();
        assert_eq!(faults, ["policy.rotationOverlapSeconds"]);
    }

    #[test]
    fn tokens_are_signed_with_an_algorithm_that_has_an_active_key() {
        use SigningAlgorithm::{EdDsa, Es256};
        let ed_dsa = NewKey {
            algorithm: EdDsa,
            ..new_key()
        };
        let generated = KeyRingEvent::KeyGenerated {
            key: ed_dsa.key,
            algorithm: EdDsa,
            public_jwk: ed_dsa.public_jwk.clone(),
            generated_at: NOW,
            activates_at: NOW,
            rotation_days: None,
        };
        let with_key = || testing::given(acme()).and([generated.clone()]);
        testing::given(testing::with_key())
            .when(&signed_with(EdDsa))
            .refused(KeyRingRefusal::NoActiveKey { algorithm: EdDsa });
        with_key().when(&signed_with(EdDsa)).change();
        let brings = UpdateTenant {
            key: Some(ed_dsa),
            ..signed_with(EdDsa)
        };
        let change = testing::given(testing::with_key()).when(&brings).change();
        let kinds = change.events().iter().map(|(_, event)| event.kind().0);
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            [
                "KeyGenerated",
                "KeyActivated",
                "AlgorithmChosen",
                "TenantPolicyChanged"
            ]
        );
        assert_eq!(change.vault().len(), 1);
        let after = testing::given(testing::with_key())
            .and_change(&change)
            .read();
        let ring = after.key_ring(ACME).unwrap();
        let signs = |seconds| ring.algorithms.of_tenant(NOW.plus_seconds(seconds));
        assert_eq!((signs(3_599), signs(3_600)), (Some(Es256), Some(EdDsa)));
        let wrong = UpdateTenant {
            key: Some(new_key()),
            ..signed_with(EdDsa)
        };
        testing::given(testing::with_key())
            .when(&wrong)
            .refused(KeyRingRefusal::NoActiveKey { algorithm: EdDsa });
        // A tenant that keeps its algorithm keeps it, whatever became of its keys.
        with_key().when(&signed_with(Es256)).then_nothing();
    }

    #[test]
    fn a_limit_of_the_system_tenant_shuts_its_operators_out_for_a_minute_at_most() {
        let limit = |requests, window_seconds, enforce| {
            Patch::Set(RateLimit {
                requests,
                window_seconds,
                enforce,
            })
        };
        let limited = |tenant, client: &Patch<_>, whole: &Patch<_>| UpdateTenant {
            tenant,
            policy: PolicyChange {
                client_rate_limit: client.clone(),
                tenant_rate_limit: whole.clone(),
                ..PolicyChange::default()
            },
            ..nothing()
        };
        let (off, kept) = (Patch::Clear, Patch::Keep);
        for (client, whole, right) in [
            (&limit(1, 2_678_400, true), &kept, false),
            (&limit(10, 61, true), &kept, false),
            (&limit(9, 60, true), &kept, false),
            (&limit(10, 60, true), &kept, true),
            (&limit(1, 2_678_400, false), &kept, true),
            (&off, &kept, true),
            (&kept, &limit(1_000_000, 1, true), false),
            (&kept, &limit(1, 2_678_400, false), true),
        ] {
            let when = testing::given(system()).when(&limited(SYSTEM, client, whole));
            if right {
                when.change();
            } else {
                when.refused(TenantRefusal::SystemRateLimit);
            }
            testing::given(acme())
                .when(&limited(ACME, client, whole))
                .change();
        }
    }

    #[test]
    fn a_closed_tenant_stays_as_it_was() {
        testing::given(acme())
            .and([closed()])
            .when(&overlap(0))
            .refused(TenantRefusal::Closed);
    }
}
