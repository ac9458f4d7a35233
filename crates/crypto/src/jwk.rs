//! Public keys as JSON Web Keys (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};

use crate::algorithm::Algorithm;

/// Bytes in a coordinate of P-256 and in an Ed25519 public key.
const COORDINATE_LEN: usize = 32;
/// RSA moduli from 2048 to 8192 bits.
const MODULUS_LEN: std::ops::RangeInclusive<usize> = 256..=1024;

/// The public half of a signing key, as key sets publish it and events keep it.
///
/// It is public by type: there is no member that could hold a private value, and a JWK that has one
/// is refused when it is read, as is every other member that this type does not write. Whatever was
/// read has sizes that fit its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct PublicJwk {
    kid: String,
    key: PublicKey,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PublicKey {
    /// A point of P-256, uncompressed: the byte 4, x, y.
    Es256([u8; 1 + 2 * COORDINATE_LEN]),
    EdDsa([u8; COORDINATE_LEN]),
    /// Big-endian, without leading zeros.
    Rs256 {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JwkSet {
    /// The keys, in the order in which they are published.
    pub keys: Vec<PublicJwk>,
}

/// A JWK is not one that this crate has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// `kty`, `crv`, `alg`, `use` and the members of the key do not go together.
    #[error("the members of the JWK do not fit its `alg` and `use`")]
    Mismatch,
    /// A member is not base64url or has a length that the algorithm does not allow.
    #[error("a member of the JWK has the wrong length or is not base64url")]
    WrongLength,
}

impl PublicJwk {
    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that the key may verify.
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            PublicKey::Es256(_) => Algorithm::Es256,
            PublicKey::EdDsa(_) => Algorithm::EdDsa,
            PublicKey::Rs256 { .. } => Algorithm::Rs256,
        }
    }

    /// From an uncompressed point of P-256.
    pub(crate) fn es256(kid: &str, point: &[u8]) -> Result<Self, JwkError> {
        let point: [u8; 1 + 2 * COORDINATE_LEN] = sized(point)?;
        if point[0] != 4 {
            return Err(JwkError::WrongLength);
        }
        Ok(Self::new(kid, PublicKey::Es256(point)))
    }

    /// From the bytes of an Ed25519 public key.
    pub(crate) fn ed_dsa(kid: &str, bytes: &[u8]) -> Result<Self, JwkError> {
        Ok(Self::new(kid, PublicKey::EdDsa(sized(bytes)?)))
    }

    /// From a modulus and an exponent, big-endian.
    pub(crate) fn rs256(kid: &str, modulus: &[u8], exponent: &[u8]) -> Result<Self, JwkError> {
        // A leading zero would make one key have two spellings, and a short modulus look long.
        if !MODULUS_LEN.contains(&modulus.len()) || modulus[0] == 0 {
            return Err(JwkError::WrongLength);
        }
        if exponent.len() > 8 || exponent.first().is_none_or(|byte| *byte == 0) {
            return Err(JwkError::WrongLength);
        }
        let key = PublicKey::Rs256 {
            modulus: modulus.to_vec(),
            exponent: exponent.to_vec(),
        };
        Ok(Self::new(kid, key))
    }

    fn new(kid: &str, key: PublicKey) -> Self {
        Self {
            kid: kid.to_owned(),
            key,
        }
    }

    pub(crate) fn decoding_key(&self) -> DecodingKey {
        // The constructors named after DER keep the bytes as they are, and the verifiers of these
        // two algorithms expect the raw point and the raw key.
        match &self.key {
            PublicKey::Es256(point) => DecodingKey::from_ec_der(point),
            PublicKey::EdDsa(bytes) => DecodingKey::from_ed_der(bytes),
            PublicKey::Rs256 { modulus, exponent } => {
                DecodingKey::from_rsa_raw_components(modulus, exponent)
            }
        }
    }
}

fn sized<const N: usize>(bytes: &[u8]) -> Result<[u8; N], JwkError> {
    bytes.try_into().map_err(|_| JwkError::WrongLength)
}

fn decoded(text: &str) -> Result<Vec<u8>, JwkError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| JwkError::WrongLength)
}

/// The JSON of a [`PublicJwk`] (RFC 7518, section 6; RFC 8037 for `OKP`).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    kty: String,
    #[serde(rename = "use")]
    usage: String,
    alg: Algorithm,
    kid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

impl From<PublicJwk> for Wire {
    fn from(jwk: PublicJwk) -> Self {
        let encoded = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let empty = |kty: &str| Self {
            kty: kty.to_owned(),
            usage: "sig".to_owned(),
            alg: jwk.algorithm(),
            kid: jwk.kid.clone(),
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
        };
        match &jwk.key {
            PublicKey::Es256(point) => Self {
                crv: Some("P-256".to_owned()),
                x: encoded(&point[1..=COORDINATE_LEN]),
                y: encoded(&point[1 + COORDINATE_LEN..]),
                ..empty("EC")
            },
            PublicKey::EdDsa(bytes) => Self {
                crv: Some("Ed25519".to_owned()),
                x: encoded(bytes),
                ..empty("OKP")
            },
            PublicKey::Rs256 { modulus, exponent } => Self {
                n: encoded(modulus),
                e: encoded(exponent),
                ..empty("RSA")
            },
        }
    }
}

impl TryFrom<Wire> for PublicJwk {
    type Error = JwkError;

    fn try_from(wire: Wire) -> Result<Self, JwkError> {
        let Wire {
            kty,
            usage,
            alg,
            kid,
            crv,
            x,
            y,
            n,
            e,
        } = wire;
        if usage != "sig" {
            return Err(JwkError::Mismatch);
        }
        match (alg, kty.as_str(), crv.as_deref(), x, y, n, e) {
            (Algorithm::Es256, "EC", Some("P-256"), Some(x), Some(y), None, None) => {
                let (x, y) = (decoded(&x)?, decoded(&y)?);
                // Each by itself, or a long x could lend its bytes to a short y.
                let (x, y) = (sized::<COORDINATE_LEN>(&x)?, sized::<COORDINATE_LEN>(&y)?);
                Self::es256(&kid, &[&[4], &x[..], &y[..]].concat())
            }
            (Algorithm::EdDsa, "OKP", Some("Ed25519"), Some(x), None, None, None) => {
                Self::ed_dsa(&kid, &decoded(&x)?)
            }
            (Algorithm::Rs256, "RSA", None, None, None, Some(n), Some(e)) => {
                Self::rs256(&kid, &decoded(&n)?, &decoded(&e)?)
            }
            _ => Err(JwkError::Mismatch),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    // RFC 7517, appendix A.1, and RFC 8037, appendix A.2, with `alg` and `use`.
    fn es256() -> Value {
        json!({
            "kty": "EC", "use": "sig", "alg": "ES256", "kid": "1", "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        })
    }

    fn ed_dsa() -> Value {
        json!({
            "kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": "1", "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        })
    }

    fn rs256(modulus_len: usize) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1",
            "n": URL_SAFE_NO_PAD.encode(vec![0xa5; modulus_len]), "e": "AQAB",
        })
    }

    fn read(json: Value) -> Result<PublicJwk, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_it_writes() {
        for json in [es256(), ed_dsa(), rs256(256), rs256(1024)] {
            let jwk = read(json.clone()).unwrap();
            assert_eq!(jwk.algorithm().as_str(), json["alg"]);
            assert_eq!(serde_json::to_value(&jwk).unwrap(), json);
            let set = JwkSet { keys: vec![jwk] };
            assert_eq!(
                serde_json::to_value(&set).unwrap(),
                json!({ "keys": [json] })
            );
        }
    }

    #[test]
    fn refuses_private_members() {
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            for mut json in [es256(), ed_dsa(), rs256(256)] {
                json[member] = json!("AQAB");
                assert!(
                    read(json).unwrap_err().contains("unknown field"),
                    "{member}"
                );
            }
        }
    }

    #[test]
    fn refuses_members_that_do_not_go_together() {
        for (member, value) in [
            ("alg", json!("RS256")),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
            ("kty", json!("oct")),
            ("crv", json!("P-384")),
            ("crv", Value::Null),
            ("use", json!("enc")),
            ("x", Value::Null),
            ("x", json!("AQAB")),
            ("x", json!("not base64url")),
            ("x", json!("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4=")),
            ("n", json!("AQAB")),
            ("kid", Value::Null),
        ] {
            for mut json in [es256(), ed_dsa()] {
                json[member] = value.clone();
                assert!(read(json).is_err(), "{member} = {value}");
            }
        }
    }

    #[test]
    fn refuses_rsa_below_2048_bits() {
        assert!(read(rs256(255)).is_err());
        assert!(read(rs256(1025)).is_err());
        let mut padded = rs256(256);
        padded["n"] = json!(URL_SAFE_NO_PAD.encode([vec![0; 128], vec![0xa5; 128]].concat()));
        assert!(read(padded).is_err(), "zeros in front do not count");
        for exponent in ["", "AAEAAQ", "AQAAAAAAAAAAAA"] {
            let mut json = rs256(256);
            json["e"] = json!(exponent);
            assert!(read(json).is_err(), "{exponent}");
        }
    }

    #[test]
    fn refuses_coordinates_that_lend_each_other_bytes() {
        let mut json = es256();
        json["x"] = json!(URL_SAFE_NO_PAD.encode([1; 33]));
        json["y"] = json!(URL_SAFE_NO_PAD.encode([1; 31]));
        assert!(read(json).is_err());
    }
}
