//! From an address to a link.

use alloc::format;

use crate::address::{LinkAddress, SocketCanAddress, VirtualAddress};
use crate::link::{Link, LinkError};
use crate::virtual_bus::{Echo, PortConfig, VirtualBus};
use crate::{local_bus, replay};

/// Opens the link at `address`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let mut link = can_link::open(&"virtual:lab?own=1".parse()?).await?;
/// let frame = can_link::CanFrame::data(can_link::StandardId::ZERO, b"hi").unwrap();
/// let echo = link.send_confirmed(frame.clone()).await?;
/// assert_eq!(echo.frame, frame);
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`LinkError::NotFound`] and its likes from the link itself; [`LinkError::Unsupported`] when this build or
/// system does not carry such links, with what would help.
///
/// # Cancel safety
/// When the future is dropped the link is not opened.
///
/// # Panics
/// Outside of a tokio runtime with I/O and time enabled.
pub async fn open(address: &LinkAddress) -> Result<Link, LinkError> {
    let not_yet = |scheme: &str, instead: &str| {
        Err(LinkError::unsupported(format!(
            "{scheme}: not in this build yet; {instead}"
        )))
    };
    match address {
        LinkAddress::SocketCan(address) => open_socketcan(address),
        LinkAddress::Virtual(address) => Ok(join_virtual(address)),
        LinkAddress::Bus(address) => local_bus::open(address).await,
        LinkAddress::Log(address) => replay::open(address),
        LinkAddress::Sim(_) => Err(LinkError::unsupported(
            "sim: the simulated devices are part of the tinwire command (crate tinwire-sim); \
             for a plain bus use virtual:NAME",
        )),
        LinkAddress::IsotpServer(_) => Err(LinkError::unsupported(
            "isotpserver: carries ISO-TP messages, not frames; give it to the isotp commands",
        )),
        LinkAddress::Slcan(_) => not_yet("slcan", "attach the adapter with slcand and open its interface"),
        LinkAddress::Serial(_) => not_yet(
            "serial",
            "open the adapter through a kernel interface, socketcan:",
        ),
        LinkAddress::SocketCand(_) => not_yet("socketcand", "open a kernel interface, socketcan:"),
        LinkAddress::Cannelloni(_) => not_yet(
            "cannelloni",
            "run cannelloni on a vcan interface and open that, socketcan:",
        ),
        LinkAddress::Multicast(_) => not_yet("mcast", "between processes of one machine use bus:NAME"),
        LinkAddress::Tinwire(_) => not_yet("tinwire", "between processes of one machine use bus:NAME"),
    }
}

fn join_virtual(address: &VirtualAddress) -> Link {
    let config = PortConfig::default()
        .echo(if address.own { Echo::On } else { Echo::Off })
        .receive_queue(address.queue)
        .overflow(address.overflow);
    VirtualBus::named(&address.name).join_with(config).into_link()
}

#[cfg(all(target_os = "linux", feature = "linux"))]
fn open_socketcan(address: &SocketCanAddress) -> Result<Link, LinkError> {
    use crate::linux::RawOptions;

    let mut options = RawOptions::new()
        .fd(address.fd)
        .xl(address.xl)
        .own_messages(address.own)
        .loopback(address.loopback)
        .filters(address.filter_set())
        .send_timeout(address.send_timeout)
        .on_bus_off(address.on_bus_off)
        .reconnect(address.reconnect);
    if let Some(bytes) = address.receive_buffer {
        options = options.receive_buffer(bytes);
    }
    if let Some(bytes) = address.send_buffer {
        options = options.send_buffer(bytes);
    }
    Ok(options.open(address.interface.as_str())?.into_link())
}

#[cfg(all(target_os = "linux", not(feature = "linux")))]
fn open_socketcan(address: &SocketCanAddress) -> Result<Link, LinkError> {
    let name = &address.interface;
    Err(LinkError::unsupported(format!(
        "{name}: this build has no SocketCAN; build can-link with its feature `linux`"
    )))
}

#[cfg(not(target_os = "linux"))]
fn open_socketcan(address: &SocketCanAddress) -> Result<Link, LinkError> {
    let name = &address.interface;
    Err(LinkError::unsupported(format!(
        "{name}: kernel CAN interfaces exist on Linux only; use virtual:NAME or bus:NAME here"
    )))
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;
    use crate::link::{CanRxExt, CanTxExt};
    use crate::{CanFrame, StandardId};

    async fn refused(address: &str) -> String {
        open(&address.parse().unwrap())
            .await
            .map(drop)
            .unwrap_err()
            .to_string()
    }

    #[tokio::test]
    async fn two_links_of_one_virtual_bus_hear_each_other() {
        let (first, second) = (
            "virtual:open-test".parse().unwrap(),
            "virtual:open-test".parse().unwrap(),
        );
        let (mut first, mut second) = (open(&first).await.unwrap(), open(&second).await.unwrap());
        let frame = CanFrame::data(StandardId::ZERO, &[1]).unwrap();
        first.send(frame.clone()).await.unwrap();
        assert_eq!(second.recv_frame().await.unwrap().unwrap().frame, frame);
    }

    #[tokio::test]
    async fn what_is_not_there_says_what_to_do_instead() {
        let texts = [
            refused("sim:").await,
            refused("isotpserver://h:1").await,
            refused("slcan:/dev/ttyACM0@500000").await,
            refused("serial:/dev/ttyUSB0").await,
            refused("socketcand://h/can0").await,
            refused("cannelloni://h").await,
            refused("mcast://239.1.1.1").await,
            refused("tinwire://h:1/x").await,
        ];
        for text in texts {
            let (what, fix) = text
                .split_once("; ")
                .unwrap_or_else(|| panic!("no fix in: {text}"));
            assert!(
                what.contains(':') && !fix.is_empty() && !text.ends_with('.'),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_missing_log_is_named() {
        let text = refused("log:/nonexistent/x.log").await;
        assert!(text.starts_with("opening the log /nonexistent/x.log: "), "{text}");
    }
}
