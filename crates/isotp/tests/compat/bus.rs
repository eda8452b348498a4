//! What carries the frames.

use std::os::unix::fs::PermissionsExt;

use can_link::Link;
use can_link::link::Echo;
use can_link::local_bus::{self, BusConfig, LocalPort, QueueLen};
use tempfile::TempDir;

const NAME: &str = "peers";

#[derive(Debug)]
pub(crate) enum Bus {
    /// tinwire's bus between processes, without the kernel: Python is a member as we are. The port does
    /// nothing but host it.
    Local { directory: TempDir, _host: LocalPort },
    /// An interface of the kernel.
    #[cfg(all(feature = "linux", target_os = "linux"))]
    Vcan(String),
}

impl Bus {
    pub(crate) async fn local() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let config = BusConfig::default()
            .queue(QueueLen::MIN)
            .directory(directory.path());
        let _host = local_bus::join(NAME, config).await.unwrap();
        Self::Local { directory, _host }
    }

    #[cfg(all(feature = "linux", target_os = "linux"))]
    pub(crate) fn vcan() -> Self {
        Self::Vcan(
            std::env::var("VCAN0").unwrap_or_else(|_| panic!("VCAN0 is not set; run: cargo xtask vcan")),
        )
    }

    /// A link of ours, which gives own frames back once they were on the bus.
    pub(crate) async fn join(&self) -> Link {
        match self {
            Self::Local { directory, .. } => {
                let config = BusConfig::default().echo(Echo::On).directory(directory.path());
                local_bus::join(NAME, config).await.unwrap().into_link()
            }
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Self::Vcan(interface) => {
                let options = can_link::linux::RawOptions::new().own_messages(Echo::On);
                options.open(interface.as_str()).unwrap().into_link()
            }
        }
    }

    /// What a script opens.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Local { directory, .. } => {
                directory.path().join(format!("{NAME}.bus")).display().to_string()
            }
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Self::Vcan(interface) => interface.clone(),
        }
    }

    /// What the tables say.
    pub(crate) fn over(&self) -> String {
        match self {
            Self::Local { .. } => String::from("bus:"),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Self::Vcan(_) => testkit::compat::vcan(),
        }
    }
}
