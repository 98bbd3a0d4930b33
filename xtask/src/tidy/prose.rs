//! Rules for prose: lines of at most 100 columns, 120 in code, and the vocabulary.

use super::scan::{Kind, kinds};

/// Maximum length of a line of prose: comments and documents.
const PROSE: usize = 100;
/// Maximum length of a line of code, including its string literals.
const CODE: usize = 120;

/// Words of the project's former style, and their replacements. They are searched for in comments,
/// string literals and documents, ignoring case.
const WORDS: [(&str, &str); 20] = [
    ("hear", "decode, load"),
    ("hears", "decodes, loads"),
    ("heard", "decoded, loaded"),
    ("ears", "a loader"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("tells", "reports, prints, names"),
    ("told", "reported, printed"),
    ("learns from", "is trained on, is fitted on"),
    ("learned from", "trained on, fitted on"),
    ("learn from", "train on, fit on"),
    ("goes on", "resumes, continues"),
    ("nobody told", "is unknown"),
    ("passed over", "ignored"),
    ("left out", "excluded, omitted"),
    ("made anew", "made again, fitted again"),
    ("there twice", "duplicated"),
    ("to be told apart", "distinguished"),
    ("rightly", "correctly"),
];

/// The violations in a file.
pub fn breaches(path: &str, text: &str) -> Vec<String> {
    match path.rsplit('.').next() {
        _ if path.contains("/stored/") || path.starts_with("fuzz/corpus") => Vec::new(),
        Some("md") => document(path, text),
        Some("rs") => source(path, text),
        Some("py" | "toml" | "yml") => script(path, text),
        _ => Vec::new(),
    }
}

fn document(path: &str, text: &str) -> Vec<String> {
    let (mut breaches, mut in_code) = (Vec::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let is_free = line.starts_with('|') || line.contains("://") || line.starts_with('<');
            if !is_free && line.chars().count() > PROSE {
                breaches.push(format!("{path}:{number}: more than {PROSE} columns"));
            }
            breaches.extend(words(path, number, &without_code(line)));
        }
    }
    breaches
}

/// The comments of a Python script or of settings: lines that start with `#`.
fn script(path: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| line.trim_start().starts_with('#')) {
        if line.chars().count() > PROSE && !line.contains("://") {
            breaches.push(format!("{path}:{number}: more than {PROSE} columns"));
        }
        breaches.extend(words(path, number, &without_code(line)));
    }
    breaches
}

/// A line of a document without its code spans.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

fn source(path: &str, text: &str) -> Vec<String> {
    let kinds = kinds(text);
    let (mut breaches, mut at, mut in_example) = (Vec::new(), 0, false);
    for (number, line) in (1..).zip(text.split('\n')) {
        let of_line = &kinds[at..at + line.len()];
        let comment = line.trim_start().strip_prefix("//").map(|text| text.trim_start_matches(['/', '!', ' ']));
        in_example = comment.is_some_and(|text| in_example ^ text.starts_with("```"));
        let is_prose = comment.is_some_and(|text| !in_example && !text.starts_with('|'));
        let most = if is_prose { PROSE } else { CODE };
        if line.chars().count() > most && !line.contains("://") {
            breaches.push(format!("{path}:{number}: more than {most} columns"));
        }
        let prose: Vec<u8> =
            line.bytes().zip(of_line).map(|(byte, kind)| if *kind == Kind::Code { b' ' } else { byte }).collect();
        breaches.extend(words(path, number, &without_code(&String::from_utf8_lossy(&prose))));
        at += line.len() + 1;
    }
    breaches
}

fn words(path: &str, number: usize, line: &str) -> Vec<String> {
    // This file lists the words itself.
    if path.ends_with("tidy/prose.rs") {
        return Vec::new();
    }
    let line = line.to_lowercase();
    let is_word = |at: usize, word: &str| {
        let is_letter = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        !line[..at].ends_with(is_letter) && !line[at + word.len()..].starts_with(is_letter)
    };
    let found = WORDS.iter().filter(|(word, _)| line.match_indices(word).any(|(at, _)| is_word(at, word)));
    found.map(|(word, better)| format!("{path}:{number}: \"{word}\": write {better}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_and_the_dialect_are_found() {
        let long = "x".repeat(101);
        let text = format!("{long}\n| {long}\n```\n{long}\n```\nhttps://{long}\nHe hears; `heard` and hearth.");
        assert_eq!(breaches("a.md", &text).len(), 2);
        let text = format!("// {long}\nlet a = \"{long}\";\nlet heard = 1; // it was heard\nlet b = \"told\";");
        assert_eq!(breaches("a.rs", &text).len(), 3);
        let text = format!("# {long}\nkey = \"{long}\"\n# it was heard\nheard = 1");
        assert_eq!((breaches("a.toml", &text).len(), breaches("a.py", &text).len()), (2, 2));
        assert_eq!(breaches("a.txt", &long), Vec::<String>::new());
    }
}
