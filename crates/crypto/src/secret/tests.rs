use proptest::prelude::*;

use super::*;
use crate::entropy::{SeededEntropy, SystemEntropy};

const CLIENT: &str = "client_01jd0000000000000000000000";

/// Chance that is always the same byte, so that a secret's text can be foretold.
struct Constant(u8);

impl Entropy for Constant {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

fn issuer(seed: u64) -> SecretIssuer {
    SecretIssuer::new(&InstallationKey::generate(&SeededEntropy::new(seed)))
}

fn minted(client: &str) -> String {
    issuer(1)
        .mint(client, [9; 16], &SystemEntropy::new())
        .reveal()
}

#[test]
fn what_was_minted_is_recognised_by_its_id() {
    assert_eq!(issuer(1).check(CLIENT, &minted(CLIENT)), Ok([9; 16]));
}

// Secrets in use must stay good for ever: this text was computed by another program.
#[test]
fn the_format_does_not_change() {
    let key = InstallationKey::from_opened(&[0x42; 32]).unwrap();
    let issuer = SecretIssuer::new(&key);
    let secret = issuer
        .mint("client_a", [0x01; 16], &Constant(0xff))
        .reveal();
    assert_eq!(secret, include_str!("golden.txt").trim_end());
    assert_eq!(issuer.check("client_a", &secret), Ok([0x01; 16]));
}

#[test]
fn the_readme_publishes_the_pattern() {
    assert!(include_str!("../../README.md").contains(SECRET_PATTERN));
}

#[test]
fn two_secrets_of_one_id_differ() {
    assert_ne!(minted(CLIENT), minted(CLIENT));
}

#[test]
fn refuses_a_secret_with_one_character_changed() {
    let (issuer, secret) = (issuer(1), minted(CLIENT));
    for position in 0..secret.len() {
        for replacement in (0x20..0x7f).map(char::from) {
            let mut changed = secret.clone();
            changed.replace_range(position..=position, &replacement.to_string());
            let expected = if changed == secret {
                Ok([9; 16])
            } else {
                Err(NotOurs)
            };
            assert_eq!(
                issuer.check(CLIENT, &changed),
                expected,
                "position {position}"
            );
        }
    }
}

#[test]
fn refuses_absent_empty_and_blank_secrets() {
    for nothing in [
        "",
        " ",
        "\t",
        "\n",
        "chs_",
        &" ".repeat(92),
        &"0".repeat(92),
    ] {
        assert_eq!(issuer(1).check(CLIENT, nothing), Err(NotOurs));
    }
    let zeros = format!("chs_{}", "0".repeat(88));
    assert_eq!(issuer(1).check(CLIENT, &zeros), Err(NotOurs));
}

#[test]
fn refuses_blanks_around_a_secret_and_parts_of_one() {
    let secret = minted(CLIENT);
    for altered in [
        format!(" {secret}"),
        format!("{secret} "),
        format!("{secret}\n"),
        format!("{secret}{secret}"),
        secret.to_uppercase(),
        secret[..91].to_owned(),
        secret[4..].to_owned(),
        secret.replacen("chs_", "chs-", 1),
    ] {
        assert_eq!(
            issuer(1).check(CLIENT, &altered),
            Err(NotOurs),
            "{}",
            altered.len()
        );
    }
}

#[test]
fn refuses_a_secret_of_another_installation() {
    assert_eq!(issuer(2).check(CLIENT, &minted(CLIENT)), Err(NotOurs));
}

#[test]
fn refuses_a_block_that_no_encoder_writes() {
    // 2¹²⁸ − 1 is 7n42DGM5Tflk9n8mt7Fhc7 in base 62; one more does not fit a block.
    let largest = encode(PREFIX, &[0xff; BODY_LEN]);
    assert_eq!(&largest[4..26], "7n42DGM5Tflk9n8mt7Fhc7");
    assert!(decode(PREFIX, &largest).is_some());
    for position in 0..BLOCKS {
        let mut blocks = ["0000000000000000000000"; BLOCKS];
        blocks[position] = "7n42DGM5Tflk9n8mt7Fhc8";
        assert!(decode(PREFIX, &format!("chs_{}", blocks.concat())).is_none());
        blocks[position] = "zzzzzzzzzzzzzzzzzzzzzz";
        assert!(decode(PREFIX, &format!("chs_{}", blocks.concat())).is_none());
    }
}

#[test]
fn refuses_text_of_the_right_length_that_is_not_ascii() {
    let text = format!("chs_{}", "é".repeat(44));
    assert_eq!(text.len(), SECRET_LEN);
    assert_eq!(issuer(1).check(CLIENT, &text), Err(NotOurs));
    let split_prefix = format!("chs{}{}", "é", "0".repeat(87));
    assert_eq!(issuer(1).check(CLIENT, &split_prefix), Err(NotOurs));
}

#[test]
fn the_hint_is_the_end_of_the_text() {
    let secret = issuer(1).mint(CLIENT, [9; 16], &SeededEntropy::new(5));
    let hint = secret.hint().to_owned();
    assert_eq!(hint.len(), 4);
    assert!(secret.reveal().ends_with(&hint));
}

#[test]
fn prints_nothing_of_the_secret() {
    let secret = issuer(1).mint(CLIENT, [9; 16], &SeededEntropy::new(5));
    assert_eq!(
        format!("{secret:?} {:#?} {:?}", Some(&secret), issuer(1)),
        "chs_… Some(\n    chs_…,\n) SecretIssuer(…)"
    );
}

proptest! {
    #[test]
    fn every_body_has_one_spelling(body: [[u8; 32]; 2]) {
        let mut bytes = [0; BODY_LEN];
        bytes.copy_from_slice(body.as_flattened());
        let text = encode(PREFIX, &bytes);
        prop_assert_eq!(text.len(), SECRET_LEN);
        prop_assert_eq!(text.capacity(), SECRET_LEN);
        prop_assert!(text[4..].bytes().step_by(BLOCK_DIGITS).all(|digit| (b'0'..=b'7').contains(&digit)));
        prop_assert!(text[4..].bytes().all(|digit| digit.is_ascii_alphanumeric()));
        prop_assert_eq!(decode(PREFIX, &text).map(|body| *body), Some(bytes));
    }

    #[test]
    fn whatever_decodes_is_spelt_as_it_was(text in "chs_(?:[0-7z][0-9A-Za-z]{21}){4}") {
        if let Some(body) = decode(PREFIX, &text) {
            prop_assert_eq!(&*encode(PREFIX, &body), &text);
        }
    }

    #[test]
    fn text_that_only_looks_like_a_secret_is_refused(text in SECRET_PATTERN) {
        prop_assert_eq!(issuer(1).check(CLIENT, &text), Err(NotOurs));
    }

    #[test]
    fn no_text_makes_it_panic(client in ".*", text in ".{0,100}") {
        prop_assert_eq!(issuer(1).check(&client, &text), Err(NotOurs));
    }

    #[test]
    fn a_secret_is_its_own_clients_alone(id: [u8; 16], seed: u64, own in ".{0,40}", other in ".{0,40}") {
        let secret = issuer(1).mint(&own, id, &SeededEntropy::new(seed)).reveal();
        prop_assert_eq!(issuer(1).check(&own, &secret), Ok(id));
        if own != other {
            prop_assert_eq!(issuer(1).check(&other, &secret), Err(NotOurs));
        }
    }
}
