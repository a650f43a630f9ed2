//! Plain tables for people: aligned columns, numbers to the right.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use std::ops::Range;

/// A table with these headings; columns from `first_number` on are right-aligned.
pub fn table(headings: &[&str], first_number: usize, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    aligned(headings, first_number..headings.len(), rows)
}

/// A table with these headings; the columns `numbers` are right-aligned.
pub fn aligned(headings: &[&str], numbers: Range<usize>, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let align = |column: usize| if numbers.contains(&column) { CellAlignment::Right } else { CellAlignment::Left };
    let cells = |texts: Vec<String>| {
        texts.into_iter().enumerate().map(|(c, text)| Cell::new(text).set_alignment(align(c))).collect::<Vec<_>>()
    };
    table.set_header(cells(headings.iter().map(|h| (*h).to_owned()).collect()));
    for row in rows {
        table.add_row(cells(row));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
