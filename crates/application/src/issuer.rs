use std::fmt;

use chancery_domain::value::Slug;

/// The base of every issuer: scheme and authority, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// Why a text is not a public URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a scheme and an authority only, like https://auth.example.com")]
pub struct InvalidPublicUrl;

impl PublicUrl {
    /// Takes `scheme://authority`.
    ///
    /// # Errors
    /// [`InvalidPublicUrl`] for a path, a query, a fragment, user information or another scheme.
    pub fn parse(text: &str) -> Result<Self, InvalidPublicUrl> {
        let authority = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or(InvalidPublicUrl)?;
        let right = !authority.is_empty()
            && authority
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        if right {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPublicUrl)
        }
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A tenant's issuer.
    pub fn issuer(&self, slug: &Slug) -> String {
        format!("{}/t/{slug}", self.0)
    }

    /// The slug of the tenant whose issuer this is.
    pub fn slug_of(&self, issuer: &str) -> Option<Slug> {
        let slug = issuer.strip_prefix(&self.0)?.strip_prefix("/t/")?;
        Slug::parse(slug).ok()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_names_its_tenant() {
        let url = PublicUrl::parse("https://auth.example.com").unwrap();
        let slug = Slug::parse("acme").unwrap();
        assert_eq!(url.issuer(&slug), "https://auth.example.com/t/acme");
        assert_eq!(url.slug_of("https://auth.example.com/t/acme"), Some(slug));
        for other in [
            "https://auth.example.com/t/acme/",
            "https://evil.example/t/acme",
            "https://auth.example.com.evil/t/acme",
        ] {
            assert_eq!(url.slug_of(other), None, "{other}");
        }
    }

    #[test]
    fn only_scheme_and_authority() {
        for wrong in [
            "",
            "auth.example",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u@a",
        ] {
            assert!(PublicUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
