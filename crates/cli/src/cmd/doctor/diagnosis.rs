//! From what was seen to what it means.

use serde::Serialize;

use super::machine::{Interface, Machine, Module};

/// The receive buffer that a raw socket asks for.
const WANTED_BUFFER: u64 = 2 * 1024 * 1024;
/// Frames in a transmit queue at which programs that do not wait begin to lose frames at once.
const SHORT_QUEUE: u32 = 10;
/// MTU of an interface that carries CAN FD.
const FD_MTU: u32 = 72;

/// One thing this machine can or cannot do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) what: String,
    pub(super) state: State,
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It works.
    Ok,
    /// It could work; the fix says how.
    Gap,
    /// It is not to be had on this machine, and not needed.
    None,
}

impl Finding {
    fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            state: State::Ok,
            found: found.into(),
            fix: None,
        }
    }

    fn gap(what: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            state: State::Gap,
            found: found.into(),
            fix: Some(fix.into()),
        }
    }

    fn none(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            state: State::None,
            ..Self::ok(what, found)
        }
    }
}

pub(super) fn judge(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![
        Finding::ok("simulated devices", "sim: and virtual:NAME work everywhere"),
        runtime(machine),
    ];
    if machine.is_linux {
        findings.extend(kernel(machine));
    } else {
        findings.push(Finding::none(
            "kernel CAN",
            "only Linux has CAN interfaces in its kernel; use bus:NAME, virtual:NAME or sim:",
        ));
    }
    findings.push(tools(
        machine,
        "can-utils",
        &["candump", "isotprecv"],
        "can-utils",
    ));
    findings.push(tools(
        machine,
        "fstrm tools",
        &["fstrm_capture", "fstrm_dump"],
        "fstrm-bin",
    ));
    findings
}

/// Settings that nobody understands.
pub(super) fn settings(fault: String) -> Finding {
    Finding::gap(
        "settings",
        fault,
        "correct it there; tinwire config show --origin tells what is understood",
    )
}

fn runtime(machine: &Machine) -> Finding {
    if !machine.has_buses {
        return Finding::none(
            "bus:NAME",
            "buses between programs need Unix sockets; use virtual:NAME or sim:",
        );
    }
    let (folder, problem) = &machine.runtime;
    let folder = folder.display();
    match problem {
        None => Finding::ok("bus:NAME", format!("sockets in {folder}")),
        Some(problem) => Finding::gap(
            "bus:NAME",
            format!("{folder}: {problem}"),
            "export XDG_RUNTIME_DIR=$(mktemp -d)",
        ),
    }
}

fn kernel(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![kernel_can(machine)];
    let has_can = machine.interfaces.iter().any(|interface| interface.is_up);
    findings.extend(machine.interfaces.iter().flat_map(interface));
    let vcan = module(machine, "vcan", "virtual interface", "vcan interfaces");
    findings.push(match vcan.state {
        State::Ok if !has_can => Finding::gap(
            "virtual interface",
            "vcan works, but no interface is up",
            "sudo ip link add dev vcan0 type vcan mtu 72 && sudo ip link set vcan0 up",
        ),
        _ => vcan,
    });
    findings.push(module(
        machine,
        "can_isotp",
        "kernel ISO-TP",
        "the kernel's transport; the one in this program works without it",
    ));
    if machine.net_admin {
        findings.push(Finding::ok("rights", "this process may configure interfaces"));
    } else {
        findings.push(Finding::none(
            "rights",
            "interfaces are configured by root (sudo ip link ...); sending and receiving needs no right",
        ));
    }
    findings.extend(receive_buffer(machine));
    findings
}

/// Whether raw CAN sockets can be had.
pub(super) fn kernel_can(machine: &Machine) -> Finding {
    module(machine, "can_raw", "kernel CAN", "interfaces such as can0")
}

/// What a module's state means for what it does.
fn module(machine: &Machine, name: &str, what: &str, does: &str) -> Finding {
    let state = machine
        .modules
        .iter()
        .find(|(module, _)| *module == name)
        .map_or(Module::Missing, |(_, state)| *state);
    let shown = name.replace('_', "-");
    match state {
        Module::Ready => Finding::ok(what, format!("{shown}: {does}")),
        Module::Loadable => Finding::gap(
            what,
            format!("module {shown} is not loaded"),
            format!("sudo modprobe {shown}"),
        ),
        Module::Missing => Finding::gap(
            what,
            format!("kernel {} has no module {shown}", machine.kernel),
            "boot a distribution kernel (Debian: sudo apt install linux-image-amd64; Ubuntu: sudo apt \
             install linux-modules-extra-$(uname -r)), or use bus:NAME or sim: without one",
        ),
    }
}

fn interface(interface: &Interface) -> Vec<Finding> {
    let Interface {
        name,
        is_up,
        mtu,
        queue,
    } = interface;
    if !is_up {
        return vec![Finding::gap(
            name,
            "interface is down",
            format!(
                "sudo ip link set {name} up (a controller needs a bit rate first: type can bitrate 500000)"
            ),
        )];
    }
    let kind = if *mtu >= FD_MTU { "CAN FD" } else { "classic CAN" };
    let mut findings = vec![Finding::ok(name, format!("up, {kind} (MTU {mtu})"))];
    if (1..=SHORT_QUEUE).contains(queue) {
        findings.push(Finding::gap(
            name,
            format!(
                "its transmit queue holds {queue} frames: tinwire waits for it, other programs lose frames"
            ),
            format!("sudo ip link set {name} txqueuelen 1000"),
        ));
    }
    findings
}

fn receive_buffer(machine: &Machine) -> Option<Finding> {
    let limit = machine.receive_buffer?;
    Some(if limit >= WANTED_BUFFER || machine.net_admin {
        Finding::ok("receive buffer", format!("{limit} bytes may be asked for"))
    } else {
        Finding::gap(
            "receive buffer",
            format!("at most {limit} bytes: a burst of some hundred frames is lost while nobody reads"),
            format!("sudo sysctl -w net.core.rmem_max={WANTED_BUFFER}"),
        )
    })
}

fn tools(machine: &Machine, what: &str, names: &[&str], package: &str) -> Finding {
    let missing: Vec<_> = machine
        .tools
        .iter()
        .filter(|(name, found)| names.contains(name) && !found)
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        Finding::ok(what, "installed, to compare with")
    } else {
        Finding::gap(
            what,
            format!("{} not found; needed only to compare with", missing.join(", ")),
            format!("sudo apt install {package}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::{MODULES, TOOLS};
    use super::*;

    /// A machine where everything is in place.
    fn good() -> Machine {
        Machine {
            is_linux: true,
            has_buses: true,
            kernel: "6.1.0-x".into(),
            modules: MODULES.map(|name| (name, Module::Ready)).to_vec(),
            interfaces: vec![Interface {
                name: "can0".into(),
                is_up: true,
                mtu: 72,
                queue: 1000,
            }],
            tools: TOOLS.map(|name| (name, true)).to_vec(),
            runtime: ("/run/user/1000".into(), None),
            net_admin: false,
            receive_buffer: Some(4 << 20),
        }
    }

    fn gaps(machine: &Machine) -> Vec<Finding> {
        judge(machine)
            .into_iter()
            .filter(|finding| finding.state == State::Gap)
            .collect()
    }

    #[test]
    fn a_machine_with_everything_has_no_gap() {
        assert_eq!(gaps(&good()), []);
    }

    #[test]
    fn every_gap_has_a_command() {
        let bare = Machine {
            modules: MODULES.map(|name| (name, Module::Missing)).to_vec(),
            interfaces: Vec::new(),
            tools: TOOLS.map(|name| (name, false)).to_vec(),
            runtime: ("/nowhere".into(), Some("no such folder".into())),
            receive_buffer: Some(212_992),
            ..good()
        };
        let gaps = gaps(&bare);
        assert_eq!(gaps.len(), 7, "{gaps:#?}");
        assert!(gaps.iter().all(|gap| gap.fix.is_some()));
    }

    #[test]
    fn a_module_that_only_has_to_be_loaded_says_how() {
        let machine = Machine {
            modules: vec![
                ("can_raw", Module::Ready),
                ("vcan", Module::Ready),
                ("can_isotp", Module::Loadable),
            ],
            ..good()
        };
        let gaps = gaps(&machine);
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].fix.as_deref(), Some("sudo modprobe can-isotp"));
    }

    #[test]
    fn a_short_queue_and_a_downed_interface_are_told() {
        let mut machine = good();
        machine.interfaces[0].queue = 10;
        machine.interfaces.push(Interface {
            name: "can1".into(),
            is_up: false,
            mtu: 16,
            queue: 10,
        });
        let fixes: Vec<_> = gaps(&machine).into_iter().filter_map(|gap| gap.fix).collect();
        assert_eq!(fixes.len(), 2);
        assert_eq!(fixes[0], "sudo ip link set can0 txqueuelen 1000");
        assert!(fixes[1].starts_with("sudo ip link set can1 up"));
    }

    #[test]
    fn without_an_interface_the_command_that_makes_one_is_told() {
        let machine = Machine {
            interfaces: Vec::new(),
            ..good()
        };
        let gaps = gaps(&machine);
        assert!(gaps[0].fix.as_deref().unwrap().contains("ip link add dev vcan0"));
    }

    #[test]
    fn elsewhere_kernel_can_is_not_a_gap() {
        let machine = Machine {
            is_linux: false,
            ..good()
        };
        assert_eq!(gaps(&machine), []);
    }
}
