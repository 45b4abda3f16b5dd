//! Counts as numbers to divide by.

/// Counts here are far below 2^53, up to which an `f64` holds every integer.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) const fn count(number: usize) -> f64 {
    number as f64
}
