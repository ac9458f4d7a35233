use proptest::prelude::*;

use super::*;

/// The example of the specification's first implementation.
const EXAMPLE_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const EXAMPLE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn the_example_of_the_specification_is_read() {
    let key: VerifierKey = EXAMPLE_KEY.parse().unwrap();
    assert_eq!(key.to_string(), EXAMPLE_KEY);
    let text = key.open(EXAMPLE).unwrap();
    assert!(text.ends_with("your problem is.\n"));
}

#[test]
fn another_implementation_opens_what_is_signed_here() {
    let (key, _) = NoteKey::generate("acme.example/roll").unwrap();
    let note = key.sign("one\ntwo\n").unwrap();
    let verifier = signed_note::StandardVerifier::new(&key.verifier().to_string()).unwrap();
    let theirs = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let (right, unknown) = theirs.verify(&known).unwrap();
    assert_eq!((right.len(), unknown.len()), (1, 0));
    assert_eq!(theirs.text(), b"one\ntwo\n");
}

#[test]
fn a_key_is_the_same_after_sealing() {
    let (key, pkcs8) = NoteKey::generate("acme.example/roll").unwrap();
    let again = NoteKey::from_pkcs8("acme.example/roll", &pkcs8).unwrap();
    assert_eq!(again.verifier(), key.verifier());
    assert_eq!(again.sign("x\n").unwrap(), key.sign("x\n").unwrap());
    assert!(NoteKey::from_pkcs8("acme.example/roll", &pkcs8[1..]).is_err());
}

#[test]
fn another_key_vouches_for_nothing() {
    let (key, _) = NoteKey::generate("acme.example/roll").unwrap();
    let (other, _) = NoteKey::generate("acme.example/roll").unwrap();
    let note = other.sign("x\n").unwrap();
    let refused = key.verifier().open(&note).unwrap_err();
    assert_eq!(refused, NoteError::OtherKey(key.verifier().clone()));
    // Beside the right signature another one does no harm.
    let both = format!(
        "{note}{}",
        key.sign("x\n").unwrap().split_once("\n\n").unwrap().1
    );
    assert_eq!(key.verifier().open(&both), Ok("x\n"));
}

#[test]
fn a_name_is_one_word() {
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb"] {
        assert!(NoteKey::generate(name).is_err(), "{name:?}");
    }
}

#[test]
fn a_text_ends_with_a_newline() {
    let (key, _) = NoteKey::generate("acme.example/roll").unwrap();
    for text in ["", "x", "x\r\n", "x\0\n"] {
        assert!(key.sign(text).is_err(), "{text:?}");
    }
}

#[test]
fn each_key_has_one_text() {
    for wrong in [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
        "Someone+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_byte_of_a_note_can_be_another(at in 0..EXAMPLE.len(), flip in 1..=255_u8) {
        let key: VerifierKey = EXAMPLE_KEY.parse().unwrap();
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes[at] ^= flip;
        if let Ok(note) = String::from_utf8(bytes) {
            prop_assert!(key.open(&note).is_err());
        }
    }

    #[test]
    fn no_text_panics(note in "(\\PC|\n){0,80}") {
        let key: VerifierKey = EXAMPLE_KEY.parse().unwrap();
        prop_assert!(key.open(&note).is_err());
        let _ = note.parse::<VerifierKey>();
    }
}
