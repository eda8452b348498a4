//! `csp node`

use clap::Args;
use csp_core::Port;
use csp_core::service::{Service, Services};

use super::Interface;

pub(super) const EXAMPLES: &str = "\
Services: ping ident uptime memfree buffree ps ifstat clock, which harm nobody, and clock-set peek
poke reboot shutdown route-set, which are served only when they are named, or with all. Memory that
is peeked and poked is a simulated one of 64 KiB at address 0; a clock that is set is the node's
own. Reboot starts the uptime anew, shutdown ends the command.

Examples:
  tinwire csp node -i bus:lab --addr 2/8
  tinwire csp node -i can:can0,addr=2/8 --json
  tinwire csp node -i bus:lab --addr 2/8 --services default,peek,poke --hostname eps
  tinwire csp node -i bus:lab --addr 2/8 --services none --echo 10
  tinwire csp node -i sim: --addr 20/8 --deadline 5s";

/// `csp node`
#[derive(Args, Debug)]
pub(crate) struct Node {
    #[command(flatten)]
    pub(crate) interface: Interface,
    /// What to serve: all, none, or names behind commas, of which default is the harmless ones
    #[arg(long, value_name = "LIST", default_value = "default", value_parser = services)]
    pub(crate) services: Services,
    /// Send back what comes to this port; may be given several times
    #[arg(long, value_name = "PORT")]
    pub(crate) echo: Vec<Port>,
    /// The name to answer ident with
    #[arg(long, value_name = "NAME", default_value = "tinwire")]
    pub(crate) hostname: String,
    /// The model to answer ident with
    #[arg(long, value_name = "MODEL", default_value = "csp node")]
    pub(crate) model: String,
    /// The revision to answer ident with
    #[arg(long, value_name = "REVISION", default_value = env!("CARGO_PKG_VERSION"))]
    pub(crate) revision: String,
    /// Answer requests without a CRC32 trailer too, as libcsp 1.6 does
    #[arg(long)]
    pub(crate) no_crc: bool,
    /// Answer only requests with an authentication code made with this pass phrase
    #[arg(long, value_name = "PASSPHRASE")]
    pub(crate) hmac: Option<String>,
}

fn services(text: &str) -> Result<Services, String> {
    let mut services = Services::none();
    for word in text.split(',') {
        services = match word {
            "none" => services,
            "all" => Service::ALL.into_iter().fold(services, Services::on),
            "default" => Services::default().iter().fold(services, Services::on),
            name => {
                let named = Service::ALL
                    .into_iter()
                    .find(|service| service.to_string() == name);
                let named = named.ok_or_else(|| {
                    let names = Service::ALL.map(|service| service.to_string()).join(" ");
                    format!("{name:?} is no service; there are all none default {names}")
                })?;
                services.on(named)
            }
        };
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dangerous_services_are_on_only_by_name_or_with_all() {
        let is_on = |text: &str, service| services(text).unwrap().is_on(service);
        assert!(is_on("default", Service::Ping) && !is_on("default", Service::Poke));
        assert!(is_on("all", Service::Poke));
        assert!(!is_on("none", Service::Ping));
        assert!(is_on("ping,poke", Service::Poke) && !is_on("ping,poke", Service::Identity));
        assert!(
            services("pong")
                .unwrap_err()
                .contains("there are all none default ident")
        );
    }
}
