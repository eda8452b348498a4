//! Flows for programs without a runtime, by the names of PyOuroboros.
//!
//! ```
//! # #[cfg(feature = "tokio")] fn main() -> Result<(), flow_core::blocking::Error> {
//! use flow_core::blocking::{bind_process, flow_accept, flow_alloc};
//!
//! # flow_core::blocking::use_provider(std::sync::Arc::new(flow_core::LocalLayer::new().attach())).unwrap();
//! bind_process(std::process::id(), "oecho")?;
//! let server = std::thread::spawn(|| {
//!     let f = flow_accept(None)?;
//!     let line = f.readline()?;
//!     f.writeline(&line)?;
//!     f.dealloc()
//! });
//! let f = flow_alloc("oecho", None, None)?;
//! f.writeline("Hello, PyOuroboros!")?;
//! assert_eq!(f.readline()?, "Hello, PyOuroboros!");
//! # server.join().unwrap()
//! # }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! - Nothing happens before the first call that needs it: then one thread with a runtime is made, which ends
//!   with the process. A flow costs no thread.
//! - **Waiting** calls obey the flow's timeouts and flags. Each can be ended from another thread, by the
//!   [`Interrupter`] of its flow or set, or all of them by [`interrupt`], as who hears Ctrl-C would; nothing
//!   is lost by that. Deallocating a flow ends the calls that wait for it.
//! - **Threads.** A [`Flow`] is a handle: clones are the same flow, and any number of threads may read and
//!   write it at once.
//! - **Within a runtime** of somebody else's the calls work too, and hold up the thread that makes them:
//!   there, use the calls of [`crate::Flow`].
//! - **Whose flows.** Unless the program [chooses](use_provider) otherwise, those of all processes of this
//!   machine that meet in the same directory: `$TINWIRE_FLOW_DIR`, else `flow` in the user's runtime
//!   directory. Elsewhere than on Unix, those of this process.

mod bell;
mod error;
mod flow;
mod irm;
mod process;
mod set;

use alloc::sync::Arc;
use core::time::Duration;

pub use error::{Error, Failure};
pub use flow::{DEFAULT_READ, FRCT_LINGER, FRCT_RESCNTL, FRCT_RETRANSMIT, Flow, Interrupter};
#[cfg(unix)]
pub use irm::{BIND_AUTO, bind_program, create_name, destroy_name, list_names, unbind_program};
pub use irm::{bind_process, unbind_process};
pub use set::{FEventQueue, FEventType, FlowSet, MAX_EVENTS};

pub use crate::flow::FlowFlags as FlowProperties;
#[cfg(unix)]
pub use crate::providers::machine::{Balance as LoadBalancePolicy, NameInfo};
pub use crate::qos::QosSpec as QoSSpec;

use crate::provider::Provider;

/// No wish at all.
pub const QOS_RAW: QoSSpec = QoSSpec::RAW;
/// No bit errors.
pub const QOS_RAW_NO_ERRORS: QoSSpec = QoSSpec::RAW_NO_ERRORS;
/// No bit errors, in order.
pub const QOS_BEST_EFFORT: QoSSpec = QoSSpec::BEST_EFFORT;
/// Pictures.
pub const QOS_VIDEO: QoSSpec = QoSSpec::VIDEO;
/// Speech.
pub const QOS_VOICE: QoSSpec = QoSSpec::VOICE;
/// Everything arrives, once, as it was written.
pub const QOS_DATA: QoSSpec = QoSSpec::DATA;

/// Allocates a flow to `dst`; see [`Flow::alloc`].
///
/// # Errors
///
/// [`Error`].
pub fn flow_alloc(dst: &str, qos: Option<QoSSpec>, timeo: Option<Duration>) -> Result<Flow, Error> {
    let flow = Flow::new();
    flow.alloc(dst, qos, timeo)?;
    Ok(flow)
}

/// Accepts the next flow; see [`Flow::accept`].
///
/// # Errors
///
/// [`Error`].
pub fn flow_accept(timeo: Option<Duration>) -> Result<Flow, Error> {
    let flow = Flow::new();
    flow.accept(timeo)?;
    Ok(flow)
}

/// Joins a broadcast layer; see [`Flow::join`].
///
/// # Errors
///
/// [`Error`].
pub fn flow_join(dst: &str, qos: Option<QoSSpec>, timeo: Option<Duration>) -> Result<Flow, Error> {
    let flow = Flow::new();
    flow.join(dst, qos, timeo)?;
    Ok(flow)
}

/// Ends all calls of this process that wait now with [`Error::KeyboardInterrupt`], and returns how many those
/// are.
#[expect(clippy::must_use_candidate, reason = "most do not care how many there were")]
pub fn interrupt() -> usize {
    bell::interrupt_all()
}

/// Lets this process have its flows from `provider`, before the first call that needs one.
///
/// # Errors
///
/// The provider, when there is one already.
pub fn use_provider(provider: Arc<dyn Provider>) -> Result<(), Arc<dyn Provider>> {
    process::choose(provider)
}
