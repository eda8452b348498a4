//! Names and who is bound to them.

use alloc::format;

use super::error::{Error, Failure};
use super::process;
use crate::error::Errno;
use crate::name::Name;

#[cfg(unix)]
pub use settings::{BIND_AUTO, bind_program, create_name, destroy_name, list_names, unbind_program};

/// Binds a process to a name: it accepts what is asked of the name. Of this process it is done at once and
/// ends with it; another one sees it within a second, and the name has to be created before.
///
/// # Errors
///
/// [`BindError`](Error::BindError); [`ValueError`](Error::ValueError) of what is no name.
pub fn bind_process(pid: u32, name: &str) -> Result<(), Error> {
    let name = Name::new(name)?;
    if pid != std::process::id() {
        return other(pid, &name, true);
    }
    let provider = process::provider()?;
    let _runtime = process::enter();
    provider
        .bind(&name)
        .map_err(|error| Error::BindError(error.into()))
}

/// Lets a process go of a name.
///
/// # Errors
///
/// As [`bind_process`]; and when it is not bound.
pub fn unbind_process(pid: u32, name: &str) -> Result<(), Error> {
    let name = Name::new(name)?;
    let provider = process::provider()?;
    let _runtime = process::enter();
    if pid == std::process::id() && provider.unbind(&name) {
        return Ok(());
    }
    other(pid, &name, false)
}

fn not_bound(what: &str, name: &Name) -> Error {
    Error::BindError(Failure::Layer {
        reason: format!("{what} is not bound to the name \"{name}\"").into(),
        errno: Errno::Name,
    })
}

/// What only a layer between processes knows: of others, and of this one from others.
#[cfg(unix)]
fn other(pid: u32, name: &Name, bind: bool) -> Result<(), Error> {
    let names = process::names()?;
    let bound = if bind {
        names.bind_process(pid, name).map(|()| true)
    } else {
        names.unbind_process(pid, name)
    };
    match bound {
        Ok(true) => Ok(()),
        Ok(false) => Err(not_bound(&format!("process {pid}"), name)),
        Err(error) => Err(Error::BindError(error.into())),
    }
}

#[cfg(not(unix))]
fn other(pid: u32, name: &Name, _bind: bool) -> Result<(), Error> {
    Err(not_bound(&format!("process {pid}"), name))
}

#[cfg(unix)]
mod settings {
    use alloc::format;
    use alloc::vec::Vec;
    use std::path::Path;

    use super::{Error, Failure, Name, not_bound, process};
    use crate::error::Errno;
    use crate::providers::machine::{Balance, NameInfo, NameSettings, Start};

    /// Who asks for the name starts the program when nobody accepts.
    pub const BIND_AUTO: u32 = 0o1;

    /// Creates a name, which stays until it is destroyed, with its policy for when several processes accept.
    ///
    /// # Errors
    ///
    /// [`NameError`](Error::NameError); [`ValueError`](Error::ValueError) of what is no name.
    pub fn create_name(name: &str, pol_lb: Balance) -> Result<(), Error> {
        let name = Name::new(name)?;
        let created = process::names()?.create(&name, NameSettings::default().balance(pol_lb));
        created.map_err(|error| Error::NameError(error.into()))
    }

    /// Takes a name back. Processes that bound it themselves keep it as long as they live.
    ///
    /// # Errors
    ///
    /// As [`create_name`].
    pub fn destroy_name(name: &str) -> Result<(), Error> {
        let destroyed = process::names()?.destroy(&Name::new(name)?);
        destroyed.map_err(|error| Error::NameError(error.into()))
    }

    /// All names, with their policies and whoever is bound to them.
    ///
    /// # Errors
    ///
    /// [`IrmError`](Error::IrmError).
    pub fn list_names() -> Result<Vec<NameInfo>, Error> {
        let names = process::names()?.list();
        names.map_err(|error| Error::IrmError(error.into()))
    }

    /// Binds a program to a name: processes that run it accept for the name. With [`BIND_AUTO`] whoever asks
    /// for the name starts it, with these arguments, when nobody accepts.
    ///
    /// # Errors
    ///
    /// [`BindError`](Error::BindError), also for options that are not known; and
    /// [`ValueError`](Error::ValueError) of what is no name.
    pub fn bind_program(prog: impl AsRef<Path>, name: &str, opts: u32, argv: &[&str]) -> Result<(), Error> {
        let name = Name::new(name)?;
        let start = match opts {
            0 => Start::ByHand,
            BIND_AUTO => Start::Auto {
                args: argv.iter().map(Into::into).collect(),
            },
            opts => {
                return Err(Error::BindError(Failure::Layer {
                    reason: format!("options {opts:#o}, known is only {BIND_AUTO:#o}").into(),
                    errno: Errno::Inval,
                }));
            }
        };
        let bound = process::names()?.bind_program(prog.as_ref(), &name, start);
        bound.map_err(|error| Error::BindError(error.into()))
    }

    /// Lets a program go of a name.
    ///
    /// # Errors
    ///
    /// As [`bind_program`]; and when it is not bound.
    pub fn unbind_program(prog: impl AsRef<Path>, name: &str) -> Result<(), Error> {
        let (name, prog) = (Name::new(name)?, prog.as_ref());
        match process::names()?.unbind_program(prog, &name) {
            Ok(true) => Ok(()),
            Ok(false) => Err(not_bound(&format!("{}", prog.display()), &name)),
            Err(error) => Err(Error::BindError(error.into())),
        }
    }
}
