//! What callers are answered when they repeat a command. It is remembered for seven days; what is
//! older is as good as forgotten, also before it is deleted.

use chancery_domain::{Actor, CommandId, Timestamp};

use crate::{error::StoreError, execute, fetch_optional, store::Store, tx::Tx, unique::UniqueRule};

/// For how long a command is remembered, in days.
const REMEMBERED_DAYS: i64 = 7;

/// What is remembered of a command.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Remembered {
    /// A digest of the input: another input under the same id is a conflict.
    pub input_digest: Vec<u8>,
    /// What was answered, as JSON: ids, never a secret.
    pub result: String,
}

/// The last moment of a command that is forgotten by now.
fn forgotten(now: Timestamp) -> i64 {
    now.plus_days(-REMEMBERED_DAYS).micros()
}

impl Store {
    /// What is remembered of this caller's command at this moment.
    pub async fn remembered(
        &self,
        caller: &Actor,
        command: CommandId,
        now: Timestamp,
    ) -> Result<Option<Remembered>, StoreError> {
        fetch_optional!(
            self,
            Remembered,
            "SELECT input_digest, result FROM commands
             WHERE caller_id = $1 AND command_id = $2 AND at > $3",
            caller.to_string(),
            command.to_string(),
            forgotten(now)
        )
    }
}

impl Tx {
    /// Remembers a command with what it changes, in the place of one that is forgotten by now.
    /// [`UniqueRule::Command`]: it is remembered already. Then nothing has happened, and the transaction goes on.
    pub async fn remember(
        &mut self,
        caller: &Actor,
        command: CommandId,
        remembered: &Remembered,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows = execute!(
            self,
            "INSERT INTO commands (caller_id, command_id, input_digest, result, at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (caller_id, command_id) DO UPDATE
                SET input_digest = excluded.input_digest, result = excluded.result, at = excluded.at
              WHERE commands.at <= $6",
            caller.to_string(),
            command.to_string(),
            &*remembered.input_digest,
            &*remembered.result,
            now.micros(),
            forgotten(now)
        )?;
        if rows == 0 {
            let rule = UniqueRule::Command;
            return Err(StoreError::Unique { rule });
        }
        Ok(())
    }

    /// Deletes every caller's commands that are forgotten by now. Gives how many there were.
    pub async fn platform_delete_forgotten_commands(
        &mut self,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        execute!(self, "DELETE FROM commands WHERE at <= $1", forgotten(now))
    }
}
