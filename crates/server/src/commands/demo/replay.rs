//! The tenant once more, from its events alone, and the comparison with what the server keeps.

use chancery_domain::TenantId;
use chancery_event_store::Store;
use chancery_projections::check;

use crate::{exit::Failure, progress::Watching};

/// Prints the roll, rebuilds every row from it and compares.
pub(super) async fn replay(store: &Store, tenant: TenantId) -> Result<(), Failure> {
    let fault = |error| Failure::store(&error);
    let roll = store.events_page(tenant, 0, 10_000).await.map_err(fault)?;
    for entry in &roll {
        say!(
            "  {:>2}  {}  {:<18} {}",
            entry.tenant_seq,
            entry.recorded_at,
            entry.event.kind().0,
            entry.stream
        );
    }
    say!();
    let mut watch = Watching::new("comparing", 0);
    let checked = check(store, tenant, &mut watch).await.map_err(fault)?;
    say!("  {} entries, numbered without a gap", checked.events);
    if let Some(difference) = watch.differences.first() {
        return Err(Failure::refused(difference));
    }
    say!(
        "  {} rows rebuilt from them, each equal to the one that the server keeps\n",
        checked.rows
    );
    Ok(())
}
