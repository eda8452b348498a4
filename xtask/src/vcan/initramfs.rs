//! The guest's first file system: busybox, the modules, and the script that starts it all.

use std::fs;
use std::path::Path;

use crate::failure::{Failure, Result};
use crate::vcan::cpio::Archive;
use crate::vcan::modules::Module;

const INIT: &str = include_str!("init.sh");

/// Packs the archive. `busybox` has to be the static one: there are no libraries in there.
pub(crate) fn pack(busybox: &Path, modules: &[Module]) -> Result<Vec<u8>> {
    let busybox = fs::read(busybox).map_err(|error| Failure::at(busybox, &error))?;
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "modules"] {
        archive.directory(directory);
    }
    archive.file("bin/busybox", &busybox);
    archive.file("init", INIT.as_bytes());
    let order: String = modules
        .iter()
        .map(|module| format!("{}\n", module.name))
        .collect();
    archive.file("modules/order", order.as_bytes());
    for module in modules {
        archive.file(&format!("modules/{}", module.name), &module.content);
    }
    Ok(archive.finish())
}
