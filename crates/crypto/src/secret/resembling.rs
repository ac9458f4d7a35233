//! What must not be repeated, since it could be something secret: people paste it into the wrong field.

use super::{PREFIX, refresh};

/// How JWTs begin: `{"` in base64url. In another letter case they are none, and an id may well hold these
/// letters.
const JWT: &str = "eyJ";

/// Whether a text of others could hold a client secret, a refresh token or a JWT, whole or in part. Where
/// it could, nothing of it goes into an answer, a record or a log.
pub fn could_be_secret(text: &str) -> bool {
    let ours = [PREFIX, refresh::PREFIX].iter().any(|prefix| {
        text.as_bytes()
            .windows(prefix.len())
            .any(|window| window.eq_ignore_ascii_case(prefix.as_bytes()))
    });
    ours || text.contains(JWT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InstallationKey, SecretIssuer, SeededEntropy};

    #[test]
    fn what_is_issued_is_recognised_wherever_it_stands_and_in_any_case() {
        let entropy = SeededEntropy::new(1);
        let issuer = SecretIssuer::new(&InstallationKey::generate(&entropy));
        let client = "client_01jd0000000000000000000000";
        let secret = issuer.mint(client, [7; 16], &entropy).reveal();
        let refresh = issuer.mint_refresh(client, [7; 16], &entropy).reveal();
        for text in [secret, refresh] {
            let (upper, within) = (text.to_uppercase(), format!("x{text}"));
            for text in [&text[..8], &text, &upper, &within] {
                assert!(could_be_secret(text), "{text}");
            }
        }
        for jwt in ["eyJhbGciOi", "Bearer eyJhbGciOi"] {
            assert!(could_be_secret(jwt), "{jwt}");
        }
    }

    #[test]
    fn ids_and_other_texts_are_not() {
        for text in [
            "",
            "ch",
            "orders:read",
            "curl/8.1",
            "client_01k9eyjrp6e0fv6mz5f3c2chsr",
            "größe",
        ] {
            assert!(!could_be_secret(text), "{text}");
        }
    }
}
