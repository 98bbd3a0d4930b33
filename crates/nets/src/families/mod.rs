//! The families, one file each.

pub mod cnn14;
pub mod dpn;
pub mod mn;
pub mod resnet;
pub mod seresnet;
pub mod wave;
pub mod xception;
pub mod xception_aligned;
