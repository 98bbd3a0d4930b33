//! The list of all networks by name.

use crate::families;
use crate::graph::Graph;

/// A named network.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Its name in timm, or ours where timm has none.
    pub name: &'static str,
    /// The family.
    pub family: &'static str,
    /// Its graph for a number of input channels and of classes.
    pub build: fn(usize, usize) -> Graph,
}

impl Variant {
    /// The network's graph for `channels` of input and `classes` of output.
    pub fn graph(&self, channels: usize, classes: usize) -> Graph {
        (self.build)(channels, classes)
    }
}

/// A name that no network has.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("there is no network named {name:?}; the nearest names are {}", nearest.join(", "))]
pub struct UnknownVariant {
    /// What was asked for.
    pub name: String,
    /// Names that look alike, the most alike first.
    pub nearest: Vec<&'static str>,
}

/// All networks, family by family.
pub fn variants() -> impl Iterator<Item = &'static Variant> {
    [families::resnet::VARIANTS].into_iter().flatten()
}

/// The network of a name.
///
/// # Errors
/// No network has this name; the nearest ones are told.
pub fn find(name: &str) -> Result<&'static Variant, UnknownVariant> {
    if let Some(variant) = variants().find(|variant| variant.name == name) {
        return Ok(variant);
    }
    let mut names: Vec<&'static str> = variants().map(|variant| variant.name).collect();
    names.sort_by_key(|candidate| edit_distance(name, candidate));
    names.truncate(3);
    Err(UnknownVariant { name: name.to_owned(), nearest: names })
}

/// Levenshtein's distance: insertions, deletions and changes of a letter that lead from one word to the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in b.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Parameters with 1000 classes, as torchvision's documentation (resnet*, resnext50) and timm's results tables
    /// (resnext101_32x4d) state them; `golden/nets` holds the same from the libraries themselves.
    #[test]
    fn parameter_counts_are_the_reference_ones() {
        let expected = [
            ("resnet18", 11_689_512),
            ("resnet34", 21_797_672),
            ("resnet50", 25_557_032),
            ("resnet101", 44_549_160),
            ("resnext50_32x4d", 25_028_904),
            ("resnext101_32x4d", 44_177_704),
        ];
        let wrong: Vec<_> = expected
            .iter()
            .map(|&(name, count)| (name, count, find(name).unwrap().graph(3, 1000).parameter_count()))
            .filter(|(_, expected, given)| expected != given)
            .collect();
        assert!(wrong.is_empty(), "name, expected, ours: {wrong:?}");
    }

    #[test]
    fn every_variant_gives_logits_for_any_size() {
        for variant in variants() {
            let graph = variant.graph(3, 41);
            for input in [[1, 3, 64, 150], [5, 3, 128, 301], [2, 3, 224, 224], [1, 3, 64, 1]] {
                let shapes = graph.shapes(input).unwrap();
                assert_eq!(shapes.last().unwrap(), &[input[0], 41], "{} on {input:?}", variant.name);
            }
            let names: BTreeSet<String> = graph.nodes().iter().map(|node| node.path.clone()).collect();
            assert_eq!(names.len(), graph.nodes().len(), "{}: every path is used once", variant.name);
        }
    }

    #[test]
    fn nano_sizes_are_below_a_million() {
        for variant in variants().filter(|variant| variant.name.ends_with("_nano")) {
            let count = variant.graph(3, 41).parameter_count();
            assert!(count < 1_000_000, "{} has {count}", variant.name);
        }
    }

    /// He et al. 2015, table 1 (3.8e9 for the stride in the first 1x1; 4.09e9 with torchvision's), Xie et al., table 1.
    #[test]
    fn flops_are_those_of_the_papers() {
        for (name, billions) in [("resnet18", 1.81), ("resnet50", 4.09), ("resnext50_32x4d", 4.23)] {
            let flops = find(name).unwrap().graph(3, 1000).flops([1, 3, 224, 224]).unwrap() as f64 / 1e9;
            assert!((flops / billions - 1.0).abs() < 0.01, "{name}: {flops} instead of {billions}");
        }
    }

    #[test]
    fn unknown_names_bring_the_nearest() {
        let error = find("resnet5O").unwrap_err();
        assert_eq!(error.nearest[0], "resnet50");
        assert!(find("").is_err());
    }

    #[test]
    fn wrong_inputs_are_told() {
        let graph = find("resnet18").unwrap().graph(3, 10);
        assert!(graph.shapes([1, 1, 64, 150]).unwrap_err().to_string().contains("takes 3 channels, not 1"));
        assert!(graph.shapes([1, 3, 0, 150]).unwrap_err().to_string().contains("too small"));
    }
}
