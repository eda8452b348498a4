//! Finds and downloads a kernel package without installing it.
//!
//! The host's own package lists are used when they offer the wanted series. Otherwise lists of our own are
//! fetched, from the mirror the host uses, into the cache: the host's configuration stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;
use crate::vcan::options::Series;

/// The package that always depends on the newest kernel.
const NEWEST: &str = "linux-image-amd64";
/// Newer kernels are cut into several packages; these are the ones with something in them for us.
const PARTS: [&str; 3] = ["linux-image-", "linux-binary-", "linux-modules-"];

pub(crate) fn image_prefix(series: Series) -> String {
    format!("linux-image-{}.", series.version())
}

/// Downloads into `cache`; gives the name of the image package and the files.
pub(crate) fn download(series: Series, cache: &Path) -> Result<(String, Vec<PathBuf>)> {
    let (apt, image) = resolve(series, cache)?;
    let mut names = vec![image.clone()];
    names.extend(apt.dependencies(&image)?);
    let before = packages_in(cache)?;
    let mut get = apt.command("apt-get");
    process::run(get.arg("download").args(&names).current_dir(cache))?;
    let after = packages_in(cache)?;
    let files: Vec<_> = after.into_iter().filter(|file| !before.contains(file)).collect();
    if files.is_empty() {
        return Err(Failure::new(format!("apt-get download {image}: no file arrived")));
    }
    Ok((image, files))
}

/// Which apt configuration offers the series, and the name of the image package.
fn resolve(series: Series, cache: &Path) -> Result<(Apt, String)> {
    let host = Apt::host();
    if let Some(image) = host.image(series) {
        return Ok((host, image));
    }
    let private = Apt::private(series, cache)?;
    if let Some(image) = private.image(series) {
        return Ok((private, image));
    }
    Err(Failure::new(format!(
        "{} offers no Linux {}: give one with --kernel-deb FILE or --kernel-dir DIR",
        series.suite(),
        series.version()
    )))
}

/// Options that make apt use certain lists.
#[derive(Debug, Default)]
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn host() -> Self {
        Self::default()
    }

    /// Fetches the lists of the one suite that has the series.
    fn private(series: Series, cache: &Path) -> Result<Self> {
        let sites = process::read(Command::new("apt-get").args(["indextargets", "--format", "$(SITE)"]))?;
        let site = sites
            .lines()
            .find(|site| site.ends_with("/debian"))
            .ok_or_else(|| Failure::new("the host's package sources name no mirror of Debian"))?;
        let base = cache.join("apt").join(series.suite());
        for directory in ["state/lists/partial", "cache/archives/partial"] {
            let directory = base.join(directory);
            fs::create_dir_all(&directory).map_err(|error| Failure::at(&directory, &error))?;
        }
        let sources = base.join("sources.list");
        fs::write(&sources, format!("deb {site} {} main\n", series.suite()))
            .map_err(|error| Failure::at(&sources, &error))?;
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        let apt = Self {
            options: vec![
                option("Dir::Etc::SourceList", &sources),
                option("Dir::Etc::SourceParts", Path::new("-")),
                option("Dir::State", &base.join("state")),
                option("Dir::Cache", &base.join("cache")),
                "Acquire::Languages=none".to_owned(),
            ],
        };
        process::run(apt.command("apt-get").args(["--quiet", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for option in &self.options {
            command.args(["-o", option]);
        }
        // As root, apt would download as a user who may not be able to reach this directory.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command
    }

    /// The image package that the newest kernel of these lists comes in, if it is of that series.
    fn image(&self, series: Series) -> Option<String> {
        let prefix = image_prefix(series);
        self.dependencies(NEWEST)
            .unwrap_or_default()
            .into_iter()
            .find(|name| name.starts_with(&prefix))
    }

    fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let mut cache = self.command("apt-cache");
        Ok(kernel_parts(&process::read(cache.args(["depends", package]))?))
    }
}

/// The kernel packages among the lines of `apt-cache depends`.
fn kernel_parts(listing: &str) -> Vec<String> {
    listing
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .filter(|name| PARTS.iter().any(|part| name.starts_with(part)))
        .map(str::to_owned)
        .collect()
}

fn packages_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).map_err(|error| Failure::at(directory, &error))?;
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_packages_are_picked_from_a_list_of_dependencies() {
        let listing = [
            "linux-image-7.2.12+deb13-amd64",
            "  Depends: kmod",
            "  Depends: linux-binary-7.2.12+deb13-amd64",
            "  Depends: linux-modules-7.2.12+deb13-amd64",
            "    linux-initramfs-tool",
            "  Recommends: linux-image-x",
        ]
        .join("\n");
        assert_eq!(
            kernel_parts(&listing),
            [
                "linux-binary-7.2.12+deb13-amd64",
                "linux-modules-7.2.12+deb13-amd64"
            ]
        );
    }

    #[test]
    fn series_6_1_does_not_take_6_12_for_its_own() {
        assert!(!"linux-image-6.12.95+deb12-amd64".starts_with(&image_prefix(Series::V6_1)));
        assert!("linux-image-6.1.0-56-amd64".starts_with(&image_prefix(Series::V6_1)));
    }
}
