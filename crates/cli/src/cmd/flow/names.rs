//! The names of this machine: `flow ls`, `flow name`, `flow bind`, `flow unbind`.

use std::path::Path;

use flow_core::Name;
use flow_core::providers::machine::{
    Accepter, Balance, NameInfo, NameSettings, Names, NamesError, Sharing, Start,
};
use serde::Serialize;

use super::reach::{machine_config, no_layer};
use crate::args::flow::names::{BindVerb, Ls, NameVerb, Place, Policy, Process, Share, UnbindVerb, named};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    Name {
        name: String,
        created: bool,
        sharing: String,
        owner: u32,
        balance: &'static str,
        accepters: Vec<Who>,
        programs: Vec<Program>,
        processes: Vec<u32>,
    },
    Layer {
        name: String,
        sharing: String,
        owner: u32,
        members: Vec<Who>,
    },
}

#[derive(Serialize)]
struct Who {
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<String>,
}

#[derive(Serialize)]
struct Program {
    path: String,
    auto: bool,
}

pub(super) fn open(place: &Place) -> Result<Names> {
    Names::open(&machine_config(place.dir.as_deref())).map_err(no_layer)
}

pub(super) fn refused(error: NamesError) -> Failure {
    let code = match &error {
        NamesError::UnknownName { .. } => Code::NothingFound,
        NamesError::Program { .. } | NamesError::Process { .. } => Code::Usage,
        _ => Code::CannotOpen,
    };
    match &error {
        NamesError::UnknownName { name } => {
            let hint = format!("tinwire flow name create {name}");
            Failure::caused(code, error).hint(hint)
        }
        _ => Failure::caused(code, error),
    }
}

pub(super) fn list_all(session: &mut Session, args: &Ls) -> Result {
    let names = open(&args.place)?;
    let list = names.list().map_err(refused)?;
    let layers = names.layers().list().map_err(refused)?;
    if session.output.is_json() {
        for info in list {
            session.output.json(&name_line(info))?;
        }
        for info in layers {
            session.output.json(&Line::Layer {
                sharing: sharing(info.sharing),
                owner: info.owner,
                members: who(&info.accepters),
                name: info.name.to_string(),
            })?;
        }
        return session.output.flush();
    }
    if list.is_empty() && layers.is_empty() {
        session.output.notice("no names and no layers");
    }
    let rows = list.iter().map(|info| {
        let programs = info.programs.iter().map(|program| {
            let auto = if program.start == Start::ByHand {
                ""
            } else {
                " (auto)"
            };
            format!("{}{auto}", program.path.display())
        });
        let processes = info.processes.iter().map(|pid| format!("process {pid}"));
        [
            info.name.to_string(),
            people(&info.accepters),
            info.balance.as_str().to_owned(),
            sharing(info.sharing),
            or_dash(programs.chain(processes).collect::<Vec<_>>().join(", ")),
        ]
    });
    let head = ["NAME", "ACCEPTED BY", "BALANCE", "SHARED WITH", "BOUND"].map(str::to_owned);
    table(session, head, rows.collect())?;
    let rows = layers.iter().map(|info| {
        let members = people(&info.accepters);
        [info.name.to_string(), members, sharing(info.sharing)]
    });
    let head = ["LAYER", "MEMBERS", "SHARED WITH"].map(str::to_owned);
    table(session, head, rows.collect())?;
    session.output.flush()
}

fn name_line(info: NameInfo) -> Line {
    Line::Name {
        accepters: who(&info.accepters),
        created: info.created,
        sharing: sharing(info.sharing),
        owner: info.owner,
        balance: info.balance.as_str(),
        programs: info
            .programs
            .iter()
            .map(|program| Program {
                path: program.path.display().to_string(),
                auto: program.start != Start::ByHand,
            })
            .collect(),
        processes: info.processes,
        name: info.name.to_string(),
    }
}

fn who(accepters: &[Accepter]) -> Vec<Who> {
    let who = |accepter: &Accepter| Who {
        pid: accepter.pid,
        program: accepter
            .program
            .as_ref()
            .map(|program| program.to_string_lossy().into_owned()),
    };
    accepters.iter().map(who).collect()
}

/// Processes and their programs.
fn people(accepters: &[Accepter]) -> String {
    let person = |who: Who| match who.program {
        Some(program) => format!("{} ({program})", who.pid),
        None => who.pid.to_string(),
    };
    or_dash(
        who(accepters)
            .into_iter()
            .map(person)
            .collect::<Vec<_>>()
            .join(", "),
    )
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn sharing(sharing: Sharing) -> String {
    match sharing {
        Sharing::User => "user".to_owned(),
        Sharing::Group(group) => format!("group:{group}"),
        Sharing::Everybody => "everybody".to_owned(),
    }
}

/// Rows in columns as wide as they need; nothing where there are none.
fn table<const N: usize>(session: &mut Session, head: [String; N], rows: Vec<[String; N]>) -> Result {
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Vec<[String; N]> = core::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        let widths = rows.iter().filter_map(|row| row.get(column));
        widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
        session.output.text(line.join("  ").trim_end())?;
    }
    Ok(())
}

fn a_name(text: &str) -> Result<Name> {
    Name::new(text).map_err(|error| Failure::caused(Code::BadAddress, error).context(text))
}

pub(super) fn name(session: &mut Session, verb: NameVerb) -> Result {
    match verb {
        NameVerb::Create(args) => {
            let balance = match args.lb {
                Policy::RoundRobin => Balance::RoundRobin,
                Policy::SpillOver => Balance::SpillOver,
            };
            let sharing = match args.share {
                Share::User => Sharing::User,
                Share::Group(group) => Sharing::Group(group),
                Share::Everybody => Sharing::Everybody,
            };
            let settings = NameSettings::default().sharing(sharing).balance(balance);
            let name = a_name(&args.name)?;
            open(&args.place)?.create(&name, settings).map_err(refused)
        }
        NameVerb::Destroy(args) => open(&args.place)?.destroy(&a_name(&args.name)?).map_err(refused),
        NameVerb::List(args) => list_all(session, &args),
    }
}

/// The name that the words say, and whether `auto` stands there.
fn words(words: &[String]) -> Result<(Name, bool)> {
    let Some((name, auto)) = named(words) else {
        let message = format!("{:?} is no name", words.join(" "));
        return Err(Failure::new(Code::Usage, message).hint("write NAME, name NAME, or name NAME auto"));
    };
    Ok((a_name(name)?, auto))
}

pub(super) fn bind(_: &Session, verb: BindVerb) -> Result {
    match verb {
        BindVerb::Program(args) => {
            let (name, auto) = words(&args.words)?;
            let start = if auto || args.auto {
                Start::Auto { args: args.arguments }
            } else if args.arguments.is_empty() {
                Start::ByHand
            } else {
                let message = "arguments are for a program that is started";
                return Err(Failure::new(Code::Usage, message).hint("auto has it started"));
            };
            let names = open(&args.place)?;
            names.bind_program(&args.program, &name, start).map_err(refused)
        }
        BindVerb::Process(args) => {
            let (name, _) = words(&args.words)?;
            open(&args.place)?.bind_process(args.pid, &name).map_err(refused)
        }
    }
}

pub(super) fn unbind(_: &Session, verb: UnbindVerb) -> Result {
    let (was_bound, what, name) = match verb {
        UnbindVerb::Program(args) => {
            let (name, _) = words(&args.words)?;
            let unbound = open(&args.place)?.unbind_program(&args.program, &name);
            (unbound.map_err(refused)?, shown(&args.program), name)
        }
        UnbindVerb::Process(Process {
            pid,
            words: typed,
            place,
        }) => {
            let (name, _) = words(&typed)?;
            let unbound = open(&place)?.unbind_process(pid, &name);
            (unbound.map_err(refused)?, format!("process {pid}"), name)
        }
    };
    if was_bound {
        return Ok(());
    }
    let message = format!("{what} is not bound to the name \"{name}\"");
    Err(Failure::new(Code::NothingFound, message).hint("tinwire flow ls shows what is"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
