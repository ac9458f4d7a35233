use super::CreateTenant;
use crate::{
    change::ChangeSet,
    client::CreateClient,
    command::{Command, ReadSet},
    id::TenantId,
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// The first start: creates the `system` tenant and the first operator's client in one transaction.
pub struct Install {
    /// The operators' tenant; the one command that may take its slug.
    pub system: CreateTenant,
    /// The first operator.
    pub operator: CreateClient,
}

impl Command for Install {
    fn tenant(&self) -> TenantId {
        self.system.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        let mut reads = self.system.reads();
        reads.extend(
            self.operator
                .reads()
                .into_iter()
                .filter(|stream| !self.system.reads().contains(stream)),
        );
        reads
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        let mut change = self.system.create(read, now)?;
        let created = read.after(&change);
        change.and(self.operator.decide(&created, now)?);
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        tenant::TenantRefusal,
        testing::{self, installation, system},
    };

    #[test]
    fn the_first_start_makes_the_operators_tenant_and_one_operator() {
        let change = testing::given([]).when(&installation()).change();
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
                "ApiCreated",
                "ClientCreated",
                "ClientGranted",
                "SecretIssued"
            ]
        );
        assert_eq!(
            change.vault().len(),
            2,
            "the sealed key and the secret's hash"
        );
    }

    #[test]
    fn there_is_one_first_start() {
        testing::given(system())
            .when(&installation())
            .refused(TenantRefusal::AlreadyExists);
    }
}
