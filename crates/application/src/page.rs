/// Which page of a list.
#[derive(Clone, Debug)]
pub struct PageRequest<C> {
    /// How many at most: 1 to 1,000.
    pub first: u32,
    /// Past this one; `None`: from the beginning.
    pub after: Option<C>,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on the page, in the list's order.
    pub items: Vec<T>,
    /// Whether more follows.
    pub has_next: bool,
}

impl<C> PageRequest<C> {
    /// One more than the page holds: whether it is there tells whether more follows.
    pub(crate) fn limit(&self) -> u32 {
        self.first.saturating_add(1)
    }

    pub(crate) fn page<T>(&self, mut items: Vec<T>) -> Page<T> {
        let has_next = items.len() > self.first as usize;
        items.truncate(self.first as usize);
        Page { items, has_next }
    }
}
