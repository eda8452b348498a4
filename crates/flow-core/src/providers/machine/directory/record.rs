//! `name`: the name of a directory, and its settings.
//!
//! `key=value`, each ended by a NUL, which neither names nor paths have. Unknown keys are left to later
//! versions of this.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::balance::Balance;
use super::super::names::{Program, Start};
use super::super::sharing::Sharing;
use super::{next_number, root, unfinished};
use crate::name::Name;

const FILE: &str = "name";
/// Bytes of the longest record.
const MAX_LEN: usize = 1 << 20;

/// A name and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Record {
    pub(in super::super) name: Name,
    /// It was created by hand, and stays when nobody is bound to it.
    pub(in super::super) created: bool,
    pub(in super::super) balance: Balance,
    pub(in super::super) programs: Vec<Program>,
    pub(in super::super) processes: Vec<u32>,
    /// Whose file it is.
    pub(in super::super) owner: u32,
}

/// Where the record of a name's directory is.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

impl Record {
    /// The record of a new name of this user.
    pub(in super::super) fn new(name: Name, balance: Balance) -> Self {
        Self {
            owner: tinwire_place::own_uid(),
            name,
            created: false,
            balance,
            programs: Vec::new(),
            processes: Vec::new(),
        }
    }

    /// Whether nothing would be lost with it.
    pub(super) const fn is_unused(&self) -> bool {
        !self.created && self.programs.is_empty() && self.processes.is_empty()
    }

    /// The record in `directory`; `None` when there is none.
    pub(super) fn read(directory: &Path) -> io::Result<Option<Self>> {
        let file = match root::own_file().read(true).open(directory.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let owner = file.metadata()?.uid();
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_LEN).unwrap_or(u64::MAX);
        file.take(limit).read_to_end(&mut bytes)?;
        let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "the name's file is malformed");
        let record = Self::decode(&bytes).ok_or_else(unreadable)?;
        Ok(Some(Self { owner, ..record }))
    }

    /// Writes the record into `directory`, whole or not at all.
    pub(super) fn write(&self, directory: &Path, sharing: Sharing) -> io::Result<()> {
        let bytes = self.encode();
        if bytes.len() > MAX_LEN {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "too many settings for one name",
            ));
        }
        let new = directory.join(unfinished(next_number(0)));
        let mut file = root::own_file().create_new(true).write(true).open(&new)?;
        // what a name is and whom it starts is its owner's to say
        file.set_permissions(Permissions::from_mode(sharing.file_mode() & !0o022))?;
        file.write_all(&bytes)?;
        fs::rename(&new, directory.join(FILE))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |key: &str, value: &[u8]| {
            bytes.extend_from_slice(key.as_bytes());
            bytes.push(b'=');
            bytes.extend_from_slice(value);
            bytes.push(0);
        };
        put("name", self.name.as_str().as_bytes());
        put("balance", self.balance.as_str().as_bytes());
        if self.created {
            put("created", b"yes");
        }
        for program in &self.programs {
            let path = program.path.as_os_str().as_bytes();
            match &program.start {
                Start::ByHand => put("program", path),
                Start::Auto { args } => {
                    put("program+auto", path);
                    args.iter().for_each(|arg| put("argument", arg.as_bytes()));
                }
            }
        }
        for pid in &self.processes {
            put("process", format!("{pid}").as_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut records = bytes.strip_suffix(&[0])?.split(|byte| *byte == 0);
        let name = records.next()?.strip_prefix(b"name=")?;
        let mut record = Self::new(Name::from_bytes(name).ok()?, Balance::default());
        for line in records {
            let at = line.iter().position(|byte| *byte == b'=')?;
            let (key, value) = line.split_at_checked(at)?;
            let value = value.get(1..)?;
            let text = || core::str::from_utf8(value).ok();
            match key {
                b"balance" => record.balance = Balance::from_word(text()?)?,
                b"created" => record.created = true,
                b"program" | b"program+auto" => record.programs.push(Program {
                    path: Path::new(OsStr::from_bytes(value)).to_owned(),
                    start: if key == b"program+auto" {
                        Start::Auto { args: Vec::new() }
                    } else {
                        Start::ByHand
                    },
                }),
                b"argument" => match &mut record.programs.last_mut()?.start {
                    Start::Auto { args } => args.push(OsStr::from_bytes(value).to_owned()),
                    Start::ByHand => return None,
                },
                b"process" => record.processes.push(text()?.parse().ok()?),
                _ => {}
            }
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> impl Strategy<Value = Record> {
        let balance = prop_oneof![Just(Balance::RoundRobin), Just(Balance::SpillOver)];
        let path = proptest::collection::vec(1_u8.., 1..40);
        let args = proptest::collection::vec(proptest::collection::vec(1_u8.., 0..9), 0..3);
        let program = (path, proptest::option::of(args)).prop_map(|(path, args)| Program {
            path: Path::new(OsStr::from_bytes(&path)).to_owned(),
            start: args.map_or(Start::ByHand, |args| Start::Auto {
                args: args.iter().map(|arg| OsStr::from_bytes(arg).to_owned()).collect(),
            }),
        });
        let programs = proptest::collection::vec(program, 0..4);
        let processes = proptest::collection::vec(any::<u32>(), 0..4);
        ("[^\0]{1,60}", any::<bool>(), balance, programs, processes).prop_map(
            |(name, created, balance, programs, processes)| Record {
                name: Name::new(&name).unwrap(),
                created,
                balance,
                programs,
                processes,
                owner: tinwire_place::own_uid(),
            },
        )
    }

    proptest! {
        #[test]
        fn a_record_is_what_was_written(record in records()) {
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = Record::decode(&bytes);
        }

        #[test]
        fn a_record_that_is_torn_in_its_name_is_none(
            record in records(),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = record.encode();
            let cut = cut.index(record.name.as_str().len() + 5);
            prop_assert_eq!(Record::decode(&whole[..cut]), None);
        }
    }

    #[test]
    fn what_a_later_version_says_is_left_alone() {
        let record = Record::decode(b"name=x\0colour=red\0process=7\0").unwrap();
        assert_eq!((record.name.as_str(), &*record.processes), ("x", &[7][..]));
    }
}
