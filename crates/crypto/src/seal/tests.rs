use proptest::prelude::*;

use super::*;
use crate::entropy::SeededEntropy;

fn here() -> SealContext {
    SealContext::signing_key("tenant_a", "key_1")
}

fn master(seed: u64) -> MasterKey {
    MasterKey::generate(&SeededEntropy::new(seed))
}

fn sealer(seed: u64) -> Sealer {
    Sealer::new(master(seed), None)
}

fn sealed(plaintext: &[u8]) -> Sealed {
    sealer(1)
        .seal(&here(), plaintext, &SeededEntropy::new(9))
        .unwrap()
}

#[test]
fn opens_where_it_was_sealed() {
    assert_eq!(
        *sealer(1).open(&here(), &sealed(b"private")).unwrap(),
        b"private"
    );
}

#[test]
fn a_row_moved_elsewhere_does_not_open() {
    let elsewhere = [
        SealContext::client_secret("tenant_a", "key_1"),
        SealContext::new(Purpose::InstallationKey, "tenant_a", "key_1"),
        SealContext::signing_key("tenant_b", "key_1"),
        SealContext::signing_key("tenant_a", "key_2"),
        SealContext::signing_key("tenant_a", ""),
        // The same characters, divided otherwise.
        SealContext::signing_key("tenant_ak", "ey_1"),
        SealContext::signing_key("tenant_", "akey_1"),
    ];
    for context in elsewhere {
        assert_eq!(
            sealer(1).open(&context, &sealed(b"private")),
            Err(OpenError::Corrupt),
            "{context:?}"
        );
    }
}

#[test]
fn a_row_with_another_key_id_does_not_open() {
    let (old, new) = (master(1).id(), master(2).id());
    let both = Sealer::new(master(2), Some(master(1)));
    let mut relabelled = sealed(b"private");
    assert_eq!(relabelled.master_key_id, old.as_str());
    relabelled.master_key_id = new.to_string();
    assert_eq!(both.open(&here(), &relabelled), Err(OpenError::Corrupt));
}

#[test]
fn the_wrong_master_key_is_named_with_the_one_that_is_needed() {
    let error = sealer(2).open(&here(), &sealed(b"private")).unwrap_err();
    let (needed, current) = (master(1).id().to_string(), master(2).id());
    assert_eq!(
        error,
        OpenError::UnknownMasterKey {
            needed: needed.clone(),
            current
        }
    );
    assert!(error.to_string().contains(&needed));
}

#[test]
fn the_previous_master_key_opens_and_the_current_one_seals() {
    let both = Sealer::new(master(2), Some(master(1)));
    let old = sealed(b"private");
    assert_ne!(old.master_key_id, both.current_id().as_str());
    let opened = both.open(&here(), &old).unwrap();
    let new = both.seal(&here(), &opened, &SeededEntropy::new(9)).unwrap();
    assert!((new.master_key_id == both.current_id().as_str()));
    assert_eq!(*sealer(2).open(&here(), &new).unwrap(), b"private");
}

#[test]
fn every_sealing_has_a_nonce_of_its_own() {
    let (sealer, entropy) = (sealer(1), SeededEntropy::new(3));
    let once = sealer.seal(&here(), b"private", &entropy).unwrap();
    let again = sealer.seal(&here(), b"private", &entropy).unwrap();
    assert_ne!(once.bytes[1..HEADER_LEN], again.bytes[1..HEADER_LEN]);
    assert_ne!(once.bytes[HEADER_LEN..], again.bytes[HEADER_LEN..]);
}

// Written by another program from the layout in the README: what was sealed must open for ever.
#[test]
fn the_layout_does_not_change() {
    let zeros = MasterKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let (id, hex) = include_str!("golden.txt")
        .trim_end()
        .split_once(' ')
        .unwrap();
    let bytes = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    let sealed = Sealed {
        master_key_id: id.to_owned(),
        bytes,
    };
    assert_eq!(
        *Sealer::new(zeros, None).open(&here(), &sealed).unwrap(),
        b"private"
    );
}

#[test]
fn prints_no_bytes() {
    let id = master(1).id();
    assert_eq!(
        format!("{:?}", sealed(b"private")),
        format!("Sealed(36 bytes under {id})")
    );
    assert_eq!(format!("{:?}", sealer(1)), format!("Sealer({id})"));
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_the_same(plaintext: Vec<u8>, tenant in ".*", row in ".*") {
        let context = SealContext::signing_key(tenant, row);
        let sealed = sealer(1).seal(&context, &plaintext, &SeededEntropy::new(9)).unwrap();
        prop_assert_eq!(sealed.bytes.capacity(), sealed.bytes.len());
        prop_assert_eq!(&*sealer(1).open(&context, &sealed).unwrap(), &plaintext);
    }

    #[test]
    fn one_bit_changed_anywhere_does_not_open(at: prop::sample::Index, bit in 0..8_u8) {
        let mut changed = sealed(b"private");
        let at = at.index(changed.bytes.len());
        changed.bytes[at] ^= 1 << bit;
        prop_assert_eq!(sealer(1).open(&here(), &changed), Err(OpenError::Corrupt));
    }

    #[test]
    fn bytes_of_another_origin_do_not_open(bytes: Vec<u8>) {
        let foreign = Sealed { master_key_id: master(1).id().to_string(), bytes };
        prop_assert_eq!(sealer(1).open(&here(), &foreign), Err(OpenError::Corrupt));
    }
}

#[test]
fn a_value_cut_short_does_not_open() {
    let whole = sealed(b"private");
    for length in 0..whole.bytes.len() {
        let cut = Sealed {
            bytes: whole.bytes[..length].to_vec(),
            ..whole.clone()
        };
        assert_eq!(
            sealer(1).open(&here(), &cut),
            Err(OpenError::Corrupt),
            "{length}"
        );
    }
}

/// Which key seals is said by the installation, and a key that came while the process ran is found.
#[test]
fn a_running_sealer_changes_to_a_key_that_is_read_later() {
    let entropy = SeededEntropy::new(1);
    let text = |number| MasterKey::generate(&SeededEntropy::new(number)).to_base64();
    let key = |text: &str| MasterKey::from_base64(text).unwrap();
    let (old, new) = (text(10), text(11));
    let (old_id, new_id) = (key(&old).id(), key(&new).id());
    let context = SealContext::installation_key("test");
    let both = Sealer::new(key(&new), Some(key(&old)));
    assert!(both.seal_under(old_id.as_str()));
    let by_old = both.seal(&context, b"one", &entropy).unwrap();
    assert_eq!(by_old.master_key_id, old_id.to_string());
    assert!(both.seal_under(new_id.as_str()));
    let by_new = both.seal(&context, b"two", &entropy).unwrap();

    let later = new.to_string();
    let running = Sealer::new(key(&old), None).reading(Box::new(move || {
        vec![MasterKey::from_base64(&later).unwrap()]
    }));
    assert_eq!(*running.open(&context, &by_old).unwrap(), b"one");
    assert_eq!(*running.open(&context, &by_new).unwrap(), b"two");
    assert_eq!(running.current_id(), old_id, "until it is told");
    assert!(running.seal_under(new_id.as_str()) && !running.seal_under("no key"));
    assert_eq!(running.current_id(), new_id);
}
