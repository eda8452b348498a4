//! Names and who is bound to them.

use alloc::format;

use super::error::{Error, Failure};
use super::process;
use crate::error::Errno;
use crate::name::Name;

/// Binds a process to a name: what is asked of the name is accepted there from now on.
///
/// # Errors
///
/// [`IrmError`](Error::IrmError), and what [`Error`] says of names and limits.
pub fn bind_process(pid: u32, name: &str) -> Result<(), Error> {
    let name = Name::new(name)?;
    own(pid)?;
    let provider = process::provider()?;
    let _runtime = process::enter();
    Ok(provider.bind(&name)?)
}

/// Lets a process go of a name.
///
/// # Errors
///
/// As [`bind_process`].
pub fn unbind_process(pid: u32, name: &str) -> Result<(), Error> {
    let name = Name::new(name)?;
    own(pid)?;
    let provider = process::provider()?;
    let _runtime = process::enter();
    if provider.unbind(&name) {
        Ok(())
    } else {
        Err(Error::IrmError(Failure::Layer {
            reason: format!("process {pid} is not bound to the name \"{name}\"").into(),
            errno: Errno::Name,
        }))
    }
}

/// Of another process, only a layer between processes knows.
fn own(pid: u32) -> Result<(), Error> {
    if pid == std::process::id() {
        return Ok(());
    }
    Err(Error::IrmError(Failure::Layer {
        reason: format!("process {pid} is another one, and the names are this process's own").into(),
        errno: Errno::NotSup,
    }))
}
