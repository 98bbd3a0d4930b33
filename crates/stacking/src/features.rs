//! What level 2 sees of a clip, chosen by name.

use serde::{Deserialize, Serialize};

use crate::averages::FLOOR;
use crate::{Result, StackError, Table};

/// A kind of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// The learners' probabilities, a column for each learner and class: `learner/class`.
    Probabilities,
    /// Their natural logarithms, of which a linear model makes products: `log learner/class`.
    /// Probabilities below 1e-12 count as 1e-12.
    LogProbabilities,
    /// The statistics of the clip's MFCC.
    MfccStatistics,
}

/// The source of the statistics' columns, where those of others are learners.
pub const STATISTICS: &str = "mfcc_statistics";

/// The columns of level 2, and where they come from.
#[derive(Clone, Debug)]
pub struct Features {
    /// All columns, one row a clip.
    pub table: Table,
    /// The learner of each column, or [`STATISTICS`].
    pub sources: Vec<String>,
    /// How the columns follow from probabilities and statistics.
    pub layout: Layout,
}

/// How the columns of level 2 follow from the learners' probabilities and the statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The kinds, in the order of the columns.
    pub kinds: Vec<FeatureKind>,
    /// How many learners there are.
    pub learners: usize,
    /// How many classes each has.
    pub classes: usize,
    /// How many statistics a clip has; none where no kind uses them.
    pub statistics: usize,
}

impl Layout {
    /// How many columns there are.
    pub fn columns(&self) -> usize {
        let of = |kind: &FeatureKind| match kind {
            FeatureKind::Probabilities | FeatureKind::LogProbabilities => self.learners * self.classes,
            FeatureKind::MfccStatistics => self.statistics,
        };
        self.kinds.iter().map(of).sum()
    }
}

impl Features {
    /// The columns of the kinds `kinds`, in their order; within a kind in that of the learners.
    ///
    /// # Errors
    /// No column, statistics that are wanted and not there, or tables of other clips or classes.
    pub fn new(kinds: &[FeatureKind], learners: &[(&str, &Table)], statistics: Option<&Table>) -> Result<Features> {
        let (mut tables, mut sources) = (Vec::new(), Vec::new());
        let classes = learners.first().map_or(0, |(_, table)| table.columns().len());
        if let Some((name, _)) = learners.iter().find(|(_, table)| table.columns() != learners[0].1.columns()) {
            return Err(StackError::Table(format!("{name} has other classes than {}", learners[0].0)));
        }
        let mut of_statistics = 0;
        for kind in kinds {
            if *kind == FeatureKind::MfccStatistics {
                let missing = || StackError::Table(format!("there are no {STATISTICS}"));
                let table = statistics.ok_or_else(missing)?.clone();
                of_statistics = table.columns().len();
                sources.extend(std::iter::repeat_n(STATISTICS.to_owned(), of_statistics));
                tables.push(table);
                continue;
            }
            for (name, table) in learners {
                tables.push(match kind {
                    FeatureKind::LogProbabilities => logarithms(table)?.prefixed(&format!("log {name}")),
                    _ => table.prefixed(name),
                });
                sources.extend(std::iter::repeat_n((*name).to_owned(), classes));
            }
        }
        let table = Table::hstack(&tables.iter().collect::<Vec<_>>())?;
        let layout = Layout { kinds: kinds.to_vec(), learners: learners.len(), classes, statistics: of_statistics };
        Ok(Features { table, sources, layout })
    }
}

fn logarithms(table: &Table) -> Result<Table> {
    let data = table.data().iter().map(|&value| logarithm(value)).collect();
    Table::new(table.names().to_vec(), table.columns().to_vec(), data)
}

/// The logarithm of a probability, floored.
pub(crate) fn logarithm(probability: f32) -> f32 {
    probability.max(FLOOR as f32).ln()
}
