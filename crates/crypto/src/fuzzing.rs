//! What always holds of secrets and refresh tokens, whatever is presented. A fuzz target calls it with
//! texts that it makes up, the test with those that were found.

use std::sync::LazyLock;

use crate::{InstallationKey, SecretIssuer, SeededEntropy};

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

/// A text: of all texts only the one that was issued is taken, for the one client, and neither kind is
/// taken for the other.
///
/// # Panics
/// Where that does not hold.
pub fn secret(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
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
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// What the target begins with, and what it has found.
    #[test]
    fn the_law_holds_for_every_seed() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/secret");
        let mut count = 0;
        for seed in fs::read_dir(seeds).unwrap() {
            super::secret(&fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 2, "{count} seeds");
    }
}
