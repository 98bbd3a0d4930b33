//! A page: headed sections of text, tables and figures, well-formed as HTML and as XML.

use std::fmt::Write;

use super::svg::{Svg, escape};

const STYLE: &str = include_str!("page.css");
const PLOT_STYLE: &str = include_str!("plot.css");
/// Whatever a label might smuggle in, a browser loads and runs nothing.
const POLICY: &str = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'";

/// A page under way.
pub struct Page {
    title: String,
    /// Section names; their places are `s1`, `s2`, ...
    contents: Vec<String>,
    body: String,
    tables: usize,
    figures: usize,
    files: Vec<(String, Vec<u8>)>,
}

/// A table's cell.
pub enum Cell {
    Text(String),
    /// To the right, with digits of one width.
    Number(String),
    /// The best of its column.
    Best(String),
}

impl Page {
    pub fn new(title: &str) -> Self {
        let (contents, body, files) = (Vec::new(), String::new(), Vec::new());
        Self { title: title.to_owned(), contents, body, tables: 0, figures: 0, files }
    }

    /// Begins a section.
    pub fn section(&mut self, name: &str) {
        if !self.contents.is_empty() {
            self.body += "</section>\n";
        }
        self.contents.push(name.to_owned());
        let place = self.contents.len();
        self.put(format_args!("<section aria-labelledby=\"s{place}\">\n<h2 id=\"s{place}\">{}</h2>", escape(name)));
    }

    pub fn paragraph(&mut self, text: &str) {
        self.put(format_args!("<p>{}</p>", escape(text)));
    }

    /// A paragraph of what is missing.
    pub fn note(&mut self, text: &str) {
        self.put(format_args!("<p class=\"note\">{}</p>", escape(text)));
    }

    /// A table; the first cell of each row is its head.
    pub fn table(&mut self, caption: &str, header: &[&str], rows: &[Vec<Cell>]) {
        self.tables += 1;
        let number = self.tables;
        self.put(format_args!(
            "<div class=\"scroll\" role=\"region\" aria-labelledby=\"t{number}\" tabindex=\"0\">\n<table>\n\
             <caption id=\"t{number}\"><b>Table {number}.</b> {}</caption>\n<thead><tr>",
            escape(caption)
        ));
        // A head stands as its column does.
        let numeric =
            |column: usize| !matches!(rows.first().and_then(|row| row.get(column)), Some(Cell::Text(_)) | None);
        for (column, name) in header.iter().enumerate() {
            let class = if numeric(column) { " class=\"n\"" } else { "" };
            self.put(format_args!("<th scope=\"col\"{class}>{}</th>", escape(name)));
        }
        self.body += "</tr></thead>\n<tbody>\n";
        for row in rows {
            self.body += "<tr>";
            for (column, cell) in row.iter().enumerate() {
                let (class, text) = match cell {
                    Cell::Text(text) => ("", escape(text)),
                    Cell::Number(text) => (" class=\"n\"", escape(text)),
                    Cell::Best(text) => (" class=\"n\"", format!("<strong>{}</strong>", escape(text))),
                };
                let (start, end) = if column == 0 { ("th scope=\"row\"", "th") } else { ("td", "td") };
                self.put(format_args!("<{start}{class}>{text}</{end}>"));
            }
            self.body += "</tr>\n";
        }
        self.body += "</tbody>\n</table>\n</div>\n";
    }

    /// A plot, which becomes a file as well.
    pub fn plot(&mut self, file: &str, plot: &Svg, caption: &str) {
        self.figures += 1;
        let number = self.figures;
        self.put(format_args!(
            "<figure>\n<div class=\"scroll\">{}</div>\n<figcaption><b>Figure {}.</b> {}</figcaption>\n</figure>",
            plot.inline(),
            number,
            escape(caption)
        ));
        self.files.push((format!("{file}.svg"), plot.file().into_bytes()));
    }

    /// A file beside the page.
    pub fn file(&mut self, name: String, bytes: Vec<u8>) {
        self.files.push((name, bytes));
    }

    /// A text as it stands, hidden until it is asked for.
    pub fn folded(&mut self, summary: &str, text: &str) {
        let (summary, text) = (escape(summary), escape(text));
        self.put(format_args!("<details>\n<summary>{summary}</summary>\n<pre>{text}</pre>\n</details>"));
    }

    /// What is HTML already.
    pub fn html_piece(&mut self, html: &str) {
        self.body += html;
    }

    fn put(&mut self, piece: impl std::fmt::Display) {
        let _ = writeln!(self.body, "{piece}");
    }

    /// The files beside the page: name and bytes.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// The whole page.
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let place = |(i, name): (usize, &String)| format!("<li><a href=\"#s{}\">{}</a></li>\n", i + 1, escape(name));
        let contents: String = self.contents.iter().enumerate().map(place).collect();
        let end = if self.contents.is_empty() { "" } else { "</section>\n" };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta \
             charset=\"utf-8\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n\
             <style>\n{STYLE}{PLOT_STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
             <nav aria-label=\"Contents\"><ol>\n{contents}</ol></nav>\n</header>\n<main>\n{}{end}</main>\n</body>\n</html>\n",
            self.body
        )
    }
}
