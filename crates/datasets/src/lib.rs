//! Folders and CSV files to clips, labels, folds, crops and mixup; the synthetic data set.
