//! An HTML page: sections of text, tables and figures.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::svg::Svg;

const STYLE: &str = include_str!("page.css");
const PLOT_STYLE: &str = include_str!("plot.css");
/// Whatever a label may contain, the browser loads and runs nothing.
const POLICY: &str = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'";

/// A page under construction.
pub struct Page {
    title: String,
    sections: Vec<Section>,
    tables: usize,
    figures: usize,
    files: Vec<(String, Vec<u8>)>,
}

struct Section {
    name: String,
    body: Vec<Markup>,
}

/// A cell of a table.
pub enum Cell {
    Text(String),
    /// Right-aligned, with tabular figures.
    Number(String),
    /// The best number of its column.
    Best(String),
}

impl Page {
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), sections: Vec::new(), tables: 0, figures: 0, files: Vec::new() }
    }

    /// Starts a section.
    pub fn section(&mut self, name: &str) {
        self.sections.push(Section { name: name.to_owned(), body: Vec::new() });
    }

    pub fn paragraph(&mut self, text: &str) {
        self.put(html! { p { (text) } });
    }

    /// Adds a paragraph about something that is missing.
    pub fn note(&mut self, text: &str) {
        self.put(html! { p.note { (text) } });
    }

    /// Adds a table; the first cell of each row is its header.
    pub fn table(&mut self, caption: &str, header: &[&str], rows: &[Vec<Cell>]) {
        self.tables += 1;
        let (number, id) = (self.tables, format!("t{}", self.tables));
        // A column header is aligned like its column.
        let is_number =
            |column: usize| !matches!(rows.first().and_then(|row| row.get(column)), Some(Cell::Text(_)) | None);
        self.put(html! {
            div.scroll role="region" aria-labelledby=(id) tabindex="0" {
                table {
                    caption id=(id) { b { "Table " (number) "." } " " (caption) }
                    thead {
                        tr {
                            @for (column, name) in header.iter().enumerate() {
                                th.n[is_number(column)] scope="col" { (name) }
                            }
                        }
                    }
                    tbody {
                        @for row in rows {
                            tr { @for (column, cell) in row.iter().enumerate() { (cell.markup(column == 0)) } }
                        }
                    }
                }
            }
        });
    }

    /// Adds a plot, which is also written as a file.
    pub fn plot(&mut self, file: &str, plot: &Svg, caption: &str) {
        self.figures += 1;
        let number = self.figures;
        self.put(html! {
            figure {
                div.scroll { (PreEscaped(plot.inline())) }
                figcaption { b { "Figure " (number) "." } " " (caption) }
            }
        });
        self.files.push((format!("{file}.svg"), plot.file().into_bytes()));
    }

    /// Adds a file next to the page.
    pub fn file(&mut self, name: String, bytes: Vec<u8>) {
        self.files.push((name, bytes));
    }

    /// Adds preformatted text that is collapsed initially.
    pub fn folded(&mut self, summary: &str, text: &str) {
        self.put(html! { details { summary { (summary) } pre { (text) } } });
    }

    /// Appends markup to the current section.
    pub fn put(&mut self, piece: Markup) {
        if let Some(section) = self.sections.last_mut() {
            section.body.push(piece);
        }
    }

    /// The files next to the page, with names and contents.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Renders the page.
    pub fn html(&self) -> String {
        let sections = || self.sections.iter().enumerate().map(|(i, section)| (format!("s{}", i + 1), section));
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) (PreEscaped(PLOT_STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        nav aria-label="Contents" {
                            ol { @for (id, section) in sections() { li { a href={ "#" (id) } { (section.name) } } } }
                        }
                    }
                    main {
                        @for (id, section) in sections() {
                            section aria-labelledby=(id) {
                                h2 id=(id) { (section.name) }
                                @for piece in &section.body { (piece) "\n" }
                            }
                        }
                    }
                }
            }
        };
        page.into_string()
    }
}

impl Cell {
    fn markup(&self, is_head: bool) -> Markup {
        let (is_number, text) = match self {
            Self::Text(text) => (false, html! { (text) }),
            Self::Number(text) => (true, html! { (text) }),
            Self::Best(text) => (true, html! { strong { (text) } }),
        };
        let class = is_number.then_some("n");
        match is_head {
            true => html! { th class=[class] scope="row" { (text) } },
            false => html! { td class=[class] { (text) } },
        }
    }
}
