//! What callers are answered when they repeat a command.

use chancery_domain::{Actor, CommandId, Timestamp};

use crate::{error::StoreError, execute, fetch_optional, query::Reads, store::Store, tx::Tx};

/// What is remembered of a command.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Remembered {
    /// A digest of the input: another input under the same id is a conflict.
    pub input_digest: Vec<u8>,
    /// What was answered, as JSON: ids, never a secret.
    pub result: String,
}

impl Store {
    /// What is remembered of this caller's command.
    pub async fn remembered(
        &self,
        caller: &Actor,
        command: CommandId,
    ) -> Result<Option<Remembered>, StoreError> {
        remembered(self, caller, command).await
    }
}

impl Tx {
    /// Like [`Store::remembered`], within the transaction.
    pub async fn remembered(
        &mut self,
        caller: &Actor,
        command: CommandId,
    ) -> Result<Option<Remembered>, StoreError> {
        remembered(self, caller, command).await
    }

    /// Remembers a command with what it changes.
    /// [`UniqueRule::Command`](crate::UniqueRule::Command): it is remembered already.
    pub async fn remember(
        &mut self,
        caller: &Actor,
        command: CommandId,
        remembered: &Remembered,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "INSERT INTO commands (caller_id, command_id, input_digest, result, at) VALUES ($1, $2, $3, $4, $5)",
            caller.to_string(),
            command.to_string(),
            &*remembered.input_digest,
            &*remembered.result,
            at.micros()
        )?;
        Ok(())
    }

    /// Forgets every command of every caller from before this moment. Gives how many there were.
    pub async fn platform_forget_commands_before(
        &mut self,
        moment: Timestamp,
    ) -> Result<u64, StoreError> {
        execute!(self, "DELETE FROM commands WHERE at < $1", moment.micros())
    }
}

async fn remembered<'a>(
    on: impl Reads<'a>,
    caller: &Actor,
    command: CommandId,
) -> Result<Option<Remembered>, StoreError> {
    fetch_optional!(
        on,
        Remembered,
        "SELECT input_digest, result FROM commands WHERE caller_id = $1 AND command_id = $2",
        caller.to_string(),
        command.to_string()
    )
}
