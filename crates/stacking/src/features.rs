//! The columns of level 2, chosen by name.

use serde::{Deserialize, Serialize};

use crate::averages::FLOOR;
use crate::{Result, StackError, Table};

/// A kind of column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// The learners' probabilities, one column per learner and class: `learner/class`.
    Probabilities,
    /// Their natural logarithms, with which a linear model computes products: `log learner/class`.
    /// Probabilities below 1e-12 count as 1e-12.
    LogProbabilities,
    /// The statistics of the clip's MFCC.
    MfccStatistics,
}

/// The source name of the statistics' columns; the sources of other columns are learners.
pub const STATISTICS: &str = "mfcc_statistics";

/// The columns of level 2, and their sources.
#[derive(Clone, Debug)]
pub struct StackFeatures {
    /// All columns, one row per clip.
    pub table: Table,
    /// The learner of each column, or [`STATISTICS`].
    pub sources: Vec<String>,
    /// How the columns are computed from probabilities and statistics.
    pub layout: Layout,
}

/// How the columns of level 2 are computed from the learners' probabilities and the statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The kinds, in the order of the columns.
    pub kinds: Vec<FeatureKind>,
    /// Number of learners.
    pub learners: usize,
    /// Number of classes.
    pub classes: usize,
    /// Number of statistics per clip; 0 if no kind uses them.
    pub statistics: usize,
}

impl Layout {
    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.kinds.iter().map(|&kind| self.width(kind)).sum()
    }

    /// The first column of a kind; `None` if there are none.
    pub(crate) fn first_column(&self, kind: FeatureKind) -> Option<usize> {
        let place = self.kinds.iter().position(|known| *known == kind)?;
        Some(self.kinds[..place].iter().map(|&before| self.width(before)).sum())
    }

    /// Number of columns of one kind.
    fn width(&self, kind: FeatureKind) -> usize {
        match kind {
            FeatureKind::Probabilities | FeatureKind::LogProbabilities => self.learners * self.classes,
            FeatureKind::MfccStatistics => self.statistics,
        }
    }
}

impl StackFeatures {
    /// The columns of `kinds`, in this order; within a kind, in the order of the learners.
    ///
    /// # Errors
    /// No columns, missing statistics, or tables with different clips or classes.
    pub fn new(
        kinds: &[FeatureKind],
        learners: &[(&str, &Table)],
        statistics: Option<&Table>,
    ) -> Result<StackFeatures> {
        let (mut tables, mut sources) = (Vec::new(), Vec::new());
        let classes = learners.first().map_or(0, |(_, table)| table.columns().len());
        if let Some((name, _)) = learners.iter().find(|(_, table)| table.columns() != learners[0].1.columns()) {
            return Err(StackError::Mismatch(format!("{name} has other classes than {}", learners[0].0)));
        }
        let mut of_statistics = 0;
        for kind in kinds {
            if *kind == FeatureKind::MfccStatistics {
                let missing = || StackError::Missing(format!("there are no {STATISTICS}"));
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
        Ok(StackFeatures { table, sources, layout })
    }
}

impl StackFeatures {
    /// The columns of some of the kinds, in the order of `kinds`.
    ///
    /// # Errors
    /// A kind that these columns do not have, or no kinds.
    pub fn selected(&self, kinds: &[FeatureKind]) -> Result<StackFeatures> {
        let mut columns = Vec::new();
        for kind in kinds {
            let missing = || StackError::Missing(format!("there are no columns of the kind {kind:?}"));
            let first = self.layout.first_column(*kind).ok_or_else(missing)?;
            columns.extend(first..first + self.layout.width(*kind));
        }
        let names: Vec<String> = columns.iter().map(|&column| self.table.columns()[column].clone()).collect();
        let statistics = if kinds.contains(&FeatureKind::MfccStatistics) { self.layout.statistics } else { 0 };
        Ok(StackFeatures {
            table: self.table.selected(&names)?,
            sources: columns.into_iter().map(|column| self.sources[column].clone()).collect(),
            layout: Layout { kinds: kinds.to_vec(), statistics, ..self.layout },
        })
    }
}

fn logarithms(table: &Table) -> Result<Table> {
    let data = table.data().iter().map(|&value| logarithm(value)).collect();
    Table::new(table.names().to_vec(), table.columns().to_vec(), data)
}

/// The logarithm of a probability, clamped from below.
pub(crate) fn logarithm(probability: f32) -> f32 {
    probability.max(FLOOR as f32).ln()
}
