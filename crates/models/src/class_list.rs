//! The classes of a model.

use std::path::Path;

use earmark_tables::CsvFile;

use crate::ModelError;

/// AudioSet's own list.
const AUDIOSET: &str = include_str!("audioset.csv");

/// The classes of a model in the order of its outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassList {
    /// Their names.
    pub labels: Vec<String>,
    /// Their ids in an ontology; empty if the list has none.
    pub ids: Vec<String>,
    /// The list's own name, for errors.
    pub(crate) name: String,
}

impl ClassList {
    /// AudioSet's 527 classes.
    ///
    /// ```
    /// let classes = earmark_models::ClassList::audioset();
    /// assert_eq!((classes.labels.len(), classes.ids.len()), (527, 527));
    /// assert_eq!((classes.labels[74].as_str(), classes.ids[74].as_str()), ("Dog", "/m/0bt9lr"));
    /// ```
    pub fn audioset() -> Self {
        let list = Self::parse(AUDIOSET).unwrap_or_else(|reason| unreachable!("audioset.csv: {reason}"));
        Self { name: "AudioSet's list".to_owned(), ..list }
    }

    /// Reads a CSV file: the column `display_name` has the names, `mid` the ids and `index` the
    /// positions, from 0; the last two are optional.
    ///
    /// # Errors
    /// A file that cannot be read, no column of names, or positions that are not 0, 1, 2 and so on
    /// in some order.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = earmark_files::read_to_string(path)?;
        let list = Self::parse(&text).map_err(|reason| ModelError::Labels { path: path.to_owned(), reason })?;
        Ok(Self { name: path.display().to_string(), ..list })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file = CsvFile::parse(text).map_err(|error| format!("line {}: {}", error.line, error.fault))?.trimmed();
        let names = file.column("display_name").ok_or("it has no column display_name; AudioSet's list has it")?;
        let (index, mid) = (file.column("index"), file.column("mid"));
        let mut classes = Vec::with_capacity(file.rows.len());
        for (position, (line, row)) in file.rows.iter().enumerate() {
            let position = match index {
                None => position,
                Some(column) => row[column].parse().map_err(|_| format!("line {line}: the index is no number"))?,
            };
            classes.push((position, row[names].to_owned(), mid.map(|mid| row[mid].to_owned())));
        }
        classes.sort_by_key(|(position, ..)| *position);
        if let Some(gap) = classes.iter().enumerate().position(|(wanted, (found, ..))| wanted != *found) {
            return Err(format!("the indices must be 0 to {}: {gap} is missing or duplicated", classes.len() - 1));
        }
        let ids = classes.iter().filter_map(|(_, _, id)| id.clone()).collect();
        Ok(Self { labels: classes.into_iter().map(|(_, label, _)| label).collect(), ids, name: String::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_by_their_index() {
        let list = ClassList::parse("index,mid,display_name\n1,/m/b,\"Rain, wind\"\n0,/m/a,Dog\n").unwrap();
        assert_eq!(
            (list.labels, list.ids),
            (vec!["Dog".into(), "Rain, wind".into()], vec!["/m/a".into(), "/m/b".into()])
        );
        let list = ClassList::parse("display_name\nDog\nRain\n").unwrap();
        assert_eq!((list.labels, list.ids), (vec!["Dog".into(), "Rain".into()], Vec::new()));
        for (text, reason) in [
            ("label\nDog\n", "display_name"),
            ("index,display_name\n0,Dog\n0,Rain\n", "1 is missing"),
            ("index,display_name\n1,Dog\n2,Rain\n", "0 is missing"),
            ("index,display_name\nx,Dog\n", "line 2"),
        ] {
            let error = ClassList::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
