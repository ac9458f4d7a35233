//! The commands that are measured: as a question to GraphQL, and as what the domain decides.

use chancery_crypto::Entropy;
use chancery_domain::{
    ClientId, Command, Faults, KeyId,
    client::{CreateClient, NewClientKey, UpdateClient},
    secret_rotation::RotateSecret,
    tenant::AuthMethod,
    value::{ClientJwks, Description, Patch},
};
use serde_json::{Value, json};

use super::Place;
use crate::{
    error::Error,
    machine::now,
    seed::Seeder,
    tenant::{mutation, new_client},
};

#[derive(Clone, Copy)]
pub(super) enum Verb {
    Update,
    CreateWithKey,
    Create,
    Rotate,
}

impl Verb {
    pub(super) const ALL: [Self; 4] = [
        Self::Update,
        Self::CreateWithKey,
        Self::Create,
        Self::Rotate,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Update => "`updateClient`",
            Self::CreateWithKey => "`createClient` with a key",
            Self::Create => "`createClient` with a secret",
            Self::Rotate => "`rotateClientSecret`",
        }
    }

    /// What GraphQL is asked. `round` makes every change one that changes something.
    pub(super) fn question(
        self,
        places: &[Place],
        number: usize,
        round: usize,
        jwks: &Value,
    ) -> Value {
        let (place, client) = of_turn(places, number);
        match self {
            Self::Update => {
                let input = json!({"client": client, "description": description(round, number)});
                mutation("updateClient", "client { id }", &input)
            }
            Self::CreateWithKey => {
                let mut input = new_client(&place.tenant.slug, "made");
                input["authMethod"] = json!("PRIVATE_KEY_JWT");
                input["jwks"] = jwks.clone();
                mutation("createClient", "client { id }", &input)
            }
            Self::Create => {
                let input = new_client(&place.tenant.slug, "made");
                mutation("createClient", "client { id } secret { plaintext }", &input)
            }
            Self::Rotate => {
                let input = json!({"client": client, "overlapSeconds": 0});
                mutation("rotateClientSecret", "secret { plaintext }", &input)
            }
        }
    }

    /// The same as the command that the server makes of it.
    pub(super) async fn command(
        self,
        seeder: &Seeder,
        client: &str,
        text: &str,
        jwks: &Value,
    ) -> Result<Box<dyn Command>, Error> {
        let (entropy, tenant): (&dyn Entropy, _) = (&seeder.entropy, seeder.tenant);
        let known = || client.parse::<ClientId>().map_err(Error::wrong);
        let new = ClientId::new(now(), entropy.bytes());
        Ok(match self {
            Self::Update => Box::new(UpdateClient {
                description: Patch::Set(Description::parse(text).map_err(Error::wrong)?),
                ..UpdateClient::keeping(tenant, known()?)
            }),
            Self::CreateWithKey => {
                let jwks = ClientJwks::parse("jwks", jwks.clone(), &mut Faults::default())
                    .ok_or_else(|| Error::wrong("the key set is not one of a client"))?;
                let id = || KeyId::new(now(), entropy.bytes());
                Box::new(CreateClient {
                    auth_method: AuthMethod::PrivateKeyJwt,
                    keys: Some(NewClientKey::of(&jwks, id)),
                    ..seeder.create(new, "made")?
                })
            }
            Self::Create => Box::new(CreateClient {
                secret: Some(seeder.secret(new).await?.1),
                ..seeder.create(new, "made")?
            }),
            Self::Rotate => {
                let client = known()?;
                Box::new(RotateSecret {
                    tenant,
                    client,
                    secret: seeder.secret(client).await?.1,
                    label: None,
                    overlap_seconds: Some(0),
                })
            }
        })
    }
}

/// Whose turn it is: one tenant after the other, and of each one client after the other.
fn of_turn(places: &[Place], number: usize) -> (&Place, &str) {
    let place = &places[number % places.len()];
    let client = &place.clients[number / places.len() % place.clients.len()];
    (place, client)
}

fn description(round: usize, number: usize) -> String {
    format!("change {number} of round {round}")
}
