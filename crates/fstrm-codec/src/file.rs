//! Frame Streams files: a borrowing reader and a writer over `std::io`.
//!
//! A file is one unidirectional stream. The reader lends payloads out of one buffer and copies nothing; it
//! forgives a missing tail, because a killed capture leaves one. [`append()`] goes on in such a file,
//! [`repair()`] mends it, [`Verification`] tells how far it is sound. Not here: when a file ends and the next
//! begins, compression.

mod append;
mod info;
mod pieces;
mod reader;
mod repair;
mod spares;
mod verify;
mod writer;

pub use append::{AppendError, Resumed, append};
pub use info::Info;
pub use reader::{FileReader, ReadError, Sequences};
pub use repair::{Cut, RepairError, Repaired, repair, repair_to};
pub use verify::{Truncate, Verification};
pub use writer::{FileWriter, WriteError};

#[cfg(test)]
mod tests;
