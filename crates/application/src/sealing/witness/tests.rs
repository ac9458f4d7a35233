use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
};

use chancery_crypto::NoteKey;
use chancery_domain::TenantId;
use chancery_event_store::StoredSeal;
use chancery_roll::{
    Hash,
    checkpoint::{Checkpoint, SignedCheckpoint},
};

use super::{Seen, Witness, WitnessError};

fn tenant(number: u8) -> TenantId {
    TenantId::from_bytes([number; 16])
}

fn key() -> NoteKey {
    NoteKey::generate("example.com/t/acme/roll").unwrap().0
}

fn seen(key: &NoteKey, size: u64) -> Seen {
    let checkpoint = Checkpoint {
        origin: "example.com/t/acme/roll".to_owned(),
        size,
        root: Hash::leaf(&size.to_be_bytes()),
    };
    Seen {
        key: key.verifier().clone(),
        note: SignedCheckpoint::parse(&checkpoint.sign(key).unwrap()).unwrap(),
    }
}

async fn size(witness: &Witness, number: u8) -> Option<u64> {
    let seen = witness.recall(tenant(number)).await.unwrap();
    seen.map(|seen| seen.checkpoint().size)
}

#[tokio::test]
async fn the_furthest_is_remembered_by_every_process_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seen.ndjson");
    let key = key();
    let (one, other) = (
        Witness::open(path.clone()).unwrap(),
        Witness::open(path.clone()).unwrap(),
    );
    one.keep(tenant(1), seen(&key, 5)).await.unwrap();
    other.keep(tenant(1), seen(&key, 3)).await.unwrap();
    other.keep(tenant(2), seen(&key, 9)).await.unwrap();
    one.keep(tenant(3), seen(&key, 1)).await.unwrap();
    let third = Witness::open(path.clone()).unwrap();
    for witness in [&one, &other, &third] {
        assert_eq!(size(witness, 1).await, Some(5));
        assert_eq!(size(witness, 2).await, Some(9));
        assert_eq!(size(witness, 3).await, Some(1));
        assert_eq!(size(witness, 4).await, None);
    }
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_accepted_goes_back_or_is_forgotten_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seen.ndjson");
    let key = key();
    let (server, command) = (
        Witness::open(path.clone()).unwrap(),
        Witness::open(path.clone()).unwrap(),
    );
    for number in [1, 2] {
        server.keep(tenant(number), seen(&key, 8)).await.unwrap();
    }
    assert!(server.found(tenant(1), Some("it went back")));
    let back = seen(&key, 4);
    command.accept(tenant(1), Some(back)).await.unwrap();
    command.accept(tenant(2), None).await.unwrap();
    let later = Witness::open(path).unwrap();
    for witness in [&server, &command, &later] {
        assert_eq!(size(witness, 1).await, Some(4));
        assert_eq!(size(witness, 2).await, None);
    }
}

#[tokio::test]
async fn the_file_is_bounded_by_the_tenants() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seen.ndjson");
    let key = key();
    let (one, other) = (
        Witness::open(path.clone()).unwrap(),
        Witness::open(path.clone()).unwrap(),
    );
    one.keep(tenant(2), seen(&key, 7)).await.unwrap();
    for at in 1..=2_500 {
        one.keep(tenant(1), seen(&key, at)).await.unwrap();
    }
    let lines = fs::read_to_string(&path).unwrap().lines().count();
    assert!(lines < 1_100, "{lines}");
    // The other one has only ever seen the file that is gone.
    assert_eq!(size(&other, 1).await, Some(2_500));
    assert_eq!(size(&other, 2).await, Some(7));
    other.keep(tenant(2), seen(&key, 8)).await.unwrap();
    assert_eq!(size(&one, 2).await, Some(8));
}

#[tokio::test]
async fn a_line_that_was_not_finished_never_counted_and_any_other_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seen.ndjson");
    let key = key();
    let witness = Witness::open(path.clone()).unwrap();
    witness.keep(tenant(1), seen(&key, 5)).await.unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
    let witness = Witness::open(path.clone()).unwrap();
    assert_eq!(size(&witness, 1).await, Some(5));
    witness.keep(tenant(1), seen(&key, 6)).await.unwrap();
    assert_eq!(
        size(&Witness::open(path.clone()).unwrap(), 1).await,
        Some(6)
    );

    for broken in ["{}\n", "nonsense\n"] {
        fs::write(&path, [&whole[..], broken.as_bytes()].concat()).unwrap();
        assert!(matches!(
            Witness::open(path.clone()),
            Err(WitnessError::Line { line: 2, .. })
        ));
    }
}

#[tokio::test]
async fn a_file_that_was_taken_away_is_made_again_by_who_still_knows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seen.ndjson");
    let key = key();
    let witness = Witness::open(path.clone()).unwrap();
    witness.keep(tenant(1), seen(&key, 5)).await.unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(size(&witness, 1).await, Some(5));
    witness.keep(tenant(2), seen(&key, 6)).await.unwrap();
    let again = Witness::open(path.clone()).unwrap();
    assert_eq!(
        (size(&again, 1).await, size(&again, 2).await),
        (Some(5), Some(6))
    );

    // Cut, and not taken away.
    fs::write(&path, "").unwrap();
    witness.keep(tenant(2), seen(&key, 7)).await.unwrap();
    let again = Witness::open(path.clone()).unwrap();
    assert_eq!(
        (size(&again, 1).await, size(&again, 2).await),
        (Some(5), Some(7))
    );
    assert!(!again.is_empty());
}

#[tokio::test]
async fn a_command_compares_and_teaches_nobody_until_somebody_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seen.ndjson");
    let key = key();
    let command = Witness::compare(path.clone()).unwrap();
    command.keep(tenant(1), seen(&key, 9)).await.unwrap();
    assert!(!path.exists(), "nothing is made");
    let server = Witness::open(path.clone()).unwrap();
    server.keep(tenant(1), seen(&key, 5)).await.unwrap();
    assert_eq!(size(&command, 1).await, Some(5));

    let before = fs::read(&path).unwrap();
    command.keep(tenant(1), seen(&key, 9)).await.unwrap();
    command.keep(tenant(2), seen(&key, 9)).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    for witness in [&command, &server] {
        assert_eq!(
            (size(witness, 1).await, size(witness, 2).await),
            (Some(5), None)
        );
    }

    command
        .accept(tenant(1), Some(seen(&key, 3)))
        .await
        .unwrap();
    assert_eq!(size(&server, 1).await, Some(3));
    // The file is written anew with what was read from it, and with nothing that the command has seen.
    command.keep(tenant(2), seen(&key, 9)).await.unwrap();
    fs::remove_file(&path).unwrap();
    command
        .accept(tenant(1), Some(seen(&key, 2)))
        .await
        .unwrap();
    let again = Witness::open(path).unwrap();
    assert_eq!(
        (size(&again, 1).await, size(&again, 2).await),
        (Some(2), None)
    );
}

/// Every file of the memory, with its owner and mode.
fn files(directory: &std::path::Path) -> Vec<(String, u32, u32)> {
    let files = fs::read_dir(directory).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let is = entry.metadata().unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, is.uid(), is.mode() & 0o777)
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

#[tokio::test]
async fn whoever_writes_the_file_stays_the_one_who_owns_it_and_who_reads_it_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seen.ndjson");
    let key = key();
    let ours = fs::metadata(directory.path()).unwrap().uid();
    // Only root can write what belongs to somebody else, and so only root could take it away from them.
    let owner = if ours == 0 { 65_534 } else { ours };
    chown(directory.path(), Some(owner), None).unwrap();
    let witness = Witness::open(path.clone()).unwrap();
    witness.keep(tenant(1), seen(&key, 5)).await.unwrap();
    let made = |mode| {
        [("seen.lock", 0o600), ("seen.ndjson", mode)]
            .map(|(name, mode)| (name.to_owned(), owner, mode))
    };
    assert_eq!(
        files(directory.path()),
        made(0o600),
        "a new one is its directory's"
    );

    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    for size in 0..1_050 {
        witness
            .accept(tenant(1), Some(seen(&key, size)))
            .await
            .unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap().lines().count() < 1_000,
        "it was written anew"
    );
    assert_eq!(files(directory.path()), made(0o640));
    // The directory may be another's: the owner of the file counts.
    chown(directory.path(), Some(ours), None).unwrap();
    fs::remove_file(directory.path().join("seen.lock")).unwrap();
    witness.accept(tenant(1), None).await.unwrap();
    assert_eq!(files(directory.path()), made(0o640));
}

/// What of a page of stored seals has to be looked at closely: everything but what is exactly as it was seen.
#[tokio::test]
async fn only_what_is_exactly_as_it_was_seen_is_passed_over() {
    let (witness, key, another) = (Witness::default(), key(), key());
    for number in 1..=9 {
        let seen = seen(&key, 5);
        witness.keep(tenant(number), seen).await.unwrap();
    }
    let stored = |number: u8, key: &NoteKey, size: u64| {
        let seen = seen(key, size);
        StoredSeal {
            tenant: tenant(number),
            origin: seen.key.name().to_owned(),
            verifier_key: seen.key.to_string(),
            size: size.try_into().unwrap(),
            note: seen.note.note().to_owned(),
            head: Some(5),
        }
    };
    let as_it_was = |number| stored(number, &key, 5);
    let page = vec![
        as_it_was(1),
        stored(2, &key, 4),
        stored(3, &another, 5),
        StoredSeal {
            verifier_key: another.verifier().to_string(),
            ..as_it_was(4)
        },
        StoredSeal {
            head: Some(4),
            ..as_it_was(5)
        },
        StoredSeal {
            size: 4,
            ..as_it_was(6)
        },
        StoredSeal {
            origin: "example.com/t/other/roll".to_owned(),
            ..as_it_was(7)
        },
        // The eighth is gone, and of the tenth nothing was seen.
        StoredSeal {
            head: None,
            ..as_it_was(9)
        },
        as_it_was(10),
    ];
    let other = async |page: Vec<StoredSeal>, after, end| {
        let range = (Option::map(after, tenant), Option::map(end, tenant));
        let found = witness.other(page, range).await.unwrap();
        found
            .iter()
            .map(|tenant| tenant.to_bytes()[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(other(page, None, None).await, [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let whole = |numbers: &[u8]| numbers.iter().copied().map(as_it_was).collect();
    assert_eq!(other(whole(&[1, 2, 3]), None, Some(3)).await, [0; 0]);
    assert_eq!(other(whole(&[3, 5]), Some(2), Some(5)).await, [4]);
    assert_eq!(other(whole(&[8]), Some(7), None).await, [9]);
    // What was found once is looked at until it is well again.
    witness.found(tenant(2), Some("set back"));
    assert_eq!(other(whole(&[1, 2, 3]), None, Some(3)).await, [2]);
}

/// A line that says more than was ever signed is the file's fault, and not the database's.
#[tokio::test]
async fn a_line_that_nobody_has_signed_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seen.ndjson");
    let witness = Witness::open(path.clone()).unwrap();
    witness.keep(tenant(1), seen(&key(), 5)).await.unwrap();
    let line = fs::read_to_string(&path).unwrap();
    let forged = line.replace("\\n5\\n", "\\n400\\n");
    assert_ne!(forged, line);
    fs::write(&path, format!("{line}{forged}")).unwrap();
    let Err(WitnessError::Line { line, .. }) = Witness::open(path) else {
        panic!("it is believed");
    };
    assert_eq!(line, 2);
}
