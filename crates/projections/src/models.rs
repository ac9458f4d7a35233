use chancery_domain::AggregateType;

use crate::{
    apis::Apis, client_secrets::ClientSecrets, clients::Clients, key_rings::KeyRings, model::Model,
    tenants::Tenants,
};

/// Does the same for every read model, under the name that is given to it.
macro_rules! for_each_model {
    ($model:ident => $do:expr) => {{
        {
            type $model = $crate::tenants::Tenants;
            $do;
        }
        {
            type $model = $crate::key_rings::KeyRings;
            $do;
        }
        {
            type $model = $crate::apis::Apis;
            $do;
        }
        {
            type $model = $crate::clients::Clients;
            $do;
        }
        {
            type $model = $crate::client_secrets::ClientSecrets;
            $do;
        }
    }};
}
pub(crate) use for_each_model;

/// The table in which an aggregate has its row.
pub(crate) fn table_of(kind: AggregateType) -> &'static str {
    match kind {
        AggregateType::Tenant => Tenants::TABLE,
        AggregateType::KeyRing => KeyRings::TABLE,
        AggregateType::Api => Apis::TABLE,
        AggregateType::Client => Clients::TABLE,
        AggregateType::SecretRotation => ClientSecrets::TABLE,
    }
}
