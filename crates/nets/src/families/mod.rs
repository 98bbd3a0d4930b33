//! The families, one file each.

pub mod resnet;
