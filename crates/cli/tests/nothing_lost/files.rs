//! What is in the files of a capture.

use std::fs;

use fstrm_codec::{Config, End, FileReader};

use crate::FRAMES;
use crate::place::Place;
use crate::producer::PAYLOAD;

/// What was found of all frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Frames that are in no file.
    pub(crate) missing: u64,
    /// How often a frame comes that came before.
    pub(crate) again: u64,
    pub(crate) files: usize,
}

/// The names of the files that were begun.
pub(crate) fn named(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("out")).collect()
}

/// Bytes in all files.
pub(crate) fn len(place: &Place) -> u64 {
    let len = |name: String| fs::metadata(place.path().join(name)).map_or(0, |metadata| metadata.len());
    named(place).into_iter().map(len).sum()
}

/// Reads all files to their ends, which have to be whole frames.
pub(crate) fn count(place: &Place) -> Counts {
    let mut counts = vec![0_u64; usize::try_from(FRAMES).unwrap()];
    let mut files = 0;
    for name in named(place) {
        let path = place.path().join(&name);
        // A file that was begun when the disk was full.
        if fs::metadata(&path).unwrap().len() == 0 {
            continue;
        }
        files += 1;
        let mut reader = FileReader::open(&path, Config::new()).unwrap();
        while let Some(payload) = reader.next_frame().unwrap() {
            assert_eq!(payload.len(), PAYLOAD, "{name}");
            let number = u64::from_be_bytes(*payload.first_chunk().unwrap());
            counts[usize::try_from(number).unwrap()] += 1;
        }
        let end = reader.end_of_stream();
        assert!(matches!(end, Some(End::Eof | End::Stop)), "{name}: {end:?}");
    }
    Counts {
        missing: counts.iter().filter(|count| **count == 0).count() as u64,
        again: counts.iter().map(|count| count.saturating_sub(1)).sum(),
        files,
    }
}
