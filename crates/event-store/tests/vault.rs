//! The vault, and the memory of commands.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use chancery_domain::{Actor, CommandId, KeyId, SecretId, VaultRow};
use chancery_event_store::{InstallationKey, Remembered, StoreError, UniqueRule};
use chancery_testkit::{on_both_stores, stores::TestStore};
use common::{NOW, client, tenant};

fn verifier_of(secret: SecretId) -> VaultRow {
    VaultRow::Verifier {
        secret,
        client: client(1),
        phc: "$argon2id$v=19$…".to_owned(),
    }
}

on_both_stores! {
    async fn the_vault_gives_back_what_it_was_given(store: TestStore) {
        let [first, second] = [1, 2].map(|n| SecretId::new(NOW, [n; 10]));
        let key = KeyId::new(NOW, [3; 10]);
        let sealed = vec![0, 255, 7];
        let mut tx = store.begin().await.unwrap();
        for secret in [first, second] {
            tx.keep(tenant(1), &[verifier_of(secret)]).await.unwrap();
        }
        let row = VaultRow::SealedKey { key, master_key_id: "m1".to_owned(), sealed: sealed.clone() };
        tx.keep(tenant(1), std::slice::from_ref(&row)).await.unwrap();
        tx.commit().await.unwrap();

        let verifiers = store.verifiers(tenant(1), client(1)).await.unwrap();
        assert_eq!(verifiers.iter().map(|row| row.secret).collect::<Vec<_>>(), [first, second]);
        let one = store.verifier(tenant(1), second).await.unwrap().unwrap();
        assert!(one.client == client(1) && one.phc == "$argon2id$v=19$…");
        let keys = store.sealed_keys(tenant(1)).await.unwrap();
        assert!(keys.len() == 1 && keys[0].key == key && keys[0].master_key_id == "m1" && keys[0].sealed == sealed);

        assert!(store.verifiers(tenant(2), client(1)).await.unwrap().is_empty());
        assert!(store.verifier(tenant(2), first).await.unwrap().is_none());
        assert!(store.sealed_keys(tenant(2)).await.unwrap().is_empty());
    }

    async fn what_is_erased_is_gone_and_nothing_else(store: TestStore) {
        let [first, second] = [1, 2].map(|n| SecretId::new(NOW, [n; 10]));
        let sealed_of = |secret| VaultRow::SealedSecret {
            secret,
            client: client(1),
            master_key_id: "m1".to_owned(),
            sealed: vec![0, 255, 7],
        };
        let mut tx = store.begin().await.unwrap();
        for secret in [first, second] {
            tx.keep(tenant(1), &[verifier_of(secret)]).await.unwrap();
            tx.keep(tenant(1), &[sealed_of(secret)]).await.unwrap();
        }
        // Another tenant cannot erase it.
        tx.erase(tenant(2), second).await.unwrap();
        tx.erase(tenant(1), first).await.unwrap();
        tx.erase(tenant(1), first).await.unwrap();
        tx.commit().await.unwrap();
        assert!(store.verifier(tenant(1), first).await.unwrap().is_none());
        assert!(store.verifier(tenant(1), second).await.unwrap().is_some());
        let left = store.sealed_secrets(tenant(1), client(1)).await.unwrap();
        assert!(left.len() == 1 && left[0].secret == second && left[0].master_key_id == "m1" && left[0].sealed == [0, 255, 7]);
        assert!(store.sealed_secrets(tenant(2), client(1)).await.unwrap().is_empty());
    }

    async fn a_row_of_the_vault_is_never_replaced(store: TestStore) {
        let row = verifier_of(SecretId::new(NOW, [1; 10]));
        let mut tx = store.begin().await.unwrap();
        tx.keep(tenant(1), std::slice::from_ref(&row)).await.unwrap();
        assert_eq!(tx.keep(tenant(1), std::slice::from_ref(&row)).await, Err(StoreError::Unique { rule: UniqueRule::Vault }));
    }

    async fn an_installation_has_one_key_for_each_purpose(store: TestStore) {
        assert!(store.installation_key("tags").await.unwrap().is_none());
        let key = |byte| InstallationKey { master_key_id: "m1".to_owned(), sealed: vec![byte] };
        let mut tx = store.begin().await.unwrap();
        tx.keep_installation_key("tags", &key(1)).await.unwrap();
        tx.keep_installation_key("other", &key(2)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let again = tx.keep_installation_key("tags", &key(3)).await;
        assert_eq!(again, Err(StoreError::Unique { rule: UniqueRule::InstallationKey }));
        drop(tx);
        assert_eq!(store.installation_key("tags").await.unwrap().unwrap().sealed, [1]);
    }

    async fn a_command_is_remembered_by_caller_and_forgotten_by_age(store: TestStore) {
        let command: CommandId = "6a1f8c1e-0d5b-4b55-9d1c-3b3a0f6d2c11".parse().unwrap();
        let [caller, other] = [1, 2].map(|n| Actor::Client(client(n)));
        let remembered = Remembered { input_digest: vec![0, 1, 255], result: r#"{"client":"x"}"#.to_owned() };
        let mut tx = store.begin().await.unwrap();
        tx.remember(&caller, command, &remembered, NOW).await.unwrap();
        tx.commit().await.unwrap();
        let found = async |caller, now| store.remembered(caller, command, now).await.unwrap();
        assert_eq!(found(&caller, NOW).await, Some(remembered.clone()));
        assert_eq!(found(&other, NOW).await, None);

        let mut tx = store.begin().await.unwrap();
        let again = tx.remember(&caller, command, &remembered, NOW).await;
        assert_eq!(again, Err(StoreError::Unique { rule: UniqueRule::Command }));
        drop(tx);

        let day = |days, seconds| NOW.plus_days(days).plus_seconds(seconds);
        assert_eq!(found(&caller, day(7, -1)).await, Some(remembered.clone()));
        assert_eq!(found(&caller, day(7, 0)).await, None, "seven days are over");
        let mut tx = store.begin().await.unwrap();
        tx.remember(&caller, command, &remembered, day(7, 0)).await.unwrap();
        assert_eq!(tx.platform_delete_forgotten_commands(day(13, 0)).await, Ok(0));
        assert_eq!(tx.platform_delete_forgotten_commands(day(14, 0)).await, Ok(1));
    }
}
