//! A simple scanner for Rust sources that keeps the position of every byte.

/// The kind of a byte of a source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Code,
    Comment,
    Text,
}

/// The kind of each byte of a source. Handles raw strings, nested comments and character literals.
pub fn kinds(source: &str) -> Vec<Kind> {
    let bytes = source.as_bytes();
    let mut kinds = vec![Kind::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (kind, length) = match rest {
            [b'/', b'/', ..] => (Kind::Comment, line(rest)),
            [b'/', b'*', ..] => (Kind::Comment, block(rest)),
            [b'"', ..] => (Kind::Text, string(rest)),
            [b'r', b'"' | b'#', ..] if !is_word_before(bytes, at) && raw(rest) > 0 => (Kind::Text, raw(rest)),
            [b'\'', ..] => (Kind::Code, character(rest)),
            _ => (Kind::Code, 1),
        };
        let end = (at + length).min(bytes.len());
        kinds[at..end].fill(kind);
        at = end;
    }
    kinds
}

/// The code of a source, with comments and string literals replaced by spaces and line breaks kept.
pub fn code(source: &str) -> String {
    let kinds = kinds(source);
    let keep = |(byte, kind): (u8, &Kind)| if byte == b'\n' || *kind == Kind::Code { byte } else { b' ' };
    let bytes: Vec<u8> = source.bytes().zip(&kinds).map(keep).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A source without the tests at its end.
pub fn without_tests(source: &str) -> &str {
    source.find("#[cfg(test)]\nmod ").map_or(source, |tests| &source[..tests])
}

fn is_word_before(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn line(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len())
}

fn block(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn string(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a raw string, or 0 if this is another word that begins with r.
fn raw(bytes: &[u8]) -> usize {
    let hashes = bytes[1..].iter().take_while(|&&byte| byte == b'#').count();
    if bytes.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end = [&b"\""[..], &vec![b'#'; hashes]].concat();
    let from = 2 + hashes;
    let found = bytes[from..].windows(end.len()).position(|window| window == end);
    found.map_or(bytes.len(), |found| from + found + end.len())
}

/// The length of a character literal, or of the quote of a lifetime.
fn character(bytes: &[u8]) -> usize {
    match bytes {
        [_, b'\\', _, rest @ ..] => 3 + rest.iter().position(|&byte| byte == b'\'').unwrap_or(0) + 1,
        [_, _, b'\'', ..] => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_blank() {
        let source = "a(\"x // y\", 'q', '\"'); // c\nlet s = r#\"d\"# + 'a; /* e /* f */ g */ h";
        let plain = code(source);
        assert_eq!(plain.len(), source.len());
        for gone in ["x", "y", " c", "\"d\"", "e ", "f", "g"] {
            assert!(!plain.contains(gone), "{gone}: {plain}");
        }
        assert!(plain.contains("'q'") && plain.contains("let s") && plain.ends_with('h'), "{plain}");
    }
}
