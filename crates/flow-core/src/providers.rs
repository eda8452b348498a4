//! The ways to reach names.
//!
//! One that needs another crate is behind the feature of its name; memory needs none.

#[cfg(any(feature = "csp", feature = "isotp", feature = "fstrm"))]
mod arrivals;
#[cfg(feature = "csp")]
pub mod csp;
#[cfg(feature = "fstrm")]
pub mod fstrm;
#[cfg(feature = "isotp")]
pub mod isotp;
pub mod local;
#[cfg(unix)]
pub mod machine;

#[cfg(any(feature = "csp", feature = "isotp", feature = "fstrm"))]
use crate::qos::QosSpec;

/// Of what an owner promises of links, what links alone decide on; the rest is the protocol's.
#[cfg(any(feature = "csp", feature = "isotp", feature = "fstrm"))]
const fn promised(links: QosSpec) -> QosSpec {
    QosSpec::RAW
        .with_delay(links.delay())
        .with_bandwidth(links.bandwidth())
        .with_availability(links.availability())
        .with_max_gap(links.max_gap())
}
