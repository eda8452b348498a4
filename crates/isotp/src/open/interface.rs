//! Whether the kernel takes an endpoint on one of its interfaces.

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use can_link::LinkError;
use can_link::address::{FdMode, Loopback, OnBusOff, SocketCanAddress};
use can_link::linux::{IsoTpOptions, IsoTpSupport};

use super::Kernel;
use crate::address::Address;
use crate::backend::{Backend, Lack, OpenError, Reason};
use crate::config::Config;
use crate::data_link::DataLink;
use crate::kernel::KernelIsoTp;
use crate::kernel::options::lacks;

/// The interface's name that stands for all of them.
const ANY: &str = "any";

/// The kernel's endpoint with the reasons for it; or the reasons to do without it, unless the kernel was
/// asked for by name.
pub(super) fn ask(
    link: &SocketCanAddress,
    address: &Address,
    config: &Config,
    backend: Backend,
) -> Result<Kernel<(KernelIsoTp, Vec<Reason>)>, OpenError> {
    ask_with(IsoTpSupport::ask(), link, address, config, backend)
}

fn ask_with(
    support: Result<IsoTpSupport, LinkError>,
    link: &SocketCanAddress,
    address: &Address,
    config: &Config,
    backend: Backend,
) -> Result<Kernel<(KernelIsoTp, Vec<Reason>)>, OpenError> {
    let wants_kernel = backend == Backend::Kernel;
    let opened = support.map_err(OpenError::from).and_then(|support| {
        let mut lacks = lacks(address, config, &support);
        lacks.extend(lacks_of_link(link, config));
        let refused = |lack: &Lack| !wants_kernel || lack.is_total();
        if lacks.iter().any(refused) {
            let link = link.to_string();
            return Err(OpenError::KernelLacks { link, lacks });
        }
        let socket = KernelIsoTp::open_with(&link.interface, address, config, |options| {
            adjusted(options, link)
        })?;
        Ok((socket, lacks))
    });
    match opened {
        Ok((socket, lacks)) => {
            let first = if wants_kernel {
                Reason::Asked
            } else {
                Reason::KernelSuffices
            };
            let reasons = [first]
                .into_iter()
                .chain(lacks.into_iter().map(Reason::KernelLacks));
            Ok(Kernel::Works((socket, reasons.collect())))
        }
        Err(error) if wants_kernel => Err(error),
        Err(OpenError::KernelLacks { lacks, .. }) => {
            let reasons = lacks.into_iter().map(Reason::KernelLacks);
            Ok(Kernel::Declined(reasons.collect()))
        }
        Err(error) => Ok(Kernel::Declined(vec![Reason::KernelRefuses(error.to_string())])),
    }
}

/// What of the link's own options the kernel's ISO-TP has not. Options about frames that are none of ISO-TP
/// (`xl`, `err`, `own`) ask for nothing here.
fn lacks_of_link(link: &SocketCanAddress, config: &Config) -> Vec<Lack> {
    let fd = matches!(config.data_link, DataLink::Fd { .. });
    let options = [
        (link.fd == FdMode::Off && fd, "fd"),
        (link.loopback == Loopback::Off, "loopback"),
        (!link.filters.is_empty(), "filter"),
        (link.on_bus_off == OnBusOff::Wait, "bus_off"),
    ];
    let options = options.into_iter().filter(|(asked, _)| *asked);
    (link.interface == ANY)
        .then_some(Lack::AllInterfaces)
        .into_iter()
        .chain(options.map(|(_, name)| Lack::LinkOption(name)))
        .collect()
}

fn adjusted(options: IsoTpOptions, link: &SocketCanAddress) -> IsoTpOptions {
    let options = options.send_timeout(link.send_timeout);
    match link.receive_buffer {
        Some(bytes) => options.receive_buffer(bytes),
        None => options,
    }
}

#[cfg(test)]
mod tests {
    use can_link::StandardId;
    use can_link::address::LinkAddress;

    use super::*;

    /// What becomes of an endpoint on an interface that does not exist, with this support.
    fn asked(
        support: Result<IsoTpSupport, LinkError>,
        config: &Config,
        backend: Backend,
    ) -> Result<Vec<Reason>, OpenError> {
        let id = |raw| StandardId::new(raw).unwrap();
        let address = Address::normal(id(1), id(2)).unwrap();
        let link = SocketCanAddress::new("no-such-if");
        match ask_with(support, &link, &address, config, backend)? {
            Kernel::Works(_) => panic!("the kernel works without an interface"),
            Kernel::Declined(reasons) => Ok(reasons),
        }
    }

    fn absent() -> Result<IsoTpSupport, LinkError> {
        Err(LinkError::unsupported("isotp: this kernel has none"))
    }

    #[test]
    fn a_kernel_without_iso_tp_is_a_reason_for_auto_and_an_error_for_who_wants_it() {
        let reasons = asked(absent(), &Config::default(), Backend::Auto).unwrap();
        assert_eq!(
            reasons,
            [Reason::KernelRefuses("isotp: this kernel has none".into())]
        );
        let error = asked(absent(), &Config::default(), Backend::Kernel).unwrap_err();
        assert_eq!(error.to_string(), "isotp: this kernel has none");
    }

    #[test]
    fn what_the_kernel_has_not_is_listed_one_by_one() {
        let config = Config::default().wait_limit(Some(2)).max_rx_len(100);
        let old = || Ok(IsoTpSupport::new(None, false));
        let reasons = asked(old(), &config, Backend::Auto).unwrap();
        let expected = [
            Lack::WaitLimit { max: 2 },
            Lack::RefusingEarly { max: 100 },
            Lack::EveryFlowControl,
        ];
        assert_eq!(reasons, expected.map(Reason::KernelLacks));
        let error = asked(old(), &config, Backend::Kernel).unwrap_err();
        assert!(matches!(error, OpenError::KernelLacks { lacks, .. } if lacks.len() == 3));
    }

    fn lacks(address: &str) -> Vec<Lack> {
        match address.parse().unwrap() {
            LinkAddress::SocketCan(link) => lacks_of_link(&link, &Config::default()),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn options_about_raw_frames_are_named() {
        assert_eq!(lacks("can0?own=1&err=0&xl=0&fd=0&rcvbuf=1&send_timeout=1s"), []);
        assert_eq!(
            lacks("can0?loopback=0&filter=123:7FF&bus_off=wait"),
            ["loopback", "filter", "bus_off"].map(Lack::LinkOption)
        );
        assert_eq!(lacks("socketcan:any"), [Lack::AllInterfaces]);
    }
}
