//! Samples to features: log-mel, MFCC, deltas, statistics, equal to librosa's.
