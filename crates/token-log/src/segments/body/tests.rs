//! A body says what its records said.

use std::borrow::Cow;

use chancery_domain::TenantId;
use proptest::prelude::*;

use super::*;
use crate::activity::Kind;

fn entry(word: impl Fn(usize) -> Option<String>, at: i64) -> Entry<'static> {
    let word = |place| word(place).map(Cow::Owned);
    let (tenant, at) = (TenantId::from_bytes([1; 16]), Timestamp::from_micros(at));
    Entry {
        client: word(0),
        credential: word(1),
        scopes: word(2),
        audience: word(3),
        jti: word(4),
        user_agent: word(5),
        trace_id: word(6),
        expires_at: (at.micros() % 3 != 0).then_some(at),
        address: (at.micros() % 2 != 0).then_some([10, 0, 0, 1].into()),
        reason: (at.micros() % 5 == 0).then_some("rotated"),
        ..Entry::new(tenant, at, Kind::TokenIssued)
    }
}

fn written(entries: &[Entry<'_>]) -> Vec<Written> {
    entries.iter().map(|it| Written::of(it).unwrap()).collect()
}

/// As a batch has them.
fn batch(lines: &[Written]) -> String {
    let mut batch = Batch::of(lines.len());
    for line in lines {
        batch.push(line).unwrap();
    }
    batch.end().unwrap()
}

/// As a segment has what was read.
fn again(text: &str) -> String {
    encode(decode(text).unwrap().iter()).unwrap()
}

/// Each by itself.
fn lines_of(text: &str) -> Vec<String> {
    let alone = |line: &Line<'_>| encode(std::iter::once(line)).unwrap();
    decode(text).unwrap().iter().map(alone).collect()
}

/// Few words, so that they come again; some are escaped, and some look like numbers or nothing.
fn word() -> impl Strategy<Value = Option<String>> {
    let few = prop::sample::select(vec![
        "",
        "0",
        "null",
        "a",
        "client",
        "ü\u{2028}",
        "say \"so\"\\",
    ]);
    prop::option::of(prop_oneof![few.prop_map(ToOwned::to_owned), ".{0,6}"])
}

proptest! {
    #[test]
    fn what_is_put_together_is_read_as_it_was(
        records in prop::collection::vec((any::<i32>(), prop::collection::vec(word(), 7)), 0..40)
    ) {
        let entries: Vec<_> = records
            .iter()
            .map(|(at, words)| entry(|place| words[place].clone(), i64::from(*at)))
            .collect();
        let lines = written(&entries);
        let alone: Vec<_> = lines.iter().map(|line| format!("[{}]", line.as_str())).collect();
        let text = batch(&lines);
        prop_assert_eq!(&lines_of(&text), &alone);
        // As where segments are put together, and once more.
        let segment = again(&text);
        prop_assert_eq!(&lines_of(&segment), &alone);
        prop_assert_eq!(again(&segment), segment);
        // Who wrote it need not read a body.
        for (line, alone) in lines.iter().zip(&alone) {
            let read = line.read().unwrap();
            prop_assert_eq!(&encode(std::iter::once(&read)).unwrap(), alone);
        }
        // A line by itself is one of a body too.
        for alone in alone {
            prop_assert_eq!(again(&alone), alone);
        }
    }

    #[test]
    fn no_text_takes_the_reader_down(text in "[\\[\\]0-9,\"a-z null]{0,60}") {
        let _ = decode(&text);
    }
}

#[test]
fn what_was_said_before_is_told_by_its_line() {
    let of = |client: &'static str, at| {
        let word = move |place| match place {
            0 => Some(client.to_owned()),
            4 => Some(format!("jti {at}")),
            _ => None,
        };
        entry(word, at)
    };
    let lines = written(&[of("one", 7), of("two", 11), of("one", 13), of("two", 17)]);
    assert_eq!(
        again(&batch(&lines)),
        concat!(
            r#"[[7,"token_issued","one",null,null,null,"jti 7",7,"10.0.0.1",null,null,null],"#,
            r#"[11,0,"two",null,null,null,"jti 11",11,0,null,null,null],"#,
            r#"[13,0,0,null,null,null,"jti 13",13,0,null,null,null],"#,
            r#"[17,0,1,null,null,null,"jti 17",17,0,null,null,null]]"#,
        )
    );
    // In a batch it is the line before that counts.
    assert_eq!(
        batch(&written(&[
            of("one", 7),
            of("one", 11),
            of("two", 13),
            of("one", 17)
        ])),
        concat!(
            r#"[[7,"token_issued","one",null,null,null,"jti 7",7,"10.0.0.1",null,null,null],"#,
            r#"[11,0,0,null,null,null,"jti 11",11,0,null,null,null],"#,
            r#"[13,0,"two",null,null,null,"jti 13",13,0,null,null,null],"#,
            r#"[17,0,"one",null,null,null,"jti 17",17,0,null,null,null]]"#,
        )
    );
    assert_eq!(batch(&[]), "[]");
}

#[test]
fn who_names_a_line_that_does_not_come_before_is_corrupt() {
    let line = |kind: &str| format!("[1,{kind},null,null,null,null,null,null,null,null,null,null]");
    let first = line("\"token_issued\"");
    let decoded = |second: &str| decode(&format!("[{first},{second}]")).map(|lines| lines.len());
    assert_eq!(decoded(&line("0")), Ok(2));
    for (wrong, told) in [
        (line("1"), "line 1 has its Kind from line 1"),
        (
            line("18446744073709551615"),
            "from line 18446744073709551615",
        ),
        (line("-1"), "invalid type"),
        (line("true"), "invalid type"),
        (
            "[1,0,0,null,null,null,null,null,null,null,null,null]".to_owned(),
            "line 1 has its Client from line 0",
        ),
        ("[1,0]".to_owned(), "too few members"),
    ] {
        let error = decoded(&wrong).unwrap_err().to_string();
        assert!(error.contains(told), "{wrong}: {error}");
    }
}
