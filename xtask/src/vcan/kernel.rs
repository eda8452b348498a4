//! Provides the machine's kernel: downloaded from Debian once, never installed, kept under `target/vcan`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};
use crate::process;
use crate::vcan::options::{Series, Source};
use crate::vcan::{debian, image};

/// Directories of a package that a guest may need something from, below `kernel/` of its modules.
const WANTED: [&str; 10] = [
    "net/can",
    "drivers/net/can",
    "net/9p",
    "fs/9p",
    "fs/netfs",
    "fs/fscache",
    "fs/overlayfs",
    "drivers/virtio",
    "drivers/char/virtio_console",
    "net/sched",
];
const PLAIN: &str = "vmlinux";

/// A kernel to boot.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Uncompressed, as an ELF file.
    pub(crate) image: PathBuf,
    /// Holds the modules, at any depth.
    pub(crate) modules: PathBuf,
}

/// Gives the kernel, taking it from `cache` where it was unpacked before.
pub(crate) fn provide(source: &Source, cache: &Path) -> Result<Kernel> {
    match source {
        Source::Debian(series) => cached(*series, cache).map_or_else(|| download(*series, cache), Ok),
        Source::Package(package) => {
            let directory = cache.join(package.file_stem().unwrap_or(package.as_os_str()));
            unpack(core::slice::from_ref(package), &directory)
        }
        Source::Directory(directory) => {
            let name = directory
                .file_name()
                .unwrap_or(directory.as_os_str())
                .to_string_lossy();
            let kept = cache.join(format!("directory-{name}"));
            fs::create_dir_all(&kept).map_err(|error| Failure::at(&kept, &error))?;
            image::extract(&find_image(directory)?, &kept.join(PLAIN))?;
            Ok(Kernel {
                image: kept.join(PLAIN),
                modules: directory.clone(),
            })
        }
    }
}

/// The newest kernel of that series that was unpacked before.
fn cached(series: Series, cache: &Path) -> Option<Kernel> {
    let prefix = debian::image_prefix(series);
    let mut directories: Vec<_> = fs::read_dir(cache)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        })
        .filter(|path| path.join(PLAIN).is_file())
        .collect();
    directories.sort();
    directories.pop().map(of)
}

fn download(series: Series, cache: &Path) -> Result<Kernel> {
    fs::create_dir_all(cache).map_err(|error| Failure::at(cache, &error))?;
    println!(
        "==> fetching a Linux {} kernel from Debian (once)",
        series.version()
    );
    let (name, packages) = debian::download(series, cache)?;
    let kernel = unpack(&packages, &cache.join(name))?;
    for package in packages {
        fs::remove_file(&package).map_err(|error| Failure::at(&package, &error))?;
    }
    Ok(kernel)
}

/// Unpacks what the guest needs. The plain kernel is written last and marks the directory as complete.
fn unpack(packages: &[PathBuf], directory: &Path) -> Result<Kernel> {
    if !directory.join(PLAIN).is_file() {
        fs::create_dir_all(directory).map_err(|error| Failure::at(directory, &error))?;
        for package in packages {
            unpack_one(package, directory)?;
        }
        image::extract(&find_image(directory)?, &directory.join(PLAIN))?;
    }
    Ok(of(directory.to_path_buf()))
}

fn of(directory: PathBuf) -> Kernel {
    Kernel {
        image: directory.join(PLAIN),
        modules: directory,
    }
}

fn unpack_one(package: &Path, directory: &Path) -> Result {
    let mut open = Command::new("dpkg-deb");
    open.arg("--fsys-tarfile")
        .arg(package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut opened = open
        .spawn()
        .map_err(|error| process::unstartable(&open, &error))?;
    let mut tar = Command::new("tar");
    tar.arg("--extract")
        .arg("--directory")
        .arg(directory)
        .args(["--wildcards", "*/vmlinuz*"]);
    tar.args(WANTED.map(|part| format!("*/kernel/{part}*")));
    // A part that this kernel has built in is absent from its package, and tar's status is then red:
    // `find_image` and the list of modules say whether what is needed is there.
    tar.stderr(Stdio::null());
    if let Some(archive) = opened.stdout.take() {
        tar.stdin(archive)
            .status()
            .map_err(|error| process::unstartable(&tar, &error))?;
    }
    let status = opened
        .wait()
        .map_err(|error| process::unstartable(&open, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}: not a Debian package",
        package.display()
    )))
}

/// Finds the one `vmlinuz` below a directory: `boot/vmlinuz-6.1.0-56-amd64`, or
/// `usr/lib/modules/7.2.12-amd64/vmlinuz`.
fn find_image(directory: &Path) -> Result<PathBuf> {
    search(directory)
        .ok_or_else(|| Failure::new(format!("{}: no kernel (vmlinuz*) in there", directory.display())))
}

fn search(directory: &Path) -> Option<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    entries.sort();
    let is_image = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("vmlinuz") && path.is_file()
    };
    let here = entries.iter().find(is_image).cloned();
    here.or_else(|| {
        entries
            .iter()
            .filter(|path| path.is_dir() && !path.is_symlink())
            .find_map(|path| search(path))
    })
}
