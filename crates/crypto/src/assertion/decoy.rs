//! Keys that nobody has: what an assertion is checked against where there is no key of its client.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{AssertionAlgorithm, AssertionKey, PresentedAssertion};

/// One key of each algorithm. Their private keys were never kept, and what they say is not looked at:
/// a check against them costs what a check against a client's own key costs, so that the time an answer
/// takes does not tell whether the client exists.
pub struct DecoyKeys(HashMap<AssertionAlgorithm, AssertionKey>);

impl DecoyKeys {
    /// The keys.
    pub fn new() -> Self {
        let keys = AssertionAlgorithm::ALL.into_iter().filter_map(|algorithm| {
            let key = match algorithm {
                AssertionAlgorithm::Hs256 => Some(AssertionKey::from_secret("nobody's")),
                _ => AssertionKey::from_jwk(algorithm.as_str(), &jwk(algorithm)).ok(),
            };
            Some((algorithm, key?))
        });
        Self(keys.collect())
    }

    /// Does the work of a check, for nothing.
    pub fn check(&self, assertion: &PresentedAssertion<'_>) {
        if let Some(key) = self.0.get(&assertion.algorithm()) {
            std::hint::black_box(assertion.verify(key).is_ok());
        }
    }
}

impl Default for DecoyKeys {
    fn default() -> Self {
        Self::new()
    }
}

fn jwk(algorithm: AssertionAlgorithm) -> Map<String, Value> {
    let jwk = match algorithm {
        AssertionAlgorithm::Es256 => json!({
            "x": "7U6ql-u8vJHwJIz4DOONXLU9JKv9nj1S-fWKuwkW_S8",
            "y": "M_4I4pL7K8fmogQTDvPrPz80ZKZjm7ZNPaZ6tZJpdoA",
        }),
        AssertionAlgorithm::Es384 => json!({
            "x": "WKm2yKSvt2M026kuO6W22MZG2zdgvHUap7tYNDIJzNvr_xQO3AU5S4BGXxGiEZrR",
            "y": "rptz-fNIW-I9DJCFaH1SfBUibb05PmSA1ukwsT9ebB1JN6QZDV1IxpYQplUDK03x",
        }),
        AssertionAlgorithm::EdDsa => json!({"x": "tWR3r5WPeu-mel8p5wPhd5x-xhD7L1t-B1HXoRm7w18"}),
        AssertionAlgorithm::Rs256 | AssertionAlgorithm::Ps256 => json!({"n": MODULUS, "e": "AQAB"}),
        AssertionAlgorithm::Hs256 => Value::Null,
    };
    match jwk {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

const MODULUS: &str = "oGMeSzpwsrv7pV4-zRKvoaQzQyuPp3LG48ykFOZ57-RwAnOjbXJszCA9s3-_mWXExlrZCr9p1kdh8y5pyhFn1O\
    Uko4AkQkmarURG96LINh2RV7CvcnEZf3bbvNIbuOOJzjvI7vYgCREDekYY7QUKvhdKsgOGnS8WIKE_NXF7UldS\
    5G4xx8K69jntvlz1L0iUggdG_t-GpJs83PMlBRJPMq6D0uFXjQsVaw1g2GnWSVwG821--hfPbb16nayctqs-Wi\
    49LB2v6E_DJD1IR0185JM-BS7nGZvXY6cweLH4cur02CvN2858eLE-PZbcEDK5Jp4NqPCaT0KU3r0Xd2GXAw";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_key_of_every_algorithm() {
        let keys = DecoyKeys::new();
        for algorithm in AssertionAlgorithm::ALL {
            assert_eq!(keys.0[&algorithm].algorithm(), algorithm);
        }
    }
}
