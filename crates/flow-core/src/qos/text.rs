//! A quality of service as people write it: `data`, or `loss=0,delay=20,in-order`.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use super::{Bound, Order, PeerTimeout, QosField, QosSpec, Tolerance};

/// Why a text is not a quality of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseQosError {
    /// A word is neither a preset (at the beginning) nor a field.
    #[error(
        "word {word} is unknown: expected a preset ({}; only as the first), in-order, or delay=, bw=, \
         avail=, loss=, ber=, gap=, timeout= with a number",
        Presets
    )]
    UnknownWord {
        /// Which word, counted from 1.
        word: usize,
    },
    /// The value of a field is not a number, or not in its range.
    #[error("{field} is not a whole number in its range")]
    BadNumber {
        /// The field.
        field: QosField,
    },
}

/// The names of all presets, as people type them.
struct Presets;

impl fmt::Display for Presets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, _)) in QosSpec::PRESETS.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            for (index, part) in name.split('_').enumerate() {
                f.write_str(if index == 0 { "" } else { "-" })?;
                f.write_str(part)?;
            }
        }
        Ok(())
    }
}

/// Whether `word` is the preset `name`; a hyphen stands for an underscore, as in `in-order`.
fn is_preset(name: &str, word: &str) -> bool {
    name.split('_').eq(word.split(['_', '-']))
}

/// Words separated by commas: a preset may come first (else raw; `best-effort` and the peer's `best_effort`
/// are the same), then `delay=`, `gap=`, `timeout=` in ms,
/// `bw=` in bit/s, `avail=` in nines, `loss=`, `ber=` (0 forbids), `in-order`.
impl FromStr for QosSpec {
    type Err = ParseQosError;

    fn from_str(text: &str) -> Result<Self, ParseQosError> {
        let mut qos = Self::RAW;
        if text.is_empty() {
            return Ok(qos);
        }
        for (word, index) in text.split(',').zip(1..) {
            let preset = Self::PRESETS
                .iter()
                .find(|(name, _)| index == 1 && is_preset(name, word));
            qos = match (preset, word.split_once('=')) {
                (Some(&(_, preset)), _) => preset,
                (None, Some((key, value))) => qos
                    .with_field(key, value)
                    .ok_or(ParseQosError::UnknownWord { word: index })??,
                (None, None) if word == "in-order" => qos.with_order(Order::Kept),
                (None, None) => return Err(ParseQosError::UnknownWord { word: index }),
            };
        }
        Ok(qos)
    }
}

impl QosSpec {
    /// Sets one field by its word; `None` when there is no such field.
    fn with_field(self, key: &str, value: &str) -> Option<Result<Self, ParseQosError>> {
        let millis = |field| number(field, value);
        Some(match key {
            "delay" => millis(QosField::Delay).map(|ms| self.with_delay(Bound::from_millis(ms))),
            "gap" => millis(QosField::MaxGap).map(|ms| self.with_max_gap(Bound::from_millis(ms))),
            "timeout" => millis(QosField::Timeout).map(|ms| self.with_timeout(PeerTimeout::from_millis(ms))),
            "bw" => number(QosField::Bandwidth, value).map(|bits| self.with_bandwidth(bits)),
            "avail" => number(QosField::Availability, value).map(|nines| self.with_availability(nines)),
            "loss" => number(QosField::Loss, value).map(|bits| self.with_loss(Tolerance::from_bits(bits))),
            "ber" => number(QosField::Ber, value).map(|bits| self.with_ber(Tolerance::from_bits(bits))),
            _ => return None,
        })
    }
}

fn number<N: FromStr>(field: QosField, value: &str) -> Result<N, ParseQosError> {
    value.parse().map_err(|_| ParseQosError::BadNumber { field })
}
