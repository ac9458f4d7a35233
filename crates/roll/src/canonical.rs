//! Whether a text is its own canonical form (RFC 8785), without making that form: one pass, nothing
//! allocated for plain text.

use chancery_domain::json::canonical;

/// How deeply a line may be nested; deeper than any that is written, and far from the stack's end.
const MAX_DEPTH: usize = 64;

/// What is not canonical, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at byte {}", .at + 1)]
pub struct NotCanonical {
    /// Where, counted from 0.
    pub at: usize,
    /// What.
    pub what: &'static str,
}

/// A reader of canonical JSON: whoever calls it gets the slices of members, and an error for the first
/// byte that is not canonical.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// Bytes that a string may have as they are: all but controls, the quote and the backslash.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain
};

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, NotCanonical> {
        Err(NotCanonical { at: self.at, what })
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), NotCanonical> {
        if self.peek() != Some(byte) {
            return self.fault(what);
        }
        self.at += 1;
        Ok(())
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), NotCanonical> {
        if self.at == self.text.len() {
            Ok(())
        } else {
            self.fault("something follows the end of the object")
        }
    }

    /// An object, whose members are each given with their name between quotes and their value.
    pub(crate) fn object(
        &mut self,
        depth: usize,
        mut member: impl FnMut(&'a str, &'a str) -> Result<(), NotCanonical>,
    ) -> Result<(), NotCanonical> {
        self.expect(b'{', "an object should begin here")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut before: Option<&str> = None;
        loop {
            let began = self.at;
            let name = self.string()?;
            if before.is_some_and(|before| !in_order(before, name)) {
                return Err(NotCanonical {
                    at: began,
                    what: "a member stands twice or not in its order",
                });
            }
            before = Some(name);
            self.expect(b':', "a colon is missing")?;
            let value = self.value(depth)?;
            member(name, value)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.fault("a comma or the end of an object is missing"),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.fault("a comma or the end of an array is missing"),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<&'a str, NotCanonical> {
        let began = self.at;
        if depth > MAX_DEPTH {
            return self.fault("it is nested too deeply");
        }
        match self.peek() {
            Some(b'"') => drop(self.string()?),
            Some(b'{') => self.object(depth + 1, |_, _| Ok(()))?,
            Some(b'[') => self.array(depth + 1)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => {
                let rest = &self.text[self.at..];
                let word = ["true", "false", "null"]
                    .iter()
                    .find(|word| rest.starts_with(**word));
                let Some(word) = word else {
                    return self.fault("a value should begin here");
                };
                self.at += word.len();
            }
        }
        Ok(&self.text[began..self.at])
    }

    /// A string with its quotes.
    fn string(&mut self) -> Result<&'a str, NotCanonical> {
        let began = self.at;
        self.expect(b'"', "a string should begin here")?;
        let bytes = self.text.as_bytes();
        loop {
            while bytes
                .get(self.at)
                .is_some_and(|byte| PLAIN[usize::from(*byte)])
            {
                self.at += 1;
            }
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return self.fault("a control character is not escaped"),
                None => return self.fault("a string has no end"),
            }
        }
        self.at += 1;
        Ok(&self.text[began..self.at])
    }

    /// Only what must be escaped is, and in one way.
    fn escape(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.text.as_bytes()[self.at + 1..];
        let long = match rest {
            [b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', ..] => 2,
            [
                b'u',
                b'0',
                b'0',
                high @ (b'0' | b'1'),
                low @ (b'0'..=b'9' | b'a'..=b'f'),
                ..,
            ] if !(*high == b'0' && b"89acd".contains(low)) => 6,
            _ => return self.fault("an escape that is not needed, or not the shortest one"),
        };
        self.at += long;
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
        let number = &rest[..end.unwrap_or(rest.len())];
        if !(is_small_integer(number) || is_canonical_number(number)) {
            return self.fault("a number is not in its shortest form");
        }
        self.at += number.len();
        Ok(())
    }
}

/// Up to 15 digits, which a double holds exactly.
fn is_small_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let zero = digits.starts_with('0') && number != "0";
    !zero && (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Any other number: as ECMAScript writes the double that it is.
fn is_canonical_number(number: &str) -> bool {
    let double = serde_json::from_str::<f64>(number)
        .ok()
        .filter(|double| double.is_finite());
    double.is_some_and(|double| canonical(&double) == number)
}

/// Whether the second name follows the first by their UTF-16 code units. Both have their quotes.
fn in_order(first: &str, second: &str) -> bool {
    let plain = |name: &str| name.is_ascii() && !name.contains('\\');
    if plain(first) && plain(second) {
        // Without the quotes, one of which is greater than a space or an exclamation mark.
        return first[1..first.len() - 1] < second[1..second.len() - 1];
    }
    let units = |name: &str| {
        let text: Option<String> = serde_json::from_str(name).ok();
        text.map(|text| text.encode_utf16().collect::<Vec<_>>())
    };
    units(first) < units(second)
}

/// Checks that a text is one JSON object in its canonical form (RFC 8785).
///
/// # Errors
/// [`NotCanonical`].
pub fn check(text: &str) -> Result<(), NotCanonical> {
    let mut scanner = Scanner::new(text);
    scanner.object(1, |_, _| Ok(()))?;
    scanner.end()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::Value;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}|[\u{0}-\u{20}\"\\\\/\u{7f}é\u{ffff}🌙]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec(("[a-c!\"\\\\ \u{0}-\u{20}é\u{ffff}🌙]{0,3}", inner), 0..5)
                    .prop_map(Value::from_iter),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Value> {
        vec(("\\PC{0,4}|[a-c! ]{0,3}", json()), 0..5).prop_map(Value::from_iter)
    }

    /// What the check says must hold, the slow way.
    fn is_canonical(text: &str) -> bool {
        serde_json::from_str::<Value>(text).is_ok_and(|value| {
            value.is_object()
                && serde_json_canonicalizer::to_string(&value).is_ok_and(|form| form == text)
        })
    }

    #[test]
    fn one_text_for_each_value() {
        for right in [
            "{}",
            r#"{"a":1,"b":[],"c":{"d":null}}"#,
            r#"{"":0,"!":-1,"a":"/\"\\\b\t\n\f\r\u0000\u001f\u000b"}"#,
            // U+1F319 is D83C DF19 in UTF-16, which stands before U+FFFF.
            "{\"é\":1,\"🌙\":2,\"\u{ffff}\":3}",
            r#"{"a":1.5,"b":1e+21,"c":9007199254740991}"#,
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
            assert!(is_canonical(right), "{right}");
        }
        for wrong in [
            "",
            "[]",
            "{",
            "}",
            "{}\n",
            " {}",
            "{ }",
            "{}{}",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a": 1}"#,
            r#"{"a":01}"#,
            r#"{"a":-0}"#,
            r#"{"a":+1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e2}"#,
            r#"{"a":1E2}"#,
            r#"{"a":-}"#,
            r#"{"a":1e999}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":"\u001F"}"#,
            r#"{"a":"\u000a"}"#,
            r#"{"a":"\u0008"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"x}"#,
            r#"{"a":tru}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[1"#,
            "{\"a\":\"\n\"}",
            "{\"\u{ffff}\":3,\"🌙\":2}",
            r#"{"a":"\"#,
            r#"{"a":"\u00"#,
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
            assert!(
                !is_canonical(wrong) || wrong == r#"{"a":1,"a":1}"#,
                "{wrong}"
            );
        }
    }

    #[test]
    fn depth_does_not_exhaust_the_stack() {
        let nested =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(check(&nested(60)), Ok(()));
        assert!(check(&nested(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own(value in object()) {
            let text = serde_json_canonicalizer::to_string(&value).unwrap();
            prop_assert_eq!(check(&text), Ok(()), "{}", text);
        }

        /// No mistake and no severity: the check accepts exactly what is its own form.
        #[test]
        fn a_changed_form_is_accepted_only_where_it_is_another_form(
            value in object(), at: prop::sample::Index, byte in prop_oneof![any::<u8>(), proptest::sample::select(b"{}[]\",:0129-+.eE\\un /abc".to_vec())], kind in 0..3,
        ) {
            let mut bytes = serde_json_canonicalizer::to_string(&value).unwrap().into_bytes();
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
            if let Ok(text) = String::from_utf8(bytes) {
                prop_assert_eq!(check(&text).is_ok(), is_canonical(&text), "{}", text);
            }
        }
    }
}
