//! A `scope` parameter (RFC 6749, section 3.3).
#![no_main]

use chancery_domain::value::ScopeSet;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(scopes) = ScopeSet::parse(text) else {
        return;
    };
    let shown = scopes.to_string();
    assert_eq!(ScopeSet::parse(&shown), Ok(scopes.clone()));
    assert!(shown.is_ascii() && !shown.contains(['"', '\\', '\0']));
    // Sorted, each once, and nothing that was not sent.
    let words: Vec<_> = shown.split(' ').filter(|word| !word.is_empty()).collect();
    assert!(words.is_sorted_by(|one, next| one < next));
    assert_eq!(words.len(), scopes.len());
    assert!(
        words
            .iter()
            .all(|word| text.split(' ').any(|sent| sent == *word))
    );
    assert!(
        text.split(' ')
            .all(|sent| sent.is_empty() || words.contains(&sent))
    );
});
