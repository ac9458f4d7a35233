use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use chancery_application::ApiChange;
use chancery_domain::{Faults, value::ApiName};

use super::{
    ApiPayload,
    create::{RoleInput, ScopeInput, roles, scopes},
};
use crate::{
    error::Failure,
    input::{self, Input, custom_claims, kept, number, patch},
    scalars::Json,
    session::Session,
    tenant::SigningAlgorithmName,
};

/// What shall change about an API: a field that is left out stays as it is.
#[derive(InputObject)]
pub(crate) struct UpdateApiInput {
    /// The API's id.
    api: ID,
    /// The name for people: 1 to 100 characters.
    name: MaybeUndefined<String>,
    /// The API's scopes, in place of those before: at most 500. Of a scope that is missing, whatever
    /// clients were granted counts for nothing any more, also after it has come back, until it is granted
    /// again; roles that grant it must be changed too.
    scopes: MaybeUndefined<Vec<ScopeInput>>,
    /// The API's roles, in place of those before: at most 500. A role that goes and comes back is another
    /// one of the same name: who had the first has to be granted the second.
    roles: MaybeUndefined<Vec<RoleInput>>,
    /// Claims that it adds to its tokens, in place of those that it had: a JSON object of at most 4 KiB,
    /// without any claim that Chancery sets itself, in any letter case.
    custom_claims: MaybeUndefined<Json>,
    /// How long its access tokens live, in seconds: 60 to 86,400. Null: as the tenant's policy has it.
    access_token_seconds: MaybeUndefined<i64>,
    /// How its tokens are signed. Null: as the tenant's policy has it. An algorithm that the tenant has
    /// not signed with before gets a key.
    signing_algorithm: MaybeUndefined<SigningAlgorithmName>,
    /// The version on which you decided, as `version` of the API has it: when the API was changed since, nothing
    /// changes and the answer is a `CONFLICT`. Left out: whichever it has now.
    expected_version: Option<String>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for UpdateApiInput {
    type Parsed = ApiChange;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<ApiChange> {
        let api = faults.take("api", self.api.parse());
        let name = kept(faults, "name", self.name).map(|name| ApiName::parse(&name));
        let name = faults.take_optional("name", name);
        let scopes = kept(faults, "scopes", self.scopes).map(|given| scopes(faults, given));
        let roles = kept(faults, "roles", self.roles).map(|given| roles(faults, given));
        let custom_claims = kept(faults, "customClaims", self.custom_claims).map(custom_claims);
        let custom_claims = faults.take_optional("customClaims", custom_claims);
        let access_token_seconds = patch(
            faults,
            "accessTokenSeconds",
            self.access_token_seconds,
            number,
        );
        let signing_algorithm = patch(
            faults,
            "signingAlgorithm",
            self.signing_algorithm,
            |algorithm| Ok(algorithm.into()),
        );
        let expected = self.expected_version.as_deref().map(input::version);
        let expected = faults.take_optional("expectedVersion", expected);
        Some(ApiChange {
            api: api?,
            expected_version: expected?,
            name: name?,
            scopes,
            roles,
            custom_claims: custom_claims?,
            access_token_seconds,
            signing_algorithm,
        })
    }
}

/// `updateApi`.
#[derive(Default)]
pub(crate) struct UpdateApi;

#[Object]
impl UpdateApi {
    /// Changes an API. What stays the same is no change and is not written to the roll. The built-in
    /// admin API and retired ones cannot be changed. Needs `tenant:admin` of its tenant, or
    /// `platform:admin`.
    async fn update_api(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The API, and what shall change.")] input: UpdateApiInput,
    ) -> Result<ApiPayload, Failure> {
        let (change, request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let changed = session
            .application
            .update_api(&session.caller, change, &request)
            .await?;
        ApiPayload::of(session, changed).await
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{InputType, Name, Value, value};
    use chancery_domain::{ApiId, tenant::SigningAlgorithm, value::Patch};

    use super::*;
    use crate::input::testing::{self, at};

    fn input(changes: Value) -> UpdateApiInput {
        let Value::Object(mut members) = changes else {
            panic!("an object")
        };
        let id = ApiId::from_bytes([7; 16]).to_string();
        members.insert(Name::new("api"), id.into());
        InputType::parse(Some(Value::Object(members)))
            .map_err(|_| "not an input")
            .unwrap()
    }

    #[test]
    fn what_is_left_out_stays() {
        let change = testing::right(input(value!({})));
        assert!(change.name.is_none() && change.scopes.is_none() && change.roles.is_none());
        assert_eq!(change.access_token_seconds, Patch::Keep);
        assert_eq!(change.signing_algorithm, Patch::Keep);
    }

    #[test]
    fn null_clears_the_token_settings_alone() {
        let change = testing::right(input(
            value!({"accessTokenSeconds": null, "signingAlgorithm": null, "scopes": [], "roles": []}),
        ));
        assert_eq!(change.access_token_seconds, Patch::Clear);
        assert_eq!(change.signing_algorithm, Patch::Clear);
        assert!(change.scopes.unwrap().is_empty() && change.roles.unwrap().is_empty());
        let nulls = input(value!({"name": null, "scopes": null, "roles": null}));
        assert_eq!(
            testing::faults(nulls),
            at(&[("name", "null"), ("scopes", "null"), ("roles", "null")])
        );
    }

    #[test]
    fn values_replace_and_every_fault_is_named() {
        let change = testing::right(input(
            value!({"name": "Sales", "accessTokenSeconds": 60, "signingAlgorithm": (async_graphql::Value::Enum(Name::new("EDDSA")))}),
        ));
        assert_eq!(change.access_token_seconds, Patch::Set(60));
        assert_eq!(
            change.signing_algorithm,
            Patch::Set(SigningAlgorithm::EdDsa)
        );
        let faulty = input(value!({
            "name": "", "scopes": [{"name": "a b"}], "roles": [{"name": "r", "scopes": ["n o"]}],
            "accessTokenSeconds": -1,
        }));
        assert_eq!(
            testing::faults(faulty),
            at(&[
                ("name", "empty"),
                ("scopes[0].name", "scope"),
                ("roles[0].scopes[0]", "scope"),
                ("accessTokenSeconds", "range"),
            ])
        );
    }
}
