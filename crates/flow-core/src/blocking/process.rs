//! What the calls of a process share: a thread with a runtime, and whoever gives flows.

use alloc::sync::Arc;
use core::future::pending;
use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use tokio::runtime::{Builder, EnterGuard, Handle};

use super::error::{Error, Failure};
use crate::provider::Provider;
#[cfg(not(unix))]
use crate::providers::local::LocalLayer;
#[cfg(unix)]
use crate::providers::machine::{MachineConfig, MachineLayer, Names};

static RUNTIME: OnceLock<Handle> = OnceLock::new();
static LAYER: Mutex<Option<Layer>> = Mutex::new(None);

/// Whoever gives flows, and the names that it has.
#[derive(Clone)]
struct Layer {
    provider: Arc<dyn Provider>,
    /// None of a provider that the program chose.
    #[cfg(unix)]
    names: Option<Names>,
}

/// The layer, and the promise that nobody else makes or changes it meanwhile.
fn lock() -> MutexGuard<'static, Option<Layer>> {
    LAYER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The context of the runtime, if there is one yet.
pub(super) fn enter() -> Option<EnterGuard<'static>> {
    RUNTIME.get().map(Handle::enter)
}

/// Makes the runtime unless there is one. Its thread is never waited for: it ends with the process.
fn runtime() -> io::Result<&'static Handle> {
    if let Some(handle) = RUNTIME.get() {
        return Ok(handle);
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("flows".into())
        .spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(RUNTIME.get_or_init(|| handle))
}

/// The layer of this process; made by the first call that needs it.
fn layer() -> Result<Layer, Error> {
    let mut slot = lock();
    let handle = runtime().map_err(|error| Error::from(Failure::thread(&error)))?;
    if let Some(layer) = &*slot {
        return Ok(layer.clone());
    }
    let layer = {
        let _runtime = handle.enter();
        open()?
    };
    Ok(slot.insert(layer).clone())
}

/// Whoever gives flows to this process.
pub(super) fn provider() -> Result<Arc<dyn Provider>, Error> {
    Ok(layer()?.provider)
}

/// The names of this process's layer.
#[cfg(unix)]
pub(super) fn names() -> Result<Names, Error> {
    layer()?.names.ok_or_else(|| {
        Error::IrmError(Failure::Layer {
            reason: "the provider that this program chose has no names to manage".into(),
            errno: crate::error::Errno::NotSup,
        })
    })
}

/// What a program gets that did not choose.
#[cfg(unix)]
fn open() -> Result<Layer, Error> {
    let layer = MachineLayer::open(MachineConfig::default()).map_err(|error| Failure::layer(&error))?;
    Ok(Layer {
        names: Some(Names::new(layer.directory().clone())),
        provider: Arc::new(layer.attach()),
    })
}

/// What a program gets that did not choose.
#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "a layer between processes may fail to open"
)]
fn open() -> Result<Layer, Error> {
    let provider = Arc::new(LocalLayer::new().attach());
    Ok(Layer { provider })
}

/// Chooses whoever gives flows to this process, unless one is there already.
pub(super) fn choose(provider: Arc<dyn Provider>) -> Result<(), Arc<dyn Provider>> {
    let mut slot = lock();
    if slot.is_some() {
        return Err(provider);
    }
    *slot = Some(Layer {
        provider,
        #[cfg(unix)]
        names: None,
    });
    Ok(())
}
