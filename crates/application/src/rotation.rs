//! When a client's secrets are rotated, and how long an old one stays.

use chancery_domain::{
    ClientId, SecretId, StreamId, Timestamp,
    secret_rotation::{DeferRetirement, ScheduleRotation},
};

use crate::{Application, access::Caller, clients::ClientChanged, error::Error, execute::Request};

impl Application {
    /// Says how often a client's secret is to be rotated; `every_seconds` of `None` ends that. With an
    /// `expected_version` of its secrets, on another one nothing changes.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn schedule_rotation(
        &self,
        caller: &Caller,
        client: ClientId,
        every_seconds: Option<u32>,
        overlap_seconds: Option<u32>,
        expected_version: Option<i64>,
        request: &Request,
    ) -> Result<ClientChanged, Error> {
        let command = ScheduleRotation {
            tenant: self.tenant_of(caller, client).await?,
            client,
            every_seconds,
            overlap_seconds,
        };
        let stream = StreamId::SecretRotation(client);
        let request = request.expecting(stream, expected_version);
        self.execute_for_client(caller, command, &request, client)
            .await
    }

    /// Gives a retiring secret more time.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn defer_retirement(
        &self,
        caller: &Caller,
        client: ClientId,
        secret: SecretId,
        until: Timestamp,
        request: &Request,
    ) -> Result<ClientChanged, Error> {
        let command = DeferRetirement {
            tenant: self.tenant_of(caller, client).await?,
            client,
            secret,
            until,
        };
        self.execute_for_client(caller, command, request, client)
            .await
    }
}
