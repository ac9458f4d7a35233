//! JSON that comes in (I-JSON, RFC 7493, with integers only) and JSON as it is stored (RFC 8785).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::value::Invalid;

/// The greatest integer that every JSON reader keeps exactly: 2⁵³ − 1.
const GREATEST: i64 = 9_007_199_254_740_991;

/// What the names begin with by which `serde_json` hands its own types through a reader. A reader takes such a
/// member, where it comes first, for another value than the one that it is.
pub const RESERVED_NAMES: &str = "$serde_json::private::";

/// How deeply arrays and objects may be nested.
pub const MAX_DEPTH: usize = 16;

/// The canonical text of a value (RFC 8785).
///
/// # Panics
/// Never for values of this crate: their maps have string keys and their numbers are integers.
#[expect(
    clippy::expect_used,
    reason = "fails only on non-string keys and non-finite numbers, which our types cannot hold"
)]
pub fn canonical<T: Serialize>(value: &T) -> String {
    serde_json_canonicalizer::to_string(value).expect("a value with string keys and finite numbers")
}

/// Checks that a value can be stored and given back exactly: integers within ±(2⁵³−1), no U+0000,
/// none of the [`RESERVED_NAMES`], at most [`MAX_DEPTH`] levels.
pub fn check(value: &Value) -> Result<(), Invalid> {
    check_at(value, 1)
}

fn check_at(value: &Value, depth: usize) -> Result<(), Invalid> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => match number.as_i64().filter(|integer| *integer != i64::MIN) {
            Some(integer) if integer.abs() <= GREATEST => Ok(()),
            _ => Err(Invalid::new(
                "json_number",
                format!("numbers must be integers within ±(2⁵³−1), which {number} is not"),
            )),
        },
        Value::String(text) => check_text(text),
        Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => Err(Invalid::new(
            "json_depth",
            format!("must be nested at most {MAX_DEPTH} levels deep"),
        )),
        Value::Array(items) => items.iter().try_for_each(|item| check_at(item, depth + 1)),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            check_text(name)?;
            if name.starts_with(RESERVED_NAMES) {
                return Err(Invalid::new(
                    "json_name",
                    format!("must have no member whose name begins with `{RESERVED_NAMES}`"),
                ));
            }
            check_at(member, depth + 1)
        }),
    }
}

fn check_text(text: &str) -> Result<(), Invalid> {
    if text.contains('\0') {
        return Err(Invalid::new(
            "json_nul",
            "must not contain the character U+0000",
        ));
    }
    Ok(())
}

/// A JSON object that passed [`check`] and a limit on its size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct JsonObject(Map<String, Value>);

impl JsonObject {
    /// Checks a value that came in: an object, I-JSON, at most `max_bytes` in its canonical form.
    pub fn parse(value: Value, max_bytes: usize) -> Result<Self, Invalid> {
        check(&value)?;
        let Value::Object(members) = value else {
            return Err(Invalid::new("json_object", "must be a JSON object"));
        };
        let size = canonical(&members).len();
        if size > max_bytes {
            return Err(Invalid::new(
                "json_size",
                format!("must be at most {max_bytes} bytes as compact JSON, and has {size}"),
            ));
        }
        Ok(Self(members))
    }

    /// The members.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rule(value: Value) -> &'static str {
        JsonObject::parse(value, 4096).map_or_else(|invalid| invalid.rule, |_| "none")
    }

    #[test]
    fn what_cannot_be_kept_exactly_is_refused() {
        assert_eq!(rule(json!({"n": 9_007_199_254_740_991_i64})), "none");
        assert_eq!(rule(json!({"n": 9_007_199_254_740_992_i64})), "json_number");
        assert_eq!(rule(json!({"n": u64::MAX})), "json_number");
        assert_eq!(rule(json!({"n": 1.5})), "json_number");
        assert_eq!(rule(json!({"a\0": 1})), "json_nul");
        assert_eq!(rule(json!({"a": ["x\0"]})), "json_nul");
        assert_eq!(rule(json!([])), "json_object");
        let private = "$serde_json::private::RawValue";
        for wrong in [
            json!({private: "1"}),
            json!({"x": {private: "z", "a": 1}}),
            json!({"x": [{"y": {private: 1}}]}),
        ] {
            assert_eq!(rule(wrong), "json_name");
        }
        assert_eq!(rule(json!({"private": private})), "none");
        let of_size = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
        assert_eq!(rule(of_size(4_096)), "none");
        assert_eq!(rule(of_size(4_097)), "json_size");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
        assert_eq!(rule(nested(MAX_DEPTH)), "none");
        assert_eq!(rule(nested(MAX_DEPTH + 1)), "json_depth");
    }

    proptest! {
        #[test]
        fn canonical_text_is_a_fixed_point(
            keys in proptest::collection::vec("\\PC{0,8}|[$]serde_json::private::(RawValue|Number|x)?", 0..6),
            n in -GREATEST..=GREATEST,
        ) {
            let inner: Value = keys.into_iter().map(|key| (key, json!(n))).collect::<Map<_, _>>().into();
            let value = json!({"x": inner});
            if check(&value).is_err() {
                return Ok(());
            }
            let text = canonical(&value);
            let again: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(canonical(&again), text);
            prop_assert_eq!(again, value);
        }
    }
}
