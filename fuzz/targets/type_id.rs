//! Typed ids: each has one text, and is of one kind.
#![no_main]

use chancery_domain::{
    ActivityId, ApiId, ClientId, CommandId, EventId, FamilyId, KeyId, SecretId, TenantId,
};

libfuzzer_sys::fuzz_target!(|text: &str| {
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
});
