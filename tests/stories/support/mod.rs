//! A platform in a box, and what the stories say to it.

mod browser;
pub(crate) mod changes;
mod chromium;
mod dump;
mod graphql;
mod log;
mod private_keys;
mod signer;
mod socket;
mod tokens;
mod verifier;
mod world;

pub(crate) use browser::{Browser, Page, tenant_admin, unescaped};
pub(crate) use chromium::Chromium;
pub(crate) use dump::{dump, dump_tokens, rows_of_secret, rows_with, run_sql};
pub(crate) use graphql::{Answer, GraphQl};
pub(crate) use log::{keep_log, kept_log};
pub(crate) use private_keys::{private_keys, spellings};
pub(crate) use signer::{Signer, assertion_claims};
pub(crate) use socket::{Socket, number};
pub(crate) use tokens::{TokenAnswer, TokenRequest, claims};
pub(crate) use verifier::Verifier;
pub(crate) use world::{Acme, World};

/// Makes a story into two tests, one for each store.
macro_rules! story {
    ($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block) => {
        mod $name {
            use super::*;

            async fn tell($world: World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$meta])*
            async fn sqlite() {
                tell(World::start(chancery_testkit::stores::TestStore::sqlite().await).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$meta])*
            async fn postgres() {
                tell(World::start(chancery_testkit::stores::TestStore::postgres().await).await).await;
            }
        }
    };
}
pub(crate) use story;
