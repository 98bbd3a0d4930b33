//! Tables formatted as text.

/// Formats rows as a table with aligned columns: the first left-aligned, the others right-aligned.
/// Control characters are escaped, because cells may come from untrusted files.
pub fn text_table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |cell: &String| cell.chars().count();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(width).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &most))| {
            let padding = " ".repeat(most - width(cell));
            if column == 0 { format!("{cell}{padding}") } else { format!("{padding}{cell}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// A text with its control characters escaped, so that a terminal does not obey them.
pub fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// A count with its noun: `1 clip`, `2 clips`.
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A size in bytes with a suitable unit.
pub fn size(bytes: u64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.into_iter().find(|(unit, _)| bytes as f64 >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "clip")), ["0 clips", "1 clip", "2 clips"]);
    }

    #[test]
    fn sizes_have_a_suitable_unit() {
        let texts = [0, 999, 1_000, 4_044_000, 2_700_000_000].map(size);
        assert_eq!(texts, ["0 bytes", "999 bytes", "1.0 kB", "4.0 MB", "2.7 GB"]);
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["name", "x"], ["a", "10"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(text_table(&rows), "name   x\na     10\n");
        assert_eq!(text_table(&[vec!["a\u{1b}[31m\n".to_owned()]]), "a\\u{1b}[31m\\n\n");
        let long = "x".repeat(100_000);
        assert_eq!(text_table(&[vec![long.clone()], vec!["y".to_owned()]]), format!("{long}\ny\n"));
    }
}
