//! The table at the end.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table};

use super::Played;

/// Columns of the terminal that the table is made for.
const WIDTH: u16 = 120;

/// Scene, expected, seen, milliseconds.
pub(super) fn of(played: &[Played]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(["", "scene", "expected", "seen", "ms"]);
    for row in played {
        let (mark, color, seen) = match &row.seen {
            Ok(seen) => ("held", Color::Green, seen.as_str()),
            // The first line says what; the rest was printed with the scene.
            Err(error) => ("broken", Color::Red, error.lines().next().unwrap_or_default()),
        };
        table.add_row([
            Cell::new(mark).fg(color),
            Cell::new(row.scene.name()),
            Cell::new(row.scene.expected()),
            Cell::new(seen),
            Cell::new(row.millis).set_alignment(CellAlignment::Right),
        ]);
    }
    table
}
