use crate::check::Difference;

/// Who hears how long work goes on.
pub trait Watch: Send {
    /// So many more events were folded.
    fn folded(&mut self, _events: u64) {}

    /// A row is not what its events add up to.
    fn differs(&mut self, _difference: Difference) {}
}

/// Nobody.
impl Watch for () {}
