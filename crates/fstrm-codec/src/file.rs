//! Frame Streams files: a borrowing reader and a writer over `std::io`.
//!
//! A file is one unidirectional stream. The reader lends payloads out of one buffer and copies nothing; it
//! forgives a missing tail, because a killed capture leaves one. Not here: rotation, repair, compression.

mod info;
mod reader;
mod writer;

pub use info::Info;
pub use reader::{FileReader, ReadError, Sequences};
pub use writer::{FileWriter, WriteError};

#[cfg(test)]
mod tests;
