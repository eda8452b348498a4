//! A disk in memory that fails as told: short writes, interrupts, errors, no room.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Cursor, IoSlice, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::string::{String, ToString as _};
use std::sync::{Arc, Mutex, MutexGuard};
use std::vec::Vec;

use crate::file::Truncate;
use crate::store::{Disk, Outlet, State};

/// Small and good enough (xorshift).
pub(in crate::store) struct Random(pub(super) u64);

impl Random {
    pub(in crate::store) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }

    pub(in crate::store) fn one_in(&mut self, limit: u64) -> bool {
        self.below(limit) == 0
    }
}

pub(in crate::store) struct Content {
    pub(in crate::store) bytes: Vec<u8>,
    is_linked: bool,
    order: usize,
}

pub(in crate::store) struct World {
    pub(in crate::store) files: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    created: usize,
    random: Random,
    /// Whether anything fails.
    pub(in crate::store) is_bad: bool,
    /// Bytes that are left on the disk.
    pub(in crate::store) room: usize,
}

impl World {
    pub(in crate::store) fn shared(seed: u64) -> FakeDisk {
        FakeDisk(Arc::new(Mutex::new(Self {
            files: BTreeMap::new(),
            created: 0,
            random: Random(seed * 2 + 1),
            is_bad: false,
            room: usize::MAX,
        })))
    }

    fn fails(&mut self, in_how_many: u64) -> io::Result<()> {
        if self.is_bad && self.random.one_in(in_how_many) {
            return Err(io::Error::other("the disk fails"));
        }
        Ok(())
    }
}

#[derive(Clone)]
pub(in crate::store) struct FakeDisk(Arc<Mutex<World>>);

pub(in crate::store) struct FakeFile {
    world: Arc<Mutex<World>>,
    content: Arc<Mutex<Content>>,
    at: u64,
}

impl FakeDisk {
    pub(in crate::store) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn file(&self, content: &Arc<Mutex<Content>>) -> FakeFile {
        FakeFile {
            world: Arc::clone(&self.0),
            content: Arc::clone(content),
            at: 0,
        }
    }

    /// What a reader finds, file by file in the order of their making.
    pub(in crate::store) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let world = self.world();
        let mut files: Vec<_> = world.files.iter().collect();
        files.sort_by_key(|(_, content)| content.lock().unwrap().order);
        let read = |(path, content): (&PathBuf, &Arc<Mutex<Content>>)| {
            (path.display().to_string(), content.lock().unwrap().bytes.clone())
        };
        files.into_iter().map(read).collect()
    }

    pub(in crate::store) fn names(&self) -> Vec<String> {
        self.files().into_iter().map(|(name, _)| name).collect()
    }

    pub(in crate::store) fn put(&self, path: &str, bytes: &[u8]) {
        let mut world = self.world();
        world.created += 1;
        let content = Content {
            bytes: bytes.to_vec(),
            is_linked: true,
            order: world.created,
        };
        world.files.insert(path.into(), Arc::new(Mutex::new(content)));
    }
}

impl Disk for FakeDisk {
    type File = FakeFile;

    fn create(&mut self, path: &Path) -> io::Result<FakeFile> {
        let mut world = self.world();
        world.fails(10)?;
        if world.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        drop(world);
        self.put(&path.display().to_string(), b"");
        let content = Arc::clone(&self.world().files[path]);
        Ok(self.file(&content))
    }

    fn open(&mut self, path: &Path) -> io::Result<FakeFile> {
        let content = self.world().files.get(path).cloned();
        content
            .map(|content| self.file(&content))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        Ok(self.world().files.contains_key(path))
    }

    fn is_same(&mut self, _: &Path, _: &Path) -> bool {
        false
    }

    fn siblings(&mut self, _: &Path) -> io::Result<Vec<OsString>> {
        let world = self.world();
        Ok(world
            .files
            .keys()
            .filter_map(|path| path.file_name())
            .map(OsString::from)
            .collect())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        if world.files.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = world.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        world.files.insert(to.into(), content);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let content = self.world().files.remove(path).ok_or(io::ErrorKind::NotFound)?;
        content.lock().unwrap().is_linked = false;
        Ok(())
    }

    fn sync_names(&mut self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl Outlet for FakeFile {
    fn state(&self) -> io::Result<Option<State>> {
        let content = self.content.lock().unwrap();
        Ok(Some(State {
            len: content.bytes.len() as u64,
            is_linked: content.is_linked,
        }))
    }

    fn sync(&self) -> io::Result<()> {
        self.world.lock().unwrap().fails(20)
    }
}

impl Read for FakeFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut cursor = Cursor::new(self.content.lock().unwrap().bytes.clone());
        cursor.set_position(self.at);
        let len = cursor.read(buffer)?;
        self.at += len as u64;
        Ok(len)
    }
}

impl Write for FakeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut world = self.world.lock().unwrap();
        world.fails(12)?;
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let mut len = all.len();
        if world.is_bad {
            if world.random.one_in(10) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if world.random.one_in(3) {
                len = usize::try_from(world.random.below(len as u64 + 1))
                    .unwrap()
                    .max(1);
            }
        }
        if world.room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        len = len.min(world.room);
        world.room -= len;
        self.content.lock().unwrap().bytes.extend_from_slice(&all[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for FakeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            _ => self.content.lock().unwrap().bytes.len() as u64,
        };
        Ok(self.at)
    }
}

impl Truncate for FakeFile {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut world = self.world.lock().unwrap();
        world.fails(5)?;
        let mut content = self.content.lock().unwrap();
        let freed = content.bytes.len() - usize::try_from(len).unwrap();
        world.room = world.room.saturating_add(freed);
        content.bytes.truncate(usize::try_from(len).unwrap());
        Ok(())
    }
}
