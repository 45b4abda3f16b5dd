//! The rows that benches print, and the table made of them.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// One measured thing.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// What was measured.
    row: String,
    /// The measured number, in `unit`. It depends on the machine.
    value: f64,
    /// The number's unit: `messages/s`, `ms`.
    unit: String,
    /// The number against a yardstick of the same run, where there is one. It is what a reader
    /// with another machine can compare.
    ratio: Option<f64>,
    /// The budget in words: `≥ 60 % of a bare client`.
    budget: Option<String>,
    /// Whether the budget was met; `None` where there is none.
    pub(super) met: Option<bool>,
    /// What a reader must know beside it.
    note: Option<String>,
}

impl Row {
    /// A row from a bench's line of JSON; an unknown field is refused, so that a misspelt one is
    /// not lost.
    pub(super) fn parse(line: &str) -> Result<Self> {
        let known = ["row", "value", "unit", "ratio", "budget", "met", "note"];
        let json: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        let fields = json.as_object().with_context(|| format!("no JSON object: {line}"))?;
        if let Some(field) = fields.keys().find(|field| !known.contains(&field.as_str())) {
            bail!("unknown field {field}: {line}");
        }
        let text = |field: &str| fields.get(field).and_then(Value::as_str).map(str::to_owned);
        let number = |field: &str| fields.get(field).and_then(Value::as_f64);
        let missing =
            |field: &str| format!("the field {field} is missing or of another type: {line}");
        Ok(Self {
            row: text("row").with_context(|| missing("row"))?,
            value: number("value").with_context(|| missing("value"))?,
            unit: text("unit").with_context(|| missing("unit"))?,
            ratio: number("ratio"),
            budget: text("budget"),
            met: fields.get("met").and_then(Value::as_bool),
            note: text("note"),
        })
    }
}

/// The table in Markdown: rows with a ratio first, and the ratio before the number, because
/// numbers of two machines do not compare.
pub(super) fn render(rows: &[Row]) -> String {
    let (with_ratio, without): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.ratio.is_some());
    let mut table = String::from(
        "| what | ratio | measured | budget | met | note |\n|---|--:|--:|---|---|---|\n",
    );
    for row in with_ratio.into_iter().chain(without) {
        let cells = [
            row.row.clone(),
            row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            format!("{} {}", readable(row.value), row.unit),
            row.budget.clone().unwrap_or_default(),
            row.met.map_or("", |met| if met { "yes" } else { "**no**" }).to_owned(),
            row.note.clone().unwrap_or_default(),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}

/// A number with as many digits as it deserves: thousands in groups, small ones with decimals.
fn readable(value: f64) -> String {
    if value.abs() < 100.0 {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.as_str()),
    };
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"row":"pushes","value":101234.5,"unit":"pushes/s","ratio":0.7123,
        "budget":"≥ 0.60","met":true,"note":"one | core"}"#;
    const BARE: &str = r#"{"row":"start","value":12.5,"unit":"ms"}"#;

    #[test]
    fn rows_with_a_ratio_come_first() {
        let rows = [BARE, FULL].map(|line| Row::parse(line).expect("the sample is a row"));
        let table = render(&rows);
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| pushes | 0.71 | 101,234 pushes/s | ≥ 0.60 | yes | one \\| core |",
                "| start |  | 12.5 ms |  |  |  |",
            ]
        );
    }

    #[test]
    fn a_line_that_is_no_row_is_refused_by_name() {
        for (line, problem) in [
            (r#"{"row":"a","value":1,"unit":"s","ratoi":1}"#, "unknown field ratoi"),
            (r#"{"row":"a","unit":"s"}"#, "the field value is missing"),
            (r#"{"row":"a","value":"1","unit":"s"}"#, "the field value is missing"),
            ("{", "no JSON"),
        ] {
            let error = format!("{:#}", Row::parse(line).expect_err(line));
            assert!(error.contains(problem), "{line}: {error}");
        }
    }

    #[test]
    fn numbers_are_readable() {
        for (value, text) in [
            (0.0, "0"),
            (3.1, "3.1"),
            (99.999, "100"),
            (100.0, "100"),
            (1234567.0, "1,234,567"),
            (-1234.0, "-1,234"),
        ] {
            assert_eq!(readable(value), text);
        }
    }
}
