//! The sealer's rhythm in a running server: soon after a change of this node, and every few seconds for
//! what other nodes have changed or left.

use std::time::Duration;

use chancery_application::{Application, Patrol};
use chancery_telemetry::causes;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often it looks for what is not sealed, whoever wrote it.
const SWEEP: Duration = Duration::from_secs(5);

/// How long changes that come one after another may gather before they are sealed together.
const GATHER: Duration = Duration::from_millis(200);

/// How many sweeps there are between two reminders of an alarm: ten minutes.
const REMIND: u64 = 120;

/// Of how many tenants it is reminded.
const STOPPED: u32 = 100;

/// Seals for ever. Nothing waits for it, and several nodes may do it at once.
pub(crate) async fn run(application: Application) {
    let mut sweeps = interval(SWEEP);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut patrol = Patrol::default();
    let mut swept: u64 = 0;
    loop {
        tokio::select! {
            _ = sweeps.tick() => {
                if let Err(error) = application.patrol(&mut patrol).await {
                    tracing::warn!(error = causes(&error), "sealed entries could not be looked at again; the next round tries again");
                }
                if swept.is_multiple_of(REMIND) {
                    remind(&application).await;
                }
                swept += 1;
            }
            () = application.changed() => sleep(GATHER).await,
        }
        seal(&application).await;
    }
}

async fn seal(application: &Application) {
    loop {
        match application.seal_rolls().await {
            Ok(round) if round.more => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(
                    error = causes(&error),
                    "the rolls could not be sealed; the next round tries again"
                );
                return;
            }
        }
    }
}

/// An alarm that was raised long ago, or on another node, is still one.
async fn remind(application: &Application) {
    match application.stopped_seals(STOPPED).await {
        Ok(stopped) => {
            for (tenant, fault) in stopped {
                tracing::error!(%tenant, fault, "ALARM: the sealing of this roll has stopped; see `chancery audit export`");
            }
        }
        Err(error) => {
            tracing::warn!(
                error = causes(&error),
                "it cannot be seen whether the sealing of a roll has stopped"
            );
        }
    }
}
