//! Graphs to trained weights and out-of-fold probabilities, on libtorch.
