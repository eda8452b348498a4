//! The kinds of vectors.

pub(crate) mod replay;
pub(crate) mod session;
pub(crate) mod tables;
