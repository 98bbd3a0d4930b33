//! The labels of a clip: one class, or any number of them.

use std::fmt::Debug;

use crate::link::Link;

/// The labels of a clip: `usize` if it has one class, `Vec<usize>` if it may have several. Level 2
/// is the same for both, except where it looks at [`Label::LINK`].
pub trait Label: private::Sealed + Clone + Debug + Send + Sync {
    /// How the probabilities of a clip's classes are related.
    const LINK: Link;

    /// The classes as indices, each once.
    fn classes(&self) -> &[usize];
}

mod private {
    pub trait Sealed {}
    impl Sealed for usize {}
    impl Sealed for Vec<usize> {}
}

impl Label for usize {
    const LINK: Link = Link::Softmax;

    fn classes(&self) -> &[usize] {
        std::slice::from_ref(self)
    }
}

impl Label for Vec<usize> {
    const LINK: Link = Link::Sigmoid;

    fn classes(&self) -> &[usize] {
        self
    }
}
