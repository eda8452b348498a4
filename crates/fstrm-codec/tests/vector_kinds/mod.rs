//! One module for each kind of vector.

pub(crate) mod captures;
pub(crate) mod control;
pub(crate) mod python;
pub(crate) mod scripts;
pub(crate) mod sessions;
pub(crate) mod streams;
