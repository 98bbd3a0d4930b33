//! Parts of messages: the causes of an error, and suggestions for mistyped names.

/// The most suggestions.
const MOST: usize = 3;

/// An error and its causes in one line, without repeating a cause that another one contains.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string().trim_end().to_owned();
    for cause in std::iter::successors(error.source(), |cause| cause.source()) {
        let text = cause.to_string();
        if !line.contains(text.trim_end()) {
            line = format!("{line}: {}", text.trim_end());
        }
    }
    line
}

/// The known names that a user may have meant, at most three, the most similar first: those that
/// begin with what was asked for, else those that contain it, else those that differ least from it,
/// if that is by no more than a third of its letters. Case does not matter.
///
/// ```
/// use earmark_files::similar;
/// let known = ["fast", "medium", "best"];
/// assert_eq!(similar("meduim", &known), ["medium"]);
/// assert_eq!(similar("recipe", &known), [""; 0]);
/// ```
pub fn similar<'a, S: AsRef<str> + ?Sized + 'a>(asked: &str, known: impl IntoIterator<Item = &'a S>) -> Vec<&'a str> {
    let asked = asked.to_lowercase();
    let letters = asked.chars().count();
    let mut found: Vec<(u8, usize, &str)> = Vec::new();
    for name in known.into_iter().map(AsRef::as_ref) {
        let lower = name.to_lowercase();
        let distance = strsim::osa_distance(&asked, &lower);
        let rank = match () {
            () if letters > 0 && lower.starts_with(&asked) => 0,
            () if letters > 2 && lower.contains(&asked) => 1,
            () if distance <= (letters / 3).max(1) && distance < letters => 2,
            () => continue,
        };
        found.push((rank, distance, name));
    }
    found.sort_by_key(|&(rank, distance, _)| (rank, distance));
    if let Some(&(best, least, _)) = found.first() {
        found.retain(|&(rank, distance, _)| rank == best && (rank < 2 || distance == least));
    }
    found.into_iter().take(MOST).map(|(_, _, name)| name).collect()
}

/// The question that ends a message about an unknown name, such as ``; did you mean `fast`?``;
/// empty if no known name is [similar].
///
/// ```
/// use earmark_files::did_you_mean;
/// assert_eq!(did_you_mean("besst", &["fast", "best"]), "; did you mean `best`?");
/// assert_eq!(did_you_mean("mn0", &["mn01", "mn02"]), "; did you mean `mn01` or `mn02`?");
/// ```
pub fn did_you_mean<'a, S: AsRef<str> + ?Sized + 'a>(asked: &str, known: impl IntoIterator<Item = &'a S>) -> String {
    let quoted: Vec<String> = similar(asked, known).into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => format!("; did you mean {only}?"),
        Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

/// A message of serde about an unknown key or value, with the question of [`did_you_mean`]: it
/// quotes first the unknown name, then the known ones. White space at its end is removed.
///
/// ```
/// use earmark_files::with_suggestion;
/// let message = "unknown field `epoch`, expected `epochs` or `seed`";
/// assert_eq!(with_suggestion(message), format!("{message}; did you mean `epochs`?"));
/// assert_eq!(with_suggestion("expected `,`"), "expected `,`");
/// ```
pub fn with_suggestion(message: &str) -> String {
    let message = message.trim_end();
    let Some(at) = message.find("unknown field `").or_else(|| message.find("unknown variant `")) else {
        return message.to_owned();
    };
    let mut quoted = message[at..].split('`').skip(1).step_by(2);
    let asked = quoted.next().unwrap_or_default();
    format!("{message}{}", did_you_mean(asked, quoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_meant_are_found() {
        let known = ["resnet18", "resnet34", "resnet50", "resnext50_32x4d", "Dog", "Dog bark", "Bark", "a", "b"];
        let rows: [(&str, &[&str]); 11] = [
            ("resnet5O", &["resnet50"]),
            ("ResNet", &["resnet18", "resnet34", "resnet50"]),
            ("resnext50", &["resnext50_32x4d"]),
            ("next50", &["resnext50_32x4d"]),
            ("dgo", &["Dog"]),
            ("dog", &["Dog", "Dog bark"]),
            ("brak", &["Bark"]),
            ("ark", &["Bark", "Dog bark"]),
            ("c", &[]),
            ("", &[]),
            ("elephant", &[]),
        ];
        for (asked, expected) in rows {
            assert_eq!(similar(asked, &known), expected, "{asked}");
        }
        assert_eq!(did_you_mean("resnet", &known), "; did you mean `resnet18`, `resnet34` or `resnet50`?");
        assert_eq!(did_you_mean("elephant", &known), "");
    }
}
