//! What the code of a library must not do: print, end the process, read the command line, or set a
//! global hook.

use super::scan::{code, without_tests};

const FORBIDDEN: [&str; 7] =
    ["println!", "eprintln!", "print!(", "process::exit", "panic::set_hook", "env::args", "dbg!"];

/// The crates that are programs, not libraries.
const PROGRAMS: [&str; 1] = ["crates/cli/"];

/// The violations in a file.
pub fn breaches(path: &str, text: &str) -> Vec<String> {
    let is_library = path.starts_with("crates/") && path.contains("/src/") && path.ends_with(".rs");
    let is_test = path.ends_with("/tests.rs");
    if !is_library || is_test || PROGRAMS.iter().any(|program| path.starts_with(program)) {
        return Vec::new();
    }
    let code = code(without_tests(text));
    let lines = (1..).zip(code.lines());
    let found = lines.flat_map(|(number, line)| {
        FORBIDDEN.iter().filter(|word| contains(line, word)).map(move |word| format!("{path}:{number}: {word}"))
    });
    found.map(|breach| format!("{breach} is a program's, not a library's")).collect()
}

/// Whether a line contains a word that is not the end of a longer one.
fn contains(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_do_not_print() {
        let text = "fn a() {\n    eprintln!(\"x\");\n} // println!\n#[cfg(test)]\nmod tests { fn b() { println!() } }";
        assert_eq!(breaches("crates/audio/src/a.rs", text).len(), 1);
        assert_eq!(breaches("crates/cli/src/a.rs", text), Vec::<String>::new());
        assert_eq!(breaches("crates/audio/tests/a.rs", text), Vec::<String>::new());
    }
}
