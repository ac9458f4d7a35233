use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Faults, Invalid, PublicJwk};

/// How many keys a client has at most at one time.
pub const MAX_CLIENT_KEYS: usize = 5;

/// How long a `kid` is at most, in characters.
const MAX_KID: usize = 128;
/// RSA moduli have 2048 to 8192 bits.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// Bytes of an RSA exponent at most.
const MAX_EXPONENT: usize = 4;

/// What a client's assertions may be signed with (RFC 7518, section 3.1; RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKeyAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl ClientKeyAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
        Self::Rs256,
        Self::Ps256,
    ];

    /// The JOSE name, as in an assertion's `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }
}

/// A public key with which a client's assertions are verified: it has a `kid`, is strong enough, and
/// has one algorithm.
///
/// The algorithm follows from the curve. An RSA key is for RS256, unless its `alg` says PS256: a key
/// that could be used in two ways would let an attacker choose one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PublicJwk", into = "PublicJwk")]
pub struct ClientJwk {
    jwk: PublicJwk,
    algorithm: ClientKeyAlgorithm,
}

impl ClientJwk {
    /// Takes a key, or says what is wrong with it.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        PublicJwk::parse(value)?.try_into()
    }

    /// The key's name, by which an assertion says that it was signed with it.
    pub fn kid(&self) -> &str {
        self.text("kid").unwrap_or_default()
    }

    /// The one algorithm that the key may verify.
    pub fn algorithm(&self) -> ClientKeyAlgorithm {
        self.algorithm
    }

    /// The key as it was registered.
    pub fn public(&self) -> &PublicJwk {
        &self.jwk
    }

    /// Whether the two are one key, whatever they are called. A key has one spelling, so members can
    /// be compared as texts.
    pub fn is_same_key(&self, other: &Self) -> bool {
        ["kty", "crv", "x", "y", "n", "e"]
            .iter()
            .all(|name| self.text(name) == other.text(name))
    }

    fn text(&self, name: &str) -> Option<&str> {
        text(&self.jwk, name)
    }
}

fn text<'a>(jwk: &'a PublicJwk, name: &str) -> Option<&'a str> {
    jwk.members().get(name).and_then(Value::as_str)
}

impl TryFrom<PublicJwk> for ClientJwk {
    type Error = Invalid;

    fn try_from(jwk: PublicJwk) -> Result<Self, Invalid> {
        check_kid(text(&jwk, "kid"))?;
        if text(&jwk, "use").is_some_and(|usage| usage != "sig") {
            return Err(Invalid::new("jwk_use", "must have the `use` sig, or none"));
        }
        let algorithm = match text(&jwk, "kty") {
            Some("EC") => ec(&jwk)?,
            Some("OKP") => okp(&jwk)?,
            Some("RSA") => rsa(&jwk)?,
            _ => {
                return Err(Invalid::new(
                    "jwk_kty",
                    "must have the `kty` EC, OKP or RSA",
                ));
            }
        };
        if text(&jwk, "alg").is_some_and(|alg| alg != algorithm.as_str()) {
            return Err(wrong_alg(algorithm.as_str()));
        }
        Ok(Self { jwk, algorithm })
    }
}

fn check_kid(kid: Option<&str>) -> Result<(), Invalid> {
    let printable = |kid: &str| kid.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    match kid {
        Some(kid) if (1..=MAX_KID).contains(&kid.len()) && printable(kid) => Ok(()),
        _ => Err(Invalid::new(
            "jwk_kid",
            format!("must have a `kid` of 1 to {MAX_KID} printable ASCII characters"),
        )),
    }
}

fn wrong_alg(right: &str) -> Invalid {
    Invalid::new("jwk_alg", format!("must have the `alg` {right}, or none"))
}

fn ec(jwk: &PublicJwk) -> Result<ClientKeyAlgorithm, Invalid> {
    let (algorithm, size) = match text(jwk, "crv") {
        Some("P-256") => (ClientKeyAlgorithm::Es256, 32),
        Some("P-384") => (ClientKeyAlgorithm::Es384, 48),
        _ => return Err(wrong_curve("P-256 or P-384")),
    };
    only(jwk, &["crv", "x", "y"])?;
    bytes(jwk, "x", size)?;
    bytes(jwk, "y", size)?;
    Ok(algorithm)
}

fn okp(jwk: &PublicJwk) -> Result<ClientKeyAlgorithm, Invalid> {
    if text(jwk, "crv") != Some("Ed25519") {
        return Err(wrong_curve("Ed25519"));
    }
    only(jwk, &["crv", "x"])?;
    bytes(jwk, "x", 32)?;
    Ok(ClientKeyAlgorithm::EdDsa)
}

fn wrong_curve(right: &str) -> Invalid {
    Invalid::new("jwk_crv", format!("must be on the curve {right}"))
}

fn rsa(jwk: &PublicJwk) -> Result<ClientKeyAlgorithm, Invalid> {
    only(jwk, &["n", "e"])?;
    let modulus = decoded(jwk, "n")?;
    let bits = modulus.first().map_or(0, |first| {
        8 * modulus.len() - first.leading_zeros() as usize
    });
    // A zero in front would give one key two spellings.
    if !MODULUS_BITS.contains(&bits) || modulus.first() == Some(&0) {
        return Err(Invalid::new(
            "jwk_size",
            format!(
                "must have a modulus of {} to {} bits, and has {bits}",
                MODULUS_BITS.start(),
                MODULUS_BITS.end()
            ),
        ));
    }
    let exponent = decoded(jwk, "e")?;
    let odd = exponent.last().is_some_and(|last| last % 2 == 1);
    let one = exponent == [1];
    let short = exponent.len() <= MAX_EXPONENT && exponent.first() != Some(&0);
    if !odd || one || !short {
        return Err(Invalid::new(
            "jwk_exponent",
            "must have an odd exponent from 3 to 2³²−1, like AQAB",
        ));
    }
    match text(jwk, "alg") {
        None | Some("RS256") => Ok(ClientKeyAlgorithm::Rs256),
        Some("PS256") => Ok(ClientKeyAlgorithm::Ps256),
        Some(_) => Err(wrong_alg("RS256 or PS256")),
    }
}

/// Whether there is no member of another kind of key.
fn only(jwk: &PublicJwk, members: &[&str]) -> Result<(), Invalid> {
    let other = ["crv", "x", "y", "n", "e"]
        .into_iter()
        .find(|name| text(jwk, name).is_some() && !members.contains(name));
    match other {
        None => Ok(()),
        Some(name) => Err(Invalid::new(
            "jwk_member",
            format!("must not have the member `{name}`, which belongs to another kind of key"),
        )),
    }
}

fn bytes(jwk: &PublicJwk, name: &str, size: usize) -> Result<(), Invalid> {
    let found = decoded(jwk, name)?.len();
    if found == size {
        return Ok(());
    }
    Err(Invalid::new(
        "jwk_size",
        format!("must have an `{name}` of {size} bytes, and has {found}"),
    ))
}

/// The bytes of a member. The decoder takes one spelling of them and no other.
fn decoded(jwk: &PublicJwk, name: &str) -> Result<Vec<u8>, Invalid> {
    text(jwk, name)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or_else(|| {
            Invalid::new(
                "jwk_base64",
                format!("must have an `{name}` in base64url without padding"),
            )
        })
}

impl From<ClientJwk> for PublicJwk {
    fn from(key: ClientJwk) -> Self {
        key.jwk
    }
}

impl JsonSchema for ClientJwk {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        PublicJwk::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PublicJwk::json_schema(generator)
    }
}

/// A client's key set as it comes in (RFC 7517, section 5): 1 to 5 keys, none of them twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientJwks(Vec<ClientJwk>);

impl ClientJwks {
    /// Takes a key set, or notes every fault in it.
    pub fn parse(path: &str, value: Value, faults: &mut Faults) -> Option<Self> {
        let keys = match set(value) {
            Ok(keys) => keys,
            Err(invalid) => {
                faults.add(path, invalid);
                return None;
            }
        };
        let mut taken: Vec<ClientJwk> = Vec::with_capacity(keys.len());
        let mut right = true;
        for (index, key) in keys.into_iter().enumerate() {
            let key = ClientJwk::parse(key).and_then(|key| once(key, &taken));
            match faults.take(format!("{path}.keys[{index}]"), key) {
                Some(key) => taken.push(key),
                None => right = false,
            }
        }
        right.then_some(Self(taken))
    }

    /// The keys.
    pub fn keys(&self) -> &[ClientJwk] {
        &self.0
    }
}

fn set(value: Value) -> Result<Vec<Value>, Invalid> {
    let mut members = match value {
        Value::Object(members) if !members.contains_key("kty") => members,
        other => {
            let hint = match other {
                Value::String(text) if text.contains("-----BEGIN") => {
                    "; this is PEM, and each key has to be a JSON Web Key"
                }
                Value::Object(_) | Value::Array(_) => "; wrap it: {\"keys\": [ … ]}",
                _ => "",
            };
            return Err(Invalid::new(
                "jwks",
                format!("must be a JSON Web Key Set, {{\"keys\": [ … ]}}{hint}"),
            ));
        }
    };
    let keys = members.remove("keys");
    if let Some(name) = members.keys().next() {
        return Err(Invalid::new(
            "jwks",
            format!("must have the member `keys` alone, and has `{name}`"),
        ));
    }
    match keys {
        Some(Value::Array(keys)) if (1..=MAX_CLIENT_KEYS).contains(&keys.len()) => Ok(keys),
        _ => Err(Invalid::new(
            "jwks",
            format!("must have the member `keys` with 1 to {MAX_CLIENT_KEYS} keys"),
        )),
    }
}

fn once(key: ClientJwk, before: &[ClientJwk]) -> Result<ClientJwk, Invalid> {
    if before.iter().any(|other| other.kid() == key.kid()) {
        return Err(Invalid::new(
            "duplicate_kid",
            "must have a `kid` that no other key of the set has",
        ));
    }
    if before.iter().any(|other| other.is_same_key(&key)) {
        return Err(Invalid::new(
            "duplicate_key",
            "must not stand in the set twice",
        ));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn encoded(length: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xa5; length])
    }

    fn p256() -> Value {
        json!({"kty": "EC", "crv": "P-256", "kid": "1", "x": encoded(32), "y": encoded(32)})
    }

    fn p384() -> Value {
        json!({"kty": "EC", "crv": "P-384", "kid": "1", "x": encoded(48), "y": encoded(48)})
    }

    fn ed25519() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": encoded(32)})
    }

    fn rsa_of(bytes: usize) -> Value {
        json!({"kty": "RSA", "kid": "1", "n": encoded(bytes), "e": "AQAB"})
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        if value.is_null() {
            key.as_object_mut().unwrap().remove(name);
        } else {
            key[name] = value;
        }
        key
    }

    fn rule(key: Value) -> &'static str {
        ClientJwk::parse(key).map_or_else(|invalid| invalid.rule, |_| "none")
    }

    #[test]
    fn what_is_no_set_of_keys_is_told_how_to_become_one() {
        let pem = json!("-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----");
        for (value, hint) in [
            (pem, "; this is PEM"),
            (p256(), "; wrap it: {\"keys\": [ … ]}"),
            (json!([p256()]), "; wrap it: {\"keys\": [ … ]}"),
            (json!("keys"), "{\"keys\": [ … ]}"),
        ] {
            let message = set(value).unwrap_err().message;
            assert!(message.contains(hint), "{message}");
            assert!(
                message.starts_with("must be a JSON Web Key Set"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_key_has_one_algorithm() {
        use ClientKeyAlgorithm::{EdDsa, Es256, Es384, Ps256, Rs256};
        for (key, algorithm) in [
            (p256(), Es256),
            (p384(), Es384),
            (ed25519(), EdDsa),
            (rsa_of(256), Rs256),
            (with(rsa_of(256), "alg", json!("RS256")), Rs256),
            (with(rsa_of(1_024), "alg", json!("PS256")), Ps256),
        ] {
            let parsed = ClientJwk::parse(key.clone()).unwrap();
            assert_eq!(parsed.algorithm(), algorithm, "{key}");
            let named = with(
                with(key, "alg", json!(algorithm.as_str())),
                "use",
                json!("sig"),
            );
            let text = serde_json::to_string(&ClientJwk::parse(named.clone()).unwrap()).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), named);
            assert_eq!(
                serde_json::from_str::<ClientJwk>(&text)
                    .unwrap()
                    .algorithm(),
                algorithm
            );
        }
    }

    #[test]
    fn an_algorithm_or_use_that_is_not_the_keys_is_refused() {
        for key in [p256(), p384(), ed25519(), rsa_of(256)] {
            for alg in ["HS256", "none", "RS512", "ES512", "es256", ""] {
                assert_eq!(
                    rule(with(key.clone(), "alg", json!(alg))),
                    "jwk_alg",
                    "{key} {alg}"
                );
            }
            assert_eq!(rule(with(key, "use", json!("enc"))), "jwk_use");
        }
        assert_eq!(rule(with(p256(), "alg", json!("ES384"))), "jwk_alg");
        assert_eq!(rule(with(rsa_of(256), "alg", json!("ES256"))), "jwk_alg");
    }

    #[test]
    fn private_and_shared_keys_are_refused() {
        for key in [p256(), ed25519(), rsa_of(256)] {
            for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                assert_eq!(
                    rule(with(key.clone(), name, json!("AQAB"))),
                    "private_jwk",
                    "{name}"
                );
            }
        }
        assert_eq!(rule(json!({"kty": "oct", "kid": "1"})), "jwk_kty");
    }

    #[test]
    fn a_key_without_a_usable_kid_is_refused() {
        for kid in [
            Value::Null,
            json!(""),
            json!("ä"),
            json!("a\n"),
            json!("x".repeat(129)),
        ] {
            assert_eq!(rule(with(p256(), "kid", kid.clone())), "jwk_kid", "{kid}");
        }
        assert_eq!(rule(with(p256(), "kid", json!("x".repeat(128)))), "none");
        assert_eq!(rule(with(p256(), "kid", json!(7))), "jwk_member");
    }

    #[test]
    fn other_curves_and_sizes_are_refused() {
        for curve in ["P-521", "secp256k1", "Ed25519", "p-256"] {
            assert_eq!(
                rule(with(p256(), "crv", json!(curve))),
                "jwk_crv",
                "{curve}"
            );
        }
        for curve in ["Ed448", "X25519", "P-256"] {
            assert_eq!(
                rule(with(ed25519(), "crv", json!(curve))),
                "jwk_crv",
                "{curve}"
            );
        }
        assert_eq!(rule(with(p256(), "crv", json!("P-384"))), "jwk_size");
        assert_eq!(rule(with(p256(), "x", json!(encoded(33)))), "jwk_size");
        assert_eq!(rule(with(p256(), "y", Value::Null)), "jwk_base64");
        assert_eq!(
            rule(with(p256(), "x", json!("not base64url"))),
            "jwk_base64"
        );
        assert_eq!(
            rule(with(p256(), "x", json!(format!("{}=", encoded(32))))),
            "jwk_base64"
        );
        // The same bytes in another spelling: bits beyond the last byte.
        let spelled = format!("{}V", &encoded(32)[..42]);
        assert_eq!(rule(with(p256(), "x", json!(spelled))), "jwk_base64");
        assert_eq!(rule(with(ed25519(), "y", json!(encoded(32)))), "jwk_member");
        assert_eq!(rule(with(rsa_of(256), "crv", json!("P-256"))), "jwk_member");
    }

    #[test]
    fn rsa_below_2048_bits_is_refused() {
        assert_eq!(rule(rsa_of(255)), "jwk_size");
        assert_eq!(rule(rsa_of(1_025)), "jwk_size");
        let modulus = |bytes: Vec<u8>| with(rsa_of(256), "n", json!(URL_SAFE_NO_PAD.encode(bytes)));
        assert_eq!(
            rule(modulus([vec![0x7f], vec![0xff; 255]].concat())),
            "jwk_size",
            "2047 bits"
        );
        assert_eq!(
            rule(modulus([vec![0x80], vec![0xff; 255]].concat())),
            "none"
        );
        assert_eq!(
            rule(modulus([vec![0], vec![0xff; 256]].concat())),
            "jwk_size",
            "two spellings"
        );
        for (exponent, expected) in [
            ("Aw", "none"),
            ("AQ", "jwk_exponent"),
            ("AQAA", "jwk_exponent"),
            ("AAEAAQ", "jwk_exponent"),
            ("AQAAAAE", "jwk_exponent"),
            ("", "jwk_exponent"),
        ] {
            assert_eq!(
                rule(with(rsa_of(256), "e", json!(exponent))),
                expected,
                "{exponent}"
            );
        }
    }

    fn faults(set: Value) -> Vec<(String, &'static str)> {
        let mut faults = Faults::default();
        let parsed = ClientJwks::parse("jwks", set, &mut faults);
        assert_eq!(parsed.is_some(), faults.is_empty());
        let named = |fault: super::super::Fault| (fault.path, fault.invalid.rule);
        faults.into_vec().into_iter().map(named).collect()
    }

    #[test]
    fn a_set_has_one_to_five_keys_each_once_and_names_every_fault() {
        let at = |path: &str, rule| vec![(path.to_owned(), rule)];
        let numbered = |count: u8| -> Vec<Value> {
            let key = |n: u8| json!({"kty": "OKP", "crv": "Ed25519", "kid": n.to_string(), "x": URL_SAFE_NO_PAD.encode([n; 32])});
            (0..count).map(key).collect()
        };
        assert_eq!(faults(json!({"keys": numbered(1)})), []);
        assert_eq!(faults(json!({"keys": numbered(5)})), []);
        for set in [
            json!({"keys": numbered(6)}),
            json!({"keys": []}),
            json!({}),
            json!([]),
            json!({"keys": numbered(1), "more": 1}),
        ] {
            assert_eq!(faults(set), at("jwks", "jwks"));
        }
        let (first, second) = (p256(), with(p384(), "kid", json!("2")));
        assert_eq!(
            faults(json!({"keys": [first, with(second.clone(), "kid", json!("1"))]})),
            at("jwks.keys[1]", "duplicate_kid")
        );
        assert_eq!(
            faults(json!({"keys": [first, with(first.clone(), "kid", json!("2"))]})),
            at("jwks.keys[1]", "duplicate_key")
        );
        let both = faults(json!({"keys": [with(second, "d", json!("x")), {"kty": "oct"}]}));
        assert_eq!(
            both,
            [
                at("jwks.keys[0]", "private_jwk"),
                at("jwks.keys[1]", "jwk_kid")
            ]
            .concat()
        );
    }
}
