//! The style sheet, the script and the icon: all that a page loads. Each is asked for with what it holds, as a
//! number, so that a browser keeps it until there is another one.

use axum::{Router, extract::RawQuery, routing::get};
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use crate::Console;

/// A file that pages load.
pub(crate) struct Asset {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

pub(crate) const STYLES: Asset = Asset {
    path: "/console/assets/console.css",
    kind: "text/css; charset=utf-8",
    content: include_str!("../assets/console.css"),
};
pub(crate) const SCRIPT: Asset = Asset {
    path: "/console/assets/console.js",
    kind: "text/javascript; charset=utf-8",
    content: include_str!("../assets/console.js"),
};
pub(crate) const ICON: Asset = Asset {
    path: "/console/assets/icon.svg",
    kind: "image/svg+xml",
    content: include_str!("../assets/icon.svg"),
};

impl Asset {
    /// What tells this content from another: FNV-1a. Nobody but us writes these files.
    const fn version(&self) -> u64 {
        let bytes = self.content.as_bytes();
        let (mut hash, mut at) = (0xcbf2_9ce4_8422_2325_u64, 0);
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        hash
    }

    fn query(&self) -> String {
        format!("v={:016x}", self.version())
    }

    /// Where a page loads it from.
    pub(crate) fn address(&self) -> String {
        format!("{}?{}", self.path, self.query())
    }

    /// For how long a browser keeps what it asked for so: for good, if that is what it got.
    fn kept(&self, query: Option<&str>) -> HeaderValue {
        HeaderValue::from_static(if query == Some(self.query().as_str()) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        })
    }
}

pub(crate) fn routes() -> Router<Console> {
    let mut router = Router::new();
    for asset in [&STYLES, &SCRIPT, &ICON] {
        let answer = move |RawQuery(query): RawQuery| {
            let kind = HeaderValue::from_static(asset.kind);
            let kept = asset.kept(query.as_deref());
            std::future::ready(([(CONTENT_TYPE, kind), (CACHE_CONTROL, kept)], asset.content))
        };
        router = router.route(asset.path, get(answer));
    }
    router
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_by_its_own_number_is_kept_for_good() {
        let address = STYLES.address();
        let (_, query) = address.split_once('?').unwrap();
        assert!(
            STYLES
                .kept(Some(query))
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        for other in [None, Some(""), Some("v=0"), Some(SCRIPT.query().as_str())] {
            assert_eq!(STYLES.kept(other), "no-cache", "{other:?}");
        }
    }
}
