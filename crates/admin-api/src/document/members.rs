//! What stands twice in one input object, or in one list of arguments. The parser keeps the last of them and
//! forgets that there was another, so it is looked for in the text.

use std::collections::HashSet;

use super::after_ignored;

/// A bracket that is open.
enum Open<'a> {
    /// A selection of fields: the same one may stand there twice.
    Selection,
    /// A list of values.
    List,
    /// Arguments, variables, or the members of an input object: those so far.
    Named(HashSet<&'a str>),
}

/// The first name that stands twice where it may stand once (sections 5.4.2, 5.6.3 and 5.8.1 of the
/// specification).
pub(super) fn repeated(query: &str) -> Option<&str> {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut name = "";
    let mut rest = query;
    while let Some(first) = rest.bytes().next() {
        if let Some(after) = after_ignored(rest.as_bytes()) {
            // What is skipped ends behind ASCII, so at the boundary of a character.
            rest = rest.get(rest.len() - after.len()..).unwrap_or_default();
            continue;
        }
        if first.is_ascii_alphabetic() || first == b'_' {
            let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let end = rest.bytes().position(|byte| !is_of_name(byte));
            (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
            continue;
        }
        match first {
            b'(' => open.push(Open::Named(HashSet::new())),
            b'[' => open.push(Open::List),
            b'{' => open.push(match open.last() {
                None | Some(Open::Selection) => Open::Selection,
                Some(Open::List | Open::Named(_)) => Open::Named(HashSet::new()),
            }),
            b')' | b']' | b'}' => {
                open.pop();
            }
            b':' => {
                if let Some(Open::Named(names)) = open.last_mut()
                    && !names.insert(name)
                {
                    return Some(name);
                }
            }
            _ => {}
        }
        let mut characters = rest.chars();
        characters.next();
        rest = characters.as_str();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_an_input_object_stands_there_once() {
        for (query, name) in [
            (
                r#"mutation { f(input: {reason: "a", reason: "b"}) { x } }"#,
                "reason",
            ),
            ("{ f(i: [{a: 1} {b: {c: 1 d: E c : $v}}]) }", "c"),
            ("query Q($v: I = {a: 1, # {\n a: 2}) { f }", "a"),
            ("{ f(a: 1, b: 2, a: 3) }", "a"),
            ("query ($v: Int, $v: Int) { f }", "v"),
            ("{ f @include(if: true, if: true) }", "if"),
            (r#"{ f(i: {a: "", ä: 1, a: """ " """}) }"#, "a"),
        ] {
            assert_eq!(repeated(query), Some(name), "{query}");
        }
    }

    #[test]
    fn fields_and_other_objects_may_repeat_it() {
        for query in [
            "{ a: f(x: {a: 1}) a: f(x: {a: 1}) }",
            "{ f(a: {a: [{a: 1}, {a: 1}]}) { a: g a: g } }",
            r#"{ f(a: "a: a:", b: """a: \""" a:""") # a: a:
            }"#,
            "query ($a: Int, $b: [Int!] = [1]) { f(a: $a, b: a) @x(a: 1) @x(a: 1) }",
            "}}))",
        ] {
            assert_eq!(repeated(query), None, "{query}");
        }
    }
}
