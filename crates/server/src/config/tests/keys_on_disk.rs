//! The master key as a file.

use crate::config::master_key::{KeySourceError, MasterKeys};
use std::os::unix::fs::PermissionsExt;

use super::*;

fn in_directory() -> (Scene, std::path::PathBuf) {
    let scene = scene();
    let data = scene.directory.path().join("data");
    data_dir::prepare(&data).unwrap();
    let scene = scene.flags(|flags| flags.data_dir = Some(data.display().to_string()));
    (scene, data)
}

fn open(scene: &Scene, seed: u64) -> Result<MasterKeys, KeySourceError> {
    scene.config().master_keys(&SeededEntropy::new(seed))
}

#[test]
fn the_first_start_makes_a_key_and_the_next_ones_read_it() {
    let (scene, data) = in_directory();
    let made = open(&scene, 1).unwrap().current.id();
    assert_eq!(open(&scene, 2).unwrap().current.id(), made);
    let file = data.join("master.key");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(fs::read_to_string(file).unwrap().ends_with("=\n"));
    assert_eq!(fs::read_dir(data).unwrap().count(), 1);
}

#[test]
fn many_first_starts_at_once_agree_on_one_key() {
    let (scene, _data) = in_directory();
    let config = scene.config();
    let ids: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|seed| {
                scope.spawn({
                    let config = &config;
                    move || {
                        config
                            .master_keys(&SeededEntropy::new(seed))
                            .unwrap()
                            .current
                            .id()
                    }
                })
            })
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn a_database_without_its_key_is_not_given_a_new_one() {
    let (scene, data) = in_directory();
    for (database, is_one) in [
        ("SQLite format 3\0 and more", true),
        ("something else, and as long", false),
        ("short", false),
    ] {
        fs::write(data.join("chancery.db"), database).unwrap();
        let error = open(&scene, 1).unwrap_err();
        let lost = matches!(error, KeySourceError::Lost { .. });
        let other = matches!(error, KeySourceError::NoDatabase(_));
        assert_eq!((lost, other), (is_one, !is_one), "{error}");
        assert!(!data.join("master.key").exists());
    }
    fs::write(data.join("chancery.db"), "").unwrap();
    open(&scene, 1).unwrap();
}

#[test]
fn a_key_file_must_be_there_and_hold_a_key() {
    let (scene, data) = in_directory();
    let file = data.join("mine");
    let scene = scene.flags(|flags| flags.master_key_file = Some(file.display().to_string()));
    assert!(matches!(
        open(&scene, 1),
        Err(KeySourceError::Unreadable { .. })
    ));
    for text in ["", "hunter2", "\u{0}"] {
        fs::write(&file, text).unwrap();
        let error = open(&scene, 1).unwrap_err();
        assert!(matches!(error, KeySourceError::NotAKey { .. }), "{error}");
        assert!(!error.to_string().contains("hunter2"));
    }
    fs::write(&file, [0xff; 44]).unwrap();
    assert!(matches!(
        open(&scene, 1),
        Err(KeySourceError::NotAKey { .. })
    ));
    fs::write(&file, format!("{KEY}\n")).unwrap();
    open(&scene, 1).unwrap();
}

#[test]
fn the_key_before_is_read_too() {
    let (scene, data) = in_directory();
    let before = open(&scene, 1).unwrap();
    assert!(before.previous.is_none());
    fs::rename(data.join("master.key"), data.join("old.key")).unwrap();
    let old = data.join("old.key").display().to_string();
    let scene = scene.env("CHANCERY_MASTER_KEY_PREVIOUS_FILE", &old);
    let after = open(&scene, 2).unwrap();
    assert_eq!(after.previous.unwrap().id(), before.current.id());
    assert_ne!(after.current.id(), before.current.id());
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_that_cannot_be_written_is_an_error() {
    let scene = scene().env("CHANCERY_DATA_DIR", "/proc/self");
    assert!(matches!(
        open(&scene, 1),
        Err(KeySourceError::Uncreatable { .. })
    ));
}

/// A new key opens nothing that is there: only who has the path wrong may be told of one.
#[test]
fn a_key_that_this_user_may_not_read_is_not_made_anew() {
    let unreadable = |kind: std::io::ErrorKind| {
        let (path, error) = ("master.key".into(), kind.into());
        KeySourceError::Unreadable { path, error }.to_string()
    };
    let denied = unreadable(std::io::ErrorKind::PermissionDenied);
    assert!(denied.contains("give the file to this user"), "{denied}");
    assert!(!denied.contains("openssl"), "{denied}");
    let missing = unreadable(std::io::ErrorKind::NotFound);
    assert!(missing.contains("the servers' own key"), "{missing}");
}
