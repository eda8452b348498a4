//! `flow stat`: what the machine's directory knows, and what the kernel says of the flows in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use flow_core::providers::machine::{Directory, NameInfo};
use serde::Serialize;

use super::names::{open, refused};
use super::reach::{machine_config, no_layer};
use crate::args::flow::names::Stat;
use crate::cmd::Session;
use crate::failure::Result;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    Machine {
        directory: String,
        names: usize,
        created: usize,
        seats: usize,
        /// Sockets that dead processes left.
        stale: usize,
        layers: usize,
        members: usize,
    },
    Process {
        pid: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        program: Option<String>,
        names: Vec<String>,
        layers: Vec<String>,
        /// Flows that others asked it for; absent where the system does not tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        flows: Option<usize>,
    },
}

#[derive(Default)]
struct Process {
    program: Option<String>,
    names: Vec<String>,
    layers: Vec<String>,
}

pub(super) fn run(session: &mut Session, args: &Stat) -> Result {
    let directory = Directory::open(&machine_config(args.place.dir.as_deref())).map_err(no_layer)?;
    let names = open(&args.place)?;
    let list = names.list().map_err(refused)?;
    let layers = names.layers().list().map_err(refused)?;
    let count = |list: &[NameInfo]| list.iter().map(|info| info.accepters.len()).sum::<usize>();
    let (seats, members) = (count(&list), count(&layers));
    let sockets = ["names", "layers"].map(|part| sockets(&directory.path().join(part)));
    let machine = Line::Machine {
        directory: directory.path().display().to_string(),
        names: list.len(),
        created: list.iter().filter(|info| info.created).count(),
        seats,
        stale: sockets.iter().sum::<usize>().saturating_sub(seats + members),
        layers: layers.len(),
        members,
    };
    session.output.either(&machine, text)?;
    let flows = flows(&directory.path().join("names"));
    for (pid, process) in processes(&list, &layers) {
        let line = Line::Process {
            pid,
            program: process.program,
            names: process.names,
            layers: process.layers,
            flows: flows.as_ref().map(|flows| flows.get(&pid).copied().unwrap_or(0)),
        };
        session.output.either(&line, text)?;
    }
    session.output.flush()
}

fn text(line: &Line) -> String {
    match line {
        Line::Machine {
            directory,
            names,
            created,
            seats,
            stale,
            layers,
            members,
        } => format!(
            "{directory}: {names} names ({created} created), {seats} seats, {stale} stale, \
             {layers} layers, {members} members"
        ),
        Line::Process {
            pid,
            program,
            names,
            layers,
            flows,
        } => {
            let program = program
                .as_ref()
                .map_or_else(String::new, |program| format!(" ({program})"));
            let flows = flows.map_or_else(|| "?".to_owned(), |flows| flows.to_string());
            let layers = layers.iter().map(|layer| format!("layer {layer}"));
            let names: Vec<String> = names.iter().cloned().chain(layers).collect();
            format!(
                "process {pid}{program}: {flows} flows accepted; {}",
                names.join(", ")
            )
        }
    }
}

fn processes(names: &[NameInfo], layers: &[NameInfo]) -> BTreeMap<u32, Process> {
    let mut processes: BTreeMap<u32, Process> = BTreeMap::new();
    let mut note = |list: &[NameInfo], part: fn(&mut Process) -> &mut Vec<String>| {
        for info in list {
            for accepter in &info.accepters {
                let process = processes.entry(accepter.pid).or_default();
                let program = accepter.program.as_ref();
                process.program = program.map(|program| program.to_string_lossy().into_owned());
                part(process).push(info.name.to_string());
            }
        }
    };
    note(names, |process| &mut process.names);
    note(layers, |process| &mut process.layers);
    processes
}

/// How many sockets lie below the directories in `part`.
fn sockets(part: &Path) -> usize {
    let entries = |path: &Path| {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok())
    };
    entries(part)
        .flat_map(|entry| entries(&entry.path()).collect::<Vec<_>>())
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".sock"))
        .count()
}

/// Connections that processes accepted at sockets below `names`, by process, as the kernel lists them.
fn flows(names: &Path) -> Option<BTreeMap<u32, usize>> {
    let table = fs::read_to_string("/proc/net/unix").ok()?;
    Some(accepted(&table, names))
}

/// Sockets that are connected (state 03) and have the path of a seat. The kernel knows that path as it was
/// when the seat was made: `.<pid>-<number>`.
fn accepted(table: &str, names: &Path) -> BTreeMap<u32, usize> {
    let mut flows = BTreeMap::new();
    for line in table.lines().skip(1) {
        let mut words = line.split_whitespace().skip(5);
        let (Some(state), Some(path)) = (words.next(), words.nth(1)) else {
            continue;
        };
        let Ok(seat) = Path::new(path).strip_prefix(names) else {
            continue;
        };
        let file = seat.file_name().map(|file| file.to_string_lossy().into_owned());
        let pid = file.as_deref().and_then(|file| {
            let pid = file.trim_start_matches('.').split('-').next()?;
            pid.parse::<u32>().ok()
        });
        if let (Some(pid), "03") = (pid, state) {
            *flows.entry(pid).or_default() += 1;
        }
    }
    flows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_at_a_seat_are_flows_of_its_process() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0: 00000002 00000000 00010000 0001 01 1 /run/flow/names/x/.12-1\n\
            0: 00000003 00000000 00000000 0001 03 2 /run/flow/names/x/.12-1\n\
            0: 00000003 00000000 00000000 0001 03 3 /run/flow/names/y/.12-2\n\
            0: 00000003 00000000 00000000 0001 03 4 /run/other/.13-1\n\
            0: 00000003 00000000 00000000 0001 03 5\n";
        let flows = accepted(table, Path::new("/run/flow/names"));
        assert_eq!(flows, BTreeMap::from([(12, 2)]));
    }
}
