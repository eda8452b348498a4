//! What the calls of a process share: a thread with a runtime, and whoever gives flows.

use alloc::sync::Arc;
use core::future::pending;
use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use tokio::runtime::{Builder, EnterGuard, Handle};

use super::error::{Error, Failure};
use crate::provider::Provider;
use crate::providers::local::LocalLayer;

static RUNTIME: OnceLock<Handle> = OnceLock::new();
static PROVIDER: Mutex<Option<Arc<dyn Provider>>> = Mutex::new(None);

/// The provider, and the promise that nobody else makes or changes it meanwhile.
fn lock() -> MutexGuard<'static, Option<Arc<dyn Provider>>> {
    PROVIDER.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Whoever gives flows to this process; made by the first call that needs it.
pub(super) fn provider() -> Result<Arc<dyn Provider>, Error> {
    let mut slot = lock();
    let handle = runtime().map_err(|error| Error::from(Failure::thread(&error)))?;
    if let Some(provider) = &*slot {
        return Ok(Arc::clone(provider));
    }
    let provider = {
        let _runtime = handle.enter();
        open()?
    };
    Ok(Arc::clone(slot.insert(provider)))
}

/// What a program gets that did not choose.
#[expect(
    clippy::unnecessary_wraps,
    reason = "a layer between processes may fail to open"
)]
fn open() -> Result<Arc<dyn Provider>, Error> {
    Ok(Arc::new(LocalLayer::new().attach()))
}

/// Chooses whoever gives flows to this process, unless one is there already.
pub(super) fn choose(provider: Arc<dyn Provider>) -> Result<(), Arc<dyn Provider>> {
    let mut slot = lock();
    if slot.is_some() {
        return Err(provider);
    }
    *slot = Some(provider);
    Ok(())
}
