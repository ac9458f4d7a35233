/// What a partial update says of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Left out: stays as it is.
    #[default]
    Keep,
    /// Null: no value any more.
    Clear,
    /// A new value.
    Set(T),
}

impl<T: Clone> Patch<T> {
    /// The field after the update.
    pub fn over(&self, before: Option<&T>) -> Option<T> {
        match self {
            Self::Keep => before.cloned(),
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_out_stays_null_clears_and_a_value_replaces() {
        assert_eq!(Patch::Keep.over(Some(&1)), Some(1));
        assert_eq!(Patch::Clear.over(Some(&1)), None);
        assert_eq!(Patch::Set(2).over(Some(&1)), Some(2));
    }
}
