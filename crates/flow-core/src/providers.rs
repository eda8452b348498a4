//! The ways to reach names.
//!
//! One that needs another crate is behind the feature of its name; memory needs none.

pub mod local;
#[cfg(unix)]
pub mod machine;
