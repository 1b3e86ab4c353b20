//! Tables of plain text: columns as wide as their widest cell, no colour, nothing that a terminal
//! would obey.

use tollgate_core::plan::is_unprintable;

/// A table in the making.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// A table with these headings; a heading that starts with `>` is of a column of numbers.
    pub(super) fn new(headings: &[&str]) -> Self {
        let right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let names = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned());
        Self { rows: vec![names.collect()], right }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clean(&cell)).collect());
    }

    /// The table as text, or `empty` where no row was added.
    pub(super) fn text(&self, empty: &str) -> String {
        if self.rows.len() < 2 {
            return format!("{empty}\n");
        }
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.right.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&self.right) {
                let padding = " ".repeat(width - cell.chars().count());
                let (before, after) =
                    if *right { (padding, String::new()) } else { (String::new(), padding) };
                line.push_str(&format!("{before}{cell}{after}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A cell for something that may be absent.
pub(super) fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A length of time in its two greatest units.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.ceil() as u64;
    match whole {
        _ if seconds < 60.0 => format!("{}s", (seconds * 10.0).ceil() / 10.0),
        0..3_600 => format!("{}m {}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h {}m", whole / 3_600, whole / 60 % 60),
        _ => format!("{}d {}h", whole / 86_400, whole / 3_600 % 24),
    }
    .replace(" 0s", "")
    .replace(" 0m", "")
    .replace(" 0h", "")
}

/// Text without characters that a terminal obeys: values come from clients.
pub(super) fn clean(text: &str) -> String {
    text.replace(is_unprintable, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_stand_on_the_right() {
        let mut table = Table::new(&["NAME", ">HITS", "WHY"]);
        table.row(["a".into(), "10".into(), "x".into()]);
        table.row(["änne".into(), "7".into(), cell::<u8>(None)]);
        assert_eq!(table.text("none"), "NAME  HITS  WHY\na       10  x\nänne     7  -\n");
        assert_eq!(Table::new(&["NAME"]).text("none"), "none\n");
    }

    #[test]
    fn a_length_of_time_reads_in_its_greatest_units() {
        for (seconds, text) in [
            (0.0, "0s"),
            (0.001, "0.1s"),
            (1.0, "1s"),
            (59.91, "60s"),
            (60.0, "1m"),
            (90.5, "1m 31s"),
            (3_600.0, "1h"),
            (5_400.0, "1h 30m"),
            (31_536_000.0, "365d"),
            (90_000.0, "1d 1h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_value_cannot_drive_the_terminal() {
        let mut table = Table::new(&["NAME"]);
        table.row(["\u{1b}[31mred\n".into()]);
        assert_eq!(table.text(""), "NAME\n\u{fffd}[31mred\u{fffd}\n");
        assert_eq!(clean("a\u{202e}b\u{2028}c\u{2066}d\u{200f}é"), "a�b�c�d�é");
    }
}
