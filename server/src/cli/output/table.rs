//! Tables: columns as wide as their widest cell, cut to the terminal's width where there is one,
//! nothing from a client that a terminal would obey.

use std::borrow::Cow;

use tollgate_core::plan::is_unprintable;

use super::Style;
use super::colour::Tone;

/// Columns that a cut cell keeps at least, its mark included.
const CUT_WIDTH_MIN: usize = 8;

/// Between two columns.
const GAP: &str = "  ";

/// What is in one place of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// A cell in a tone, if there is one.
    pub(in crate::cli) fn toned(text: impl Into<String>, tone: Option<Tone>) -> Self {
        Self { text: clean(&text.into()), tone }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::toned(text, None)
    }
}

/// A column: what its heading said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    /// Of numbers: they stand on the right, and are never cut.
    right: bool,
    /// Never cut: somebody copies it.
    whole: bool,
    /// Only in wide tables.
    wide: bool,
}

/// A table in the making.
#[derive(Debug)]
pub(in crate::cli) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these headings. Before its name a heading may have `+` for a column of wide
    /// tables only, then `>` for one of numbers or `=` for one that is never cut.
    pub(in crate::cli) fn new(headings: &[&str]) -> Self {
        let (columns, names) = headings.iter().map(|heading| column(heading)).unzip();
        Self { columns, rows: vec![names] }
    }

    /// Adds a row.
    pub(in crate::cli) fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table as text, or `empty` where no row was added.
    pub(in crate::cli) fn text(&self, style: &Style, empty: &str) -> String {
        if self.rows.len() < 2 {
            return format!("{empty}\n");
        }
        let shown: Vec<_> =
            (0..self.columns.len()).filter(|index| style.wide || !self.is_wide(*index)).collect();
        let widths = self.widths(&shown, style.width);
        let mut text = String::new();
        for row in &self.rows {
            let cells = shown.iter().zip(&widths).filter_map(|(index, width)| {
                Some((row.get(*index)?, self.columns.get(*index)?, *width))
            });
            text.push_str(&line(cells, style));
            text.push('\n');
        }
        text
    }

    fn is_wide(&self, index: usize) -> bool {
        self.columns.get(index).is_some_and(|column| column.wide)
    }

    /// The width of each shown column: of its widest cell, or less where the line would be wider
    /// than the terminal. What cannot be cut makes it wider all the same.
    fn widths(&self, shown: &[usize], most: Option<usize>) -> Vec<usize> {
        let widest = |index: &usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(*index));
            cells.map(Cell::width).max().unwrap_or(0)
        };
        let mut widths: Vec<_> = shown.iter().map(widest).collect();
        let Some(most) = most else { return widths };
        let gaps = GAP.len() * shown.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(most);
        while excess > 0 {
            let cuttable = shown.iter().zip(&mut widths).filter(|(index, width)| {
                let column = self.columns.get(**index);
                **width > CUT_WIDTH_MIN && column.is_some_and(|it| !it.right && !it.whole)
            });
            let Some((_, width)) = cuttable.max_by_key(|(_, width)| **width) else { break };
            *width -= 1;
            excess -= 1;
        }
        widths
    }
}

fn column(heading: &str) -> (Column, Cell) {
    let (wide, rest) = match heading.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, heading),
    };
    let name = rest.trim_start_matches(['>', '=']);
    let column = Column { right: rest.starts_with('>'), whole: rest.starts_with('='), wide };
    (column, Cell::toned(name, Some(Tone::Heading)))
}

fn line<'a>(cells: impl Iterator<Item = (&'a Cell, &'a Column, usize)>, style: &Style) -> String {
    let mut line = String::new();
    // Padding is written before the next cell, so that no line ends with it.
    let mut padding = 0;
    for (cell, column, width) in cells {
        let text = cut(&cell.text, width);
        let free = width.saturating_sub(text.chars().count());
        if column.right {
            padding += free;
        }
        line.push_str(&" ".repeat(padding));
        match cell.tone {
            Some(tone) if !text.is_empty() => line.push_str(&style.paint.of(tone, &text)),
            _ => line.push_str(&text),
        }
        padding = GAP.len() + if column.right { 0 } else { free };
    }
    line
}

fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().count() <= width {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    Cow::Owned(kept + "…")
}

/// A cell for something that may be absent.
pub(in crate::cli) fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A length of time in its two greatest units.
pub(in crate::cli) fn span(seconds: f64) -> String {
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
pub(in crate::cli) fn clean(text: &str) -> String {
    text.replace(is_unprintable, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Paint;

    const PLAIN: Style = Style { wide: false, width: None, paint: Paint(false) };

    #[test]
    fn columns_line_up_and_numbers_stand_on_the_right() {
        let mut table = Table::new(&["NAME", ">HITS", "WHY"]);
        table.row(["a".to_owned(), "10".into(), "x".into()]);
        table.row(["änne".to_owned(), "7".into(), cell::<u8>(None)]);
        let expected = "NAME  HITS  WHY\na       10  x\nänne     7  -\n";
        assert_eq!(table.text(&PLAIN, "none"), expected);
        assert_eq!(Table::new(&["NAME"]).text(&PLAIN, "none"), "none\n");
    }

    #[test]
    fn a_table_shrinks_to_the_terminal_and_keeps_what_somebody_copies() {
        let mut table = Table::new(&["=KEY", "LABEL", ">HITS", "PATH", "+WIDE"]);
        let row = ["0123456789abcdef", "a label of some length", "1234567890", "a.path", "w"];
        table.row(row.map(str::to_owned));
        let text = |width| table.text(&Style { width, ..PLAIN }, "");
        let whole = text(None);
        let longest = whole.lines().map(str::len).max().unwrap();
        assert!(!whole.contains("WIDE") && !whole.contains('…'), "{whole}");
        assert_eq!(text(Some(longest)), whole);
        for width in [longest - 1, longest - 10] {
            let text = text(Some(width));
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert_eq!(widest, width, "{text}");
            assert!(text.contains(row[0]) && text.contains(row[2]), "{text}");
        }
        let narrow = text(Some(1));
        assert!(narrow.contains("a label…  1234567890  a.path"), "{narrow}");
        let wide = table.text(&Style { wide: true, ..PLAIN }, "");
        assert!(wide.contains("WIDE") && wide.contains(row[1]), "{wide}");
    }

    #[test]
    fn colour_moves_no_column() {
        let mut table = Table::new(&["NAME", ">HITS", "WHY"]);
        let cells = ["a", "10", "over"].map(|text| Cell::toned(text, Some(Tone::Bad)));
        table.row(cells);
        let painted = table.text(&Style { paint: Paint(true), ..PLAIN }, "");
        assert!(painted.contains("\u{1b}[31m"), "{painted:?}");
        let mut plain = painted;
        for code in ["\u{1b}[31m", "\u{1b}[1m", "\u{1b}[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, table.text(&PLAIN, ""));
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
        table.row(["\u{1b}[31mred\n".to_owned()]);
        assert_eq!(table.text(&PLAIN, ""), "NAME\n\u{fffd}[31mred\u{fffd}\n");
        assert_eq!(clean("a\u{202e}b\u{2028}c\u{2066}d\u{200f}é"), "a�b�c�d�é");
    }
}
