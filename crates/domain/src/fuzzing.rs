//! What always holds of scopes and ids, whatever a client sends. The fuzz targets call these with texts
//! that they make up, the tests with those that were found.

use crate::{
    ActivityId, ApiId, ClientId, CommandId, EventId, FamilyId, KeyId, SecretId, TenantId,
    value::ScopeSet,
};

/// A `scope` parameter (RFC 6749, section 3.3): sorted, each once, nothing more and nothing less than what
/// was sent.
///
/// # Panics
/// Where that does not hold.
pub fn scope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(scopes) = ScopeSet::parse(text) else {
        return;
    };
    let shown = scopes.to_string();
    assert_eq!(ScopeSet::parse(&shown), Ok(scopes.clone()));
    assert!(shown.is_ascii() && !shown.contains(['"', '\\', '\0']));
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
}

/// An id: each has one text, and is of one kind.
///
/// # Panics
/// Where that does not hold.
pub fn type_id(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut kinds = 0;
    macro_rules! read_as {
        ($($id:ty),*) => {$(
            if let Ok(id) = text.parse::<$id>() {
                kinds += 1;
                assert_eq!(id.to_string(), text);
                assert_eq!(<$id>::from_bytes(id.to_bytes()), id);
            }
        )*};
    }
    read_as!(
        ActivityId, ApiId, ClientId, EventId, FamilyId, KeyId, SecretId, TenantId
    );
    assert!(kinds < 2, "{text} is of {kinds} kinds");
    if let Ok(id) = text.parse::<CommandId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// What the targets begin with, and what they have found.
    #[test]
    fn the_laws_hold_for_every_seed() {
        for (name, law) in [("scope", scope as fn(&[u8])), ("type_id", type_id)] {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../fuzz/seeds")
                .join(name);
            let mut count = 0;
            for seed in fs::read_dir(seeds).unwrap() {
                law(&fs::read(seed.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count > 2, "{name} has {count} seeds");
        }
    }
}
