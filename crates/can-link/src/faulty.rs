//! A link that misbehaves by a seed: loss, duplication, reordering, delay, corruption.
//!
//! [`FaultModel`] is the pure part: items and time go in, items come out, and the same seed gives the same
//! faults on every machine and in every version. [`Faulty`] puts it in front of the receiving side of a link.

mod link;
mod model;
mod rng;

pub use link::Faulty;
pub use model::{FaultConfig, FaultModel, FaultStats, Probability};
