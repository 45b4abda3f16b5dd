//! What every bench shares: rows of the table, and the middle of what was measured.

use anyhow::Result;
use serde::Serialize;

/// One row of the table; `cargo xtask bench` reads it as a line of JSON on standard output.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) row: String,
    /// The number, in `unit`.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The number against a yardstick of the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// The budget in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<&'static str>,
    /// Whether it was met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) met: Option<bool>,
    /// What a reader must know beside it.
    pub(crate) note: String,
}

impl Row {
    /// Prints it.
    ///
    /// # Errors
    ///
    /// If it cannot be written as JSON: a number that is none, say.
    pub(crate) fn print(&self) -> Result<()> {
        anstream::println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// The middle value, which one disturbed round does not move; of none, not a number.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}
