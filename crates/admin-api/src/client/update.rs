use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use chancery_application::ClientChange;
use chancery_domain::{
    Faults,
    client::Expiry,
    value::{ApiIdentifier, ClientName, Description, Patch},
};

use super::{
    ClientPayload,
    fields::{at, in_days, jwks, metadata, two_ends},
    grant::{GrantInput, grants},
};
use crate::{
    error::Failure,
    input::{self, Input, custom_claims, each, kept, patch},
    scalars::{DateTime, Json},
    session::Session,
    tenant::AuthMethodName,
};

/// What shall change about a client: a field that is left out stays as it is.
#[derive(InputObject)]
pub(crate) struct UpdateClientInput {
    /// The client's id.
    client: ID,
    /// The name for people: 1 to 100 characters. Null takes it away, where the tenant's policy
    /// allows that.
    name: MaybeUndefined<String>,
    /// What it is for: 1 to 500 characters. Null takes it away.
    description: MaybeUndefined<String>,
    /// Whatever you note about it, in place of what was noted: a JSON object of at most 4 KiB.
    metadata: MaybeUndefined<Json>,
    /// In how many days from now it ends, within the bounds of the tenant's policy.
    expires_in_days: Option<i64>,
    /// When it ends, instead of `expiresInDays`. Null: it has no end any more, where the tenant's
    /// policy allows that.
    expires_at: MaybeUndefined<DateTime>,
    /// Claims that it adds to its tokens, in place of those that it had: a JSON object of at most
    /// 4 KiB, without any claim that Chancery sets itself.
    custom_claims: MaybeUndefined<Json>,
    /// The identifiers of the APIs that it serves, in place of those before.
    serves: MaybeUndefined<Vec<String>>,
    /// What it may ask for, each API once, in place of all that it was granted before.
    grants: MaybeUndefined<Vec<GrantInput>>,
    /// What it authenticates with. Another way than before ends its secrets or its keys at once: have
    /// a secret issued afterwards, or give `jwks` with it.
    auth_method: MaybeUndefined<AuthMethodName>,
    /// The public keys that its assertions are signed with, in place of those before: a JSON Web Key
    /// Set of 1 to 5 keys. A key that stays keeps its id; one that was revoked cannot come back.
    jwks: MaybeUndefined<Json>,
    /// The version on which you decided, as `version` of the client has it: when the client was changed since, nothing
    /// changes and the answer is a `CONFLICT`. Left out: whichever it has now.
    expected_version: Option<String>,
    /// A UUID that makes a retry harmless: for seven days, the same id with the same input answers
    /// with the same ids and changes nothing, and with another input is a `CONFLICT`.
    command_id: Option<String>,
}

impl Input for UpdateClientInput {
    type Parsed = ClientChange;

    fn command_id(&self) -> Option<&str> {
        self.command_id.as_deref()
    }

    fn parse(self, faults: &mut Faults) -> Option<ClientChange> {
        let client = faults.take("client", self.client.parse());
        let name = patch(faults, "name", self.name, |name| ClientName::parse(&name));
        let description = patch(faults, "description", self.description, |text| {
            Description::parse(&text)
        });
        let metadata = kept(faults, "metadata", self.metadata).map(metadata);
        let metadata = faults.take_optional("metadata", metadata);
        let expiry = expiry(faults, self.expires_in_days, self.expires_at);
        let custom_claims = kept(faults, "customClaims", self.custom_claims).map(custom_claims);
        let custom_claims = faults.take_optional("customClaims", custom_claims);
        let serves = kept(faults, "serves", self.serves)
            .map(|serves| each(faults, "serves", &serves, ApiIdentifier::parse));
        let grants = kept(faults, "grants", self.grants).map(|given| grants(faults, given));
        let auth_method = kept(faults, "authMethod", self.auth_method).map(Into::into);
        let given = kept(faults, "jwks", self.jwks);
        let jwks = jwks(faults, given);
        let expected = self.expected_version.as_deref().map(input::version);
        let expected = faults.take_optional("expectedVersion", expected);
        Some(ClientChange {
            client: client?,
            expected_version: expected?,
            name,
            description,
            metadata: metadata?,
            expiry,
            custom_claims: custom_claims?,
            serves,
            grants,
            auth_method,
            jwks,
        })
    }
}

fn expiry(
    faults: &mut Faults,
    days: Option<i64>,
    moment: MaybeUndefined<DateTime>,
) -> Patch<Expiry> {
    if days.is_some() && !moment.is_undefined() {
        faults.add("expiresInDays", two_ends());
    }
    let moment = patch(faults, "expiresAt", moment, |moment| at(&moment));
    let days = days.and_then(|days| faults.take("expiresInDays", in_days(days)));
    days.map_or(moment, Patch::Set)
}

/// `updateClient`.
#[derive(Default)]
pub(crate) struct UpdateClient;

#[Object]
impl UpdateClient {
    /// Changes a client. What stays the same is no change and is not written to the roll. Needs
    /// `tenant:admin` of its tenant, or `platform:admin`; nobody can grant a scope of the admin API
    /// that they do not hold.
    async fn update_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client, and what shall change.")] input: UpdateClientInput,
    ) -> Result<ClientPayload, Failure> {
        let (change, request) = input::parsed(ctx, input)?;
        let session = Session::of(ctx)?;
        let changed = session
            .application
            .update_client(&session.caller, change, &request)
            .await?;
        Ok(ClientPayload::of(changed))
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{InputType, Name, Value, value};
    use chancery_domain::ClientId;

    use super::*;
    use crate::input::testing;

    fn input(changes: Value) -> UpdateClientInput {
        let Value::Object(mut members) = changes else {
            panic!("an object")
        };
        members.insert(
            Name::new("client"),
            ClientId::from_bytes([7; 16]).to_string().into(),
        );
        InputType::parse(Some(Value::Object(members)))
            .map_err(|_| "not an input")
            .unwrap()
    }

    fn right(changes: Value) -> ClientChange {
        testing::right(input(changes))
    }

    fn faults(changes: Value) -> Vec<(String, &'static str)> {
        testing::faults(input(changes))
    }

    #[test]
    fn what_is_left_out_stays() {
        let change = right(value!({}));
        assert!(
            change.name == Patch::Keep
                && change.description == Patch::Keep
                && change.expiry == Patch::Keep
        );
        assert!(change.metadata.is_none() && change.custom_claims.is_none());
        assert!(change.serves.is_none() && change.grants.is_none());
        assert!(change.auth_method.is_none() && change.jwks.is_none());
    }

    #[test]
    fn a_version_that_was_read_is_given_back_as_text() {
        assert_eq!(right(value!({})).expected_version, None);
        let change = right(value!({"expectedVersion": "12"}));
        assert_eq!(change.expected_version, Some(12));
        let wrong = value!({"expectedVersion": "latest"});
        assert_eq!(
            faults(wrong),
            testing::at(&[("expectedVersion", "version")])
        );
    }

    #[test]
    fn null_clears_what_can_be_absent_and_an_empty_value_the_rest() {
        let change = right(value!({
            "name": null, "description": null, "expiresAt": null,
            "metadata": {}, "customClaims": {}, "serves": [], "grants": [],
        }));
        assert!(
            change.name == Patch::Clear
                && change.description == Patch::Clear
                && change.expiry == Patch::Clear
        );
        assert!(change.metadata.unwrap().is_empty() && change.custom_claims.unwrap().is_empty());
        assert!(change.serves.unwrap().is_empty() && change.grants.unwrap().is_empty());
    }

    #[test]
    fn null_is_no_way_to_take_all_grants_away() {
        assert_eq!(
            faults(
                value!({"metadata": null, "customClaims": null, "serves": null, "grants": null, "authMethod": null, "jwks": null})
            ),
            testing::at(&[
                ("metadata", "null"),
                ("customClaims", "null"),
                ("serves", "null"),
                ("grants", "null"),
                ("authMethod", "null"),
                ("jwks", "null")
            ])
        );
    }

    #[test]
    fn an_end_is_moved_removed_or_given_in_days() {
        assert_eq!(
            right(value!({"expiresInDays": 30})).expiry,
            Patch::Set(Expiry::InDays(30))
        );
        let moment = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            right(value!({"expiresAt": "2027-01-01T00:00:00Z"})).expiry,
            Patch::Set(Expiry::At(moment))
        );
        for both in [
            value!({"expiresInDays": 1, "expiresAt": null}),
            value!({"expiresInDays": 1, "expiresAt": "2027-01-01T00:00:00Z"}),
        ] {
            assert_eq!(faults(both), testing::at(&[("expiresInDays", "one_of")]));
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let wrong = value!({
            "name": "", "description": "a\nb", "metadata": 1, "expiresInDays": -1,
            "customClaims": {"sub": 1}, "serves": ["x"], "grants": [{"api": "x", "scopes": [""]}],
        });
        assert_eq!(
            faults(wrong),
            testing::at(&[
                ("name", "empty"),
                ("description", "control_character"),
                ("metadata", "json_object"),
                ("expiresInDays", "range"),
                ("customClaims", "reserved_claim"),
                ("serves[0]", "identifier"),
                ("grants[0].api", "identifier"),
                ("grants[0].scopes[0]", "scope"),
            ])
        );
    }
}
