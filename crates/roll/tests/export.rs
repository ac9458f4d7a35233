//! Exports, as they are written and as they are read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

use chancery_domain::Entry;
use chancery_roll::{
    Hash,
    export::{ExportError, ExportReader, ExportWriter, Header, HeaderError, Next, OpenError},
    line::{self, Line},
    testing::{Sample, checkpoint, export},
    verify::{Fault, Known, VerifyError, verify},
};

fn entries(count: usize) -> Vec<Entry> {
    Sample::new(1, 3).take(count).collect()
}

fn read(file: &str) -> (Header, Vec<Entry>) {
    let mut reader = ExportReader::open(file.as_bytes()).unwrap();
    let (mut entries, mut line) = (Vec::new(), Vec::new());
    loop {
        match reader.next_line(&mut line).unwrap() {
            Next::Line => entries.push(Line::read(&line).unwrap().entry().unwrap()),
            Next::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reader.bytes(), file.len() as u64);
    (reader.header().clone(), entries)
}

#[test]
fn an_export_is_read_as_it_was_written() {
    let (entries, key) = (entries(300), Sample::key());
    for from in [1, 2, 128, 129, 300] {
        let file = export(&entries, from, &key);
        let (header, read) = read(&file);
        assert_eq!(read, entries[from - 1..]);
        assert_eq!((header.from, header.to), (from as u64, 300));
        assert_eq!(header.prefix.len(), (from - 1).count_ones() as usize);
        assert_eq!(&header.key, key.verifier());
        assert_eq!(header.origin, "auth.example.com/t/acme/roll");
        assert_eq!(header.checkpoint, checkpoint(&entries, 300, &key).note());
    }
}

#[test]
fn an_export_of_the_whole_roll_has_no_prefix_in_its_header() {
    let file = export(&entries(8), 1, &Sample::key());
    let header = file.lines().next().unwrap();
    assert!(
        header.starts_with(r#"{"format":"chancery-roll/1","tenant":{"id":"tenant_"#),
        "{header}"
    );
    assert!(!header.contains("prefix"), "{header}");
}

#[test]
fn a_file_that_is_no_export_says_what_it_is_not() {
    let fault = |file: &str| match ExportReader::open(file.as_bytes()) {
        Err(OpenError::Header(fault)) => fault,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("read: {file}"),
    };
    let file = export(&entries(8), 1, &Sample::key());
    assert_eq!(fault(""), HeaderError::Empty);
    for other in [
        "\n",
        "hello\n",
        "{}\n",
        "[]\n",
        "{\"format\":\"tar\"}\n",
        "{\"format\":1}\n",
        "PK\u{3}\u{4}",
        "x",
    ] {
        assert!(
            matches!(fault(other), HeaderError::NotAnExport | HeaderError::Empty),
            "{other}"
        );
    }
    let newer = file.replace("chancery-roll/1", "chancery-roll/2");
    assert_eq!(
        fault(&newer),
        HeaderError::OtherFormat("chancery-roll/2".to_owned())
    );
    let header = file.lines().next().unwrap();
    let unreadable =
        |file: &str| assert!(matches!(fault(file), HeaderError::Unreadable(_)), "{file}");
    unreadable(header);
    // One that can be read and cannot be true is a fault of the file, for whoever verifies it.
    for (is, was) in [
        ("\"from\":0", "\"from\":1"),
        ("\"from\":9", "\"from\":1"),
        ("\"from\":2", "\"from\":1"),
        ("\"to\":9223372036854775808", "\"to\":8"),
    ] {
        let file = file.replace(was, is);
        assert!(ExportReader::open(file.as_bytes()).is_ok(), "{is}");
        let verified = verify(file.as_bytes(), &Known::default(), |_| {});
        assert!(
            matches!(verified, Err(VerifyError::Fault(Fault::Header(_)))),
            "{is}: {verified:?}"
        );
    }
    unreadable(&file.replace('+', "-"));
    unreadable(&file.replacen("\"key\"", "\"other\"", 1));
}

#[test]
fn a_line_without_an_end_is_told_from_a_whole_one() {
    let file = export(&entries(8), 1, &Sample::key());
    let mut reader = ExportReader::open(&file.as_bytes()[..file.len() - 1]).unwrap();
    let mut line = Vec::new();
    for _ in 0..7 {
        assert_eq!(reader.next_line(&mut line).unwrap(), Next::Line);
    }
    assert_eq!(reader.next_line(&mut line).unwrap(), Next::Cut);
    assert_eq!(line, file.lines().last().unwrap().as_bytes());
    assert_eq!(reader.next_line(&mut line).unwrap(), Next::End);

    let endless = [
        file.lines().next().unwrap().as_bytes(),
        b"\n",
        &vec![b'x'; 17 << 20],
    ]
    .concat();
    let mut reader = ExportReader::open(&endless[..]).unwrap();
    assert_eq!(reader.next_line(&mut line).unwrap(), Next::TooLong);
}

#[test]
fn what_is_not_the_next_entry_is_not_written() {
    let (entries, key) = (entries(8), Sample::key());
    let sealed = checkpoint(&entries, 8, &key);
    let begin = |from, prefix| {
        ExportWriter::begin(
            Vec::new(),
            Sample::tenant(),
            key.verifier(),
            &sealed,
            from,
            prefix,
        )
    };
    let mut writer = begin(1, Vec::new()).unwrap();
    assert_eq!(writer.due(), Some(1));
    writer.entry(&entries[0]).unwrap();
    for wrong in [0, 2] {
        let refused = writer.entry(&entries[wrong]).unwrap_err();
        assert!(
            matches!(refused, ExportError::Order { expected: 2, .. }),
            "{refused}"
        );
    }
    let other = Entry {
        tenant: chancery_domain::TenantId::from_bytes([0; 16]),
        ..entries[1].clone()
    };
    assert!(matches!(writer.entry(&other), Err(ExportError::Tenant(2))));
    let other = Entry {
        payload: "{ }".to_owned(),
        ..entries[1].clone()
    };
    assert!(matches!(writer.entry(&other), Err(ExportError::Line(2, _))));
    assert!(matches!(writer.finish(), Err(ExportError::Root(8))));

    let mut writer = begin(8, vec![Hash::empty(); 3]).unwrap();
    writer.entry(&entries[7]).unwrap();
    assert_eq!(writer.due(), None);
    assert!(matches!(
        writer.entry(&entries[7]),
        Err(ExportError::Order { .. })
    ));
    assert!(
        matches!(writer.finish(), Err(ExportError::Root(8))),
        "the prefix is not that of these entries"
    );

    for (from, prefix) in [(0, 0), (1, 1), (2, 0), (9, 1)] {
        assert!(
            matches!(
                begin(from, vec![Hash::empty(); prefix]),
                Err(ExportError::Prefix(_))
            ),
            "{from}"
        );
    }
    let others = Sample::key();
    let refused = ExportWriter::begin(
        Vec::new(),
        Sample::tenant(),
        others.verifier(),
        &sealed,
        1,
        Vec::new(),
    );
    assert!(matches!(refused, Err(ExportError::Checkpoint)));
}

/// Events of types that no version knows are exported all the same.
#[test]
fn nothing_of_an_event_need_be_understood() {
    let mut entries = entries(4);
    entries[3].event_type = "SomethingNew".to_owned();
    entries[3].version = 7;
    let (_, read) = read(&export(&entries, 1, &Sample::key()));
    assert_eq!(read, entries);
    assert!(read[3].clone().understood().is_err());
    assert!(line::write(&read[3]).contains("\"version\":7"));
}

#[test]
fn the_sample_is_understood_and_has_no_gap() {
    let mut kinds = std::collections::BTreeSet::new();
    for (entry, number) in Sample::new(3, 5).take(2_000).zip(1..) {
        assert_eq!(entry.tenant_seq, number);
        let understood = entry.clone().understood().unwrap();
        assert_eq!(
            Entry::from(&understood),
            entry,
            "and is written again as it was"
        );
        kinds.insert(entry.event_type);
    }
    assert!(kinds.len() >= 13, "{kinds:?}");
}
