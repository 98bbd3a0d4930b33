//! SVG drawing: shapes with classes that get their colors from `plot.css`, so that a plot works in
//! light and dark mode.

use std::fmt::{Display, Write};

const STYLE: &str = include_str!("plot.css");

/// The average width of a letter in a plot, with some margin.
const LETTER: f64 = 6.2;

/// A plot.
pub struct Svg {
    width: f64,
    height: f64,
    label: String,
    body: String,
}

/// The alignment of a text relative to its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// An empty plot; `label` describes its content.
    pub fn new(width: f64, height: f64, label: &str) -> Self {
        Self { width, height, label: label.to_owned(), body: String::new() }
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!(r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#));
    }

    /// Draws a polyline with gaps where values are missing.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)], tip: &str) {
        let mut path = String::new();
        let mut pen = 'M';
        for (x, y) in points {
            if y.is_finite() {
                let _ = write!(path, "{pen}{x:.1} {y:.1}");
                pen = 'L';
            } else {
                pen = 'M';
            }
        }
        self.put(format_args!(r#"<path class="{class}" d="{path}">{}</path>"#, title(tip)));
    }

    /// Draws a rectangle from its upper left corner, with an opacity and a tooltip.
    pub fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64), opacity: f64, tip: &str) {
        let ((x, y), (width, height)) = (at, (size.0.max(0.0), size.1.max(0.0)));
        let opacity = if opacity < 1.0 { format!(r#" fill-opacity="{opacity:.3}""#) } else { String::new() };
        let (size, tip) = (format!(r#"width="{width:.1}" height="{height:.1}""#), title(tip));
        self.put(format_args!(r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" {size}{opacity}>{tip}</rect>"#));
    }

    pub fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, tip: &str) {
        self.put(format_args!(
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius:.1}">{}</circle>"#,
            title(tip)
        ));
    }

    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.turned_text(class, (x, y), anchor, 0.0, text);
    }

    /// Draws a text that is rotated around its point.
    pub fn turned_text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, degrees: f64, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let turn =
            if degrees == 0.0 { String::new() } else { format!(r#" transform="rotate({degrees} {x:.1} {y:.1})""#) };
        let text = escape(text);
        self.put(format_args!(
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}"{turn}>{text}</text>"#
        ));
    }

    fn put(&mut self, shape: impl Display) {
        let _ = writeln!(self.body, "{shape}");
    }

    /// The plot as an element for a page that includes `plot.css`.
    pub fn inline(&self) -> String {
        self.element("")
    }

    /// The plot as a standalone file.
    pub fn file(&self) -> String {
        let paper = r#"<rect class="paper" width="100%" height="100%"/>"#;
        self.element(&format!("<style>{STYLE}</style>\n{paper}\n"))
    }

    fn element(&self, first: &str) -> String {
        let Self { width, height, label, body } = self;
        let (label, size) = (escape(label), format!(r#"width="{width:.0}" height="{height:.0}""#));
        let kind = r#"xmlns="http://www.w3.org/2000/svg" class="plot" role="img""#;
        let view = format!(r#"viewBox="0 0 {width:.0} {height:.0}" {size}"#);
        format!("<svg {kind} aria-label=\"{label}\" {view}>\n{first}{body}</svg>\n")
    }
}

fn title(tip: &str) -> String {
    if tip.is_empty() { String::new() } else { format!("<title>{}</title>", escape(tip)) }
}

/// The estimated width of a text.
pub fn text_width(text: &str) -> f64 {
    LETTER * text.chars().count() as f64
}

/// Shortens a text to at most `most` letters.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Escapes text for HTML and SVG, in elements and in quoted attributes. Characters that XML forbids
/// become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(letter),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Maps a range of numbers to a range of coordinates.
#[derive(Clone, Copy)]
pub struct Scale {
    pub from: (f64, f64),
    pub to: (f64, f64),
}

impl Scale {
    pub fn at(&self, value: f64) -> f64 {
        let span = self.from.1 - self.from.0;
        let share = if span == 0.0 { 0.0 } else { (value - self.from.0) / span };
        self.to.0 + share * (self.to.1 - self.to.0)
    }

    /// Round numbers within the range, about `wanted` of them.
    pub fn ticks(&self, wanted: usize) -> Vec<f64> {
        let step = step(self.from.1 - self.from.0, wanted);
        let first = (self.from.0 / step - 1e-9).ceil() as i64;
        let last = (self.from.1 / step + 1e-9).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

/// A round step, 1, 2 or 5 times a power of ten, that divides a span into about `wanted` parts.
pub fn step(span: f64, wanted: usize) -> f64 {
    let rough = span / wanted.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power)
}

/// The label of a tick, with no more digits than the step between ticks needs.
pub fn tick(value: f64, step: f64) -> String {
    let digits = (-step.log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_label_holds_is_text() {
        assert_eq!(
            escape("<script>'a' & \"b\"\u{1}</script>"),
            "&lt;script&gt;&#39;a&#39; &amp; &quot;b&quot;\u{fffd}&lt;/script&gt;"
        );
        let mut svg = Svg::new(10.0, 10.0, "a \"<b>");
        svg.text("", (0.0, 0.0), Anchor::Middle, "<i>");
        svg.circle("", (0.0, 0.0), 1.0, "]]><i>");
        assert!(!svg.file().contains("<i>") && !svg.inline().contains("<b>"), "{}", svg.file());
    }

    #[test]
    fn ticks_are_round_and_on_the_scale() {
        let ticks = |low, high| Scale { from: (low, high), to: (0.0, 1.0) }.ticks(5);
        assert_eq!(ticks(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(0.62, 1.0).len(), 4);
        assert_eq!(ticks(3.0, 3.0), [3.0]);
        assert_eq!(tick(0.7000000001, 0.1), "0.7");
        assert_eq!(tick(40.0, 20.0), "40");
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let mut svg = Svg::new(1.0, 1.0, "");
        svg.path("", &[(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0)], "");
        assert!(svg.inline().contains("M0.0 1.0M2.0 1.0L3.0 2.0"), "{}", svg.inline());
    }
}
