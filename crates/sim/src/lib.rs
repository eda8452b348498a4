#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod chatter;
pub mod echo;
pub mod ecu;
mod random;
pub mod resolver;
pub mod satellite;
mod world;

pub use world::{World, WorldConfig, WorldError};
