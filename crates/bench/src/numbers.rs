//! What several measurements say together.

/// The value in the middle; of an even number the mean of the two there. Of none it is 0.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let below = values.get(values.len().saturating_sub(1) / 2);
    let above = values.get(values.len() / 2);
    below
        .zip(above)
        .map_or(0.0, |(below, above)| f64::midpoint(*below, *above))
}

/// The least and the greatest. Of none both are 0.
pub(crate) fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values
        .into_iter()
        .map(|value| (value, value))
        .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
        .unwrap_or_default()
}

/// How many times the least the greatest is: how much something differs from itself.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> f64 {
    let (least, greatest) = range(values);
    greatest / least
}

#[cfg(test)]
mod tests {
    use super::{median, range, spread};

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert!((median([4.0, 1.0, 2.0, 8.0]) - 3.0).abs() < 1e-9);
        assert!((median([1.94, 1.59]) - 1.765).abs() < 1e-9);
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!(median([]).abs() < 1e-9);
    }

    #[test]
    fn a_spread_is_of_the_greatest_to_the_least() {
        assert_eq!(range([2.0, 1.0, 3.0]), (1.0, 3.0));
        assert!((spread([2.0, 4.0, 3.0]) - 2.0).abs() < 1e-9);
    }
}
