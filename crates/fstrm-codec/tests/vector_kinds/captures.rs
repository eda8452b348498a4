//! `capture/manifest.json`: files that `fstrm_capture` wrote, whole and killed.

use std::path::Path;

use fstrm_codec::{Config, ContentType, End, FileReader};
use serde_json::Value;

use crate::{Tally, latin1, list};

pub(crate) fn check(file: &Value, folder: &Path, tally: &mut Tally) {
    for entry in list(&file["files"]) {
        match std::fs::read(folder.join(entry["file"].as_str().unwrap())) {
            Ok(file) => {
                check_file(entry, &file);
                tally.checked();
            }
            // A list may name files that have not come with it.
            Err(_) => tally.total += 1,
        }
    }
}

fn check_file(entry: &Value, file: &[u8]) {
    assert_eq!(entry["size"], file.len(), "{entry}");
    let mut reader = FileReader::new(file, Config::new()).unwrap();
    let mut lens = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        lens.push(payload.len());
    }
    check_frames(&entry["frames"], &lens);
    let named = reader.content_type().map(ContentType::as_bytes);
    assert_eq!(named, content_type(&entry["frames"]).as_deref(), "{entry}");
    let is_stopped = entry["ends_with_stop"] == true;
    let left = &entry["python_left_in_buffer"];
    match reader.end_of_stream().unwrap() {
        End::Stop => assert!(is_stopped, "{entry}"),
        End::Eof => assert!(!is_stopped && *left == 0, "{entry}"),
        End::Truncated { offset, missing } => {
            assert!(!is_stopped && missing > 0, "{entry}");
            let torn = &file[usize::try_from(offset).unwrap()..];
            // The Python codec has taken the lengths that are there; the rest is left.
            let taken = match torn.first_chunk::<4>() {
                None => 0,
                Some([0, 0, 0, 0]) if torn.len() >= 8 => 8,
                Some(_) => 4,
            };
            assert_eq!(*left, torn.len() - taken, "{entry}");
        }
    }
}

/// A long list gives its count, and its first and last frames.
fn check_frames(frames: &Value, ours: &[usize]) {
    let lens = |frames: &[Value]| -> Vec<usize> {
        let lens = frames.iter().filter_map(|frame| frame["data_len"].as_u64());
        lens.map(|len| usize::try_from(len).unwrap()).collect()
    };
    let Some(count) = frames["count"].as_u64() else {
        return assert_eq!(ours, lens(list(frames)), "{frames}");
    };
    let (first, last) = (list(&frames["first"]), list(&frames["last"]));
    assert!(
        ours.starts_with(&lens(first)) && ours.ends_with(&lens(last)),
        "{frames}"
    );
    let others = first.len() + last.len() - lens(first).len() - lens(last).len();
    assert_eq!(count, u64::try_from(ours.len() + others).unwrap(), "{frames}");
}

fn content_type(frames: &Value) -> Option<Vec<u8>> {
    let first = list(frames).first().unwrap_or_else(|| &frames["first"][0]);
    Some(&first["content_types"][0])
        .filter(|name| name.is_string())
        .map(latin1)
}
