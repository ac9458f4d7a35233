//! Secrets and refresh tokens: of all texts only the one that was issued is taken, for the one client, and
//! neither is taken for the other.
#![no_main]

use std::sync::LazyLock;

use chancery_crypto::{InstallationKey, SecretIssuer, SeededEntropy};

const CLIENT: &str = "client_01jd0000000000000000000000";
const ID: [u8; 16] = [7; 16];

struct Issued {
    issuer: SecretIssuer,
    secret: String,
    refresh: String,
}

static ISSUED: LazyLock<Issued> = LazyLock::new(|| {
    let entropy = SeededEntropy::new(1);
    let issuer = SecretIssuer::new(&InstallationKey::generate(&entropy));
    Issued {
        secret: issuer.mint(CLIENT, ID, &entropy).reveal(),
        refresh: issuer.mint_refresh(CLIENT, ID, &entropy).reveal(),
        issuer,
    }
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Issued {
        issuer,
        secret,
        refresh,
    } = &*ISSUED;
    assert_eq!(issuer.check(CLIENT, secret), Ok(ID));
    assert_eq!(issuer.check_refresh(CLIENT, refresh), Ok(ID));
    assert_eq!(issuer.check(CLIENT, text).is_ok(), text == secret);
    assert_eq!(issuer.check_refresh(CLIENT, text).is_ok(), text == refresh);
    // The text as what is changed in the right one: cut there, and with it in the middle.
    let at = text.len() % secret.len();
    for near in [&secret[..at], &secret[at..]] {
        let near = format!("{near}{text}");
        assert_eq!(issuer.check(CLIENT, &near).is_ok(), near == *secret);
    }
    // A client's secret is that of no other.
    assert!(text == CLIENT || issuer.check(text, secret).is_err());
});
