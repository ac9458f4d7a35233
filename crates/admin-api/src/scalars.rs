//! Scalars beyond GraphQL's own.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chancery_domain::{Invalid, Timestamp, json::JsonObject};

/// A moment by RFC 3339, like `2026-11-20T17:00:00.123456Z`. Answers are in UTC with six decimals;
/// inputs may have any offset and are kept to the microsecond.
///
/// On the way in it is any text: what is wrong with it is named together with the input's other
/// faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DateTime(String);

impl DateTime {
    /// The moment.
    pub(crate) fn parse(&self) -> Result<Timestamp, Invalid> {
        self.0.parse()
    }
}

impl From<Timestamp> for DateTime {
    fn from(moment: Timestamp) -> Self {
        Self(moment.to_string())
    }
}

/// A moment by RFC 3339, like `2026-11-20T17:00:00.123456Z`. Answers are in UTC with six decimals;
/// inputs may have any offset and are kept to the microsecond.
#[Scalar(specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Json(pub(crate) serde_json::Value);

impl From<&JsonObject> for Json {
    fn from(object: &JsonObject) -> Self {
        Self(serde_json::Value::Object(object.members().clone()))
    }
}

/// A JSON value. Numbers are integers within ±(2⁵³−1); U+0000 and unpaired surrogates are refused,
/// and so is nesting beyond 16 levels.
#[Scalar(
    name = "JSON",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259"
)]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value.into_json()?))
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn a_moment_is_judged_with_the_other_faults_and_answered_in_utc() {
        let moment = <DateTime as ScalarType>::parse(value!("2026-11-20T18:00:00+01:00")).unwrap();
        assert_eq!(
            DateTime::from(moment.parse().unwrap()).0,
            "2026-11-20T17:00:00.000000Z"
        );
        let wrong = <DateTime as ScalarType>::parse(value!("tomorrow")).unwrap();
        assert_eq!(wrong.parse().unwrap_err().rule, "time");
        assert!(!DateTime::is_valid(&value!(1_700_000_000)));
    }

    #[test]
    fn json_goes_through_unchanged() {
        let value =
            value!({"team": "billing", "tags": ["a", null, true], "n": 9_007_199_254_740_991_i64});
        assert_eq!(
            <Json as ScalarType>::parse(value.clone())
                .unwrap()
                .to_value(),
            value
        );
    }
}
