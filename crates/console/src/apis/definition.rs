//! An API's scopes and roles, as lines of text.

use chancery_domain::{
    Faults, Invalid,
    api::{Api, RoleDefinition, ScopeDefinition, TokenSettings},
    tenant::SigningAlgorithm,
    value::{Description, RoleName, Scope, ScopeSet},
};
use maud::{Markup, html};

use crate::{
    fields::Fields,
    form::{Form, Line},
    keys, show,
};

/// The fields of scopes and roles.
pub(super) fn fields(form: &Form<'_>) -> Markup {
    html! {
        (form.lines("scopes", "Scopes", "One on each line: the scope, and after a space what it allows. By custom they are called like orders:read.", 6))
        (form.lines("roles", "Roles", "Named sets of scopes, one on each line: the role, a colon, and its scopes with spaces between. You can leave this empty.", 3))
    }
}

/// The fields of what its tokens are like.
pub(super) fn token_fields(form: &Form<'_>) -> Markup {
    let algorithms =
        SigningAlgorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm.as_str()));
    let algorithms = [[("", "as the tenant's are")].as_slice(), &algorithms].concat();
    html! {
        (form.line(&Line::number("accessTokenSeconds", "Its access tokens live (seconds)", "60 to 86400. Empty: as the tenant's policy has it.")))
        (form.choice("signingAlgorithm", "They are signed with", "", &algorithms))
        (form.lines("customClaims", "Claims that it adds to its tokens", "A JSON object, like {\"region\": \"eu\"}. What Chancery sets itself cannot be set here.", 3))
    }
}

/// What was typed there.
pub(super) fn tokens(fields: &Fields, faults: &mut Faults) -> TokenSettings {
    let seconds = fields.whole("accessTokenSeconds");
    TokenSettings {
        access_token_seconds: faults
            .take_optional("accessTokenSeconds", seconds)
            .flatten(),
        signing_algorithm: faults
            .take_optional(
                "signingAlgorithm",
                fields.chosen("signingAlgorithm", &keys::algorithms()),
            )
            .flatten(),
    }
}

/// What stands in the fields for an API that is there.
pub(super) fn given(api: &Api) -> Fields {
    let scopes: Vec<_> = api
        .scopes
        .iter()
        .map(|(name, description)| match description {
            Some(description) => format!("{name} {description}"),
            None => name.to_string(),
        })
        .collect();
    let roles: Vec<_> = api
        .roles
        .iter()
        .map(|(name, scopes)| format!("{name}: {scopes}"))
        .collect();
    Fields::default()
        .with("name", api.name.as_str())
        .with("scopes", scopes.join("\n"))
        .with("roles", roles.join("\n"))
        .with(
            "accessTokenSeconds",
            api.tokens
                .access_token_seconds
                .map(|seconds| seconds.to_string())
                .unwrap_or_default(),
        )
        .with(
            "signingAlgorithm",
            api.tokens
                .signing_algorithm
                .map_or("", SigningAlgorithm::as_str),
        )
        .with(
            "customClaims",
            if api.custom_claims.is_empty() {
                String::new()
            } else {
                show::pretty(api.custom_claims.members())
            },
        )
}

pub(super) fn scopes(fields: &Fields, faults: &mut Faults) -> Vec<ScopeDefinition> {
    let mut found = Vec::new();
    for (number, line) in lines(fields, "scopes") {
        let (name, description) = match line.split_once(char::is_whitespace) {
            Some((name, description)) => (name, Some(description.trim())),
            None => (line, None),
        };
        let name = on_line(faults, "scopes", number, Scope::parse(name));
        let description = description.map(Description::parse).transpose();
        let description = on_line(faults, "scopes", number, description);
        if let Some((name, description)) = name.zip(description) {
            found.push(ScopeDefinition { name, description });
        }
    }
    found
}

pub(super) fn roles(fields: &Fields, faults: &mut Faults) -> Vec<RoleDefinition> {
    let mut found = Vec::new();
    for (number, line) in lines(fields, "roles") {
        // A scope may have a colon in it, so the one with a space after it counts.
        let bare = || line.strip_suffix(':').map(|name| (name, ""));
        let Some((name, scopes)) = line.split_once(": ").or_else(bare) else {
            let form = Invalid::new("role", "must be like `clerk: orders:read orders:write`");
            on_line::<()>(faults, "roles", number, Err(form));
            continue;
        };
        let name = on_line(faults, "roles", number, RoleName::parse(name.trim()));
        let scopes = on_line(faults, "roles", number, ScopeSet::parse(scopes));
        if let Some((name, scopes)) = name.zip(scopes) {
            found.push(RoleDefinition { name, scopes });
        }
    }
    found
}

fn lines<'a>(fields: &'a Fields, name: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let lines = fields.raw(name).lines().map(str::trim);
    (1..).zip(lines).filter(|(_, line)| !line.is_empty())
}

fn on_line<T>(
    faults: &mut Faults,
    name: &str,
    number: usize,
    parsed: Result<T, Invalid>,
) -> Option<T> {
    let parsed = parsed.map_err(|invalid| {
        Invalid::new(invalid.rule, format!("line {number}: {}", invalid.message))
    });
    faults.take(name, parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_roles_are_read_from_lines() {
        let fields = Fields::default()
            .with("scopes", "orders:read Read orders\n\n  orders:write\n")
            .with("roles", "clerk: orders:read orders:write");
        let mut faults = Faults::default();
        let (scopes, roles) = (scopes(&fields, &mut faults), roles(&fields, &mut faults));
        assert!(faults.is_empty());
        assert_eq!(
            scopes[0].description.as_ref().unwrap().as_str(),
            "Read orders"
        );
        assert_eq!(scopes[1].name.as_str(), "orders:write");
        assert_eq!(roles[0].scopes.len(), 2);
    }

    #[test]
    fn what_an_api_has_is_read_as_it_is_written_into_the_form() {
        let fields = Fields::default()
            .with("scopes", "a:b what it allows: all\nc:")
            .with("roles", "empty:\nx:y: a:b c:\nnone:");
        let mut faults = Faults::default();
        let (scopes, roles) = (scopes(&fields, &mut faults), roles(&fields, &mut faults));
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(scopes.len(), 2);
        let roles: Vec<_> = roles
            .iter()
            .map(|role| (role.name.as_str(), role.scopes.to_string()))
            .collect();
        let whole = [("empty", ""), ("x:y", "a:b c:"), ("none", "")];
        assert_eq!(roles, whole.map(|(name, scopes)| (name, scopes.to_owned())));
    }

    #[test]
    fn a_fault_names_its_line() {
        let fields = Fields::default()
            .with("scopes", "a\n\"b")
            .with("roles", "clerk");
        let mut faults = Faults::default();
        let (_, _) = (scopes(&fields, &mut faults), roles(&fields, &mut faults));
        let faults = faults.into_vec();
        assert!(faults[0].invalid.message.starts_with("line 2:"));
        assert_eq!(faults[1].path, "roles");
    }
}
