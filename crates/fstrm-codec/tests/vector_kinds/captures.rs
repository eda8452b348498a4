//! `capture/manifest.json`: files that `fstrm_capture` wrote, whole and killed.

use std::path::Path;

use fstrm_codec::{Config, ContentType, End, FileReader};
use serde_json::Value;

use crate::{Tally, list};

pub(crate) fn check(file: &Value, folder: &Path, tally: &mut Tally) {
    for entry in list(&file["files"]) {
        let path = folder.join(entry["file"].as_str().unwrap());
        let size = std::fs::metadata(&path).unwrap().len();
        assert_eq!(entry["size"], size, "{entry}");
        let mut reader = FileReader::open(&path, Config::new()).unwrap();
        let (data, content_type) = frames(&entry["frames"]);
        let mut ours = Vec::new();
        while let Some(payload) = reader.next_frame().unwrap() {
            ours.push(payload.len());
        }
        let named = reader.content_type().map(ContentType::to_string);
        assert_eq!(named.as_deref(), content_type, "{entry}");
        assert_eq!(ours, data, "{entry}");
        let stopped = entry["ends_with_stop"] == true;
        let left = entry["python_left_in_buffer"].as_u64().unwrap();
        match reader.end_of_stream().unwrap() {
            End::Stop => assert!(stopped, "{entry}"),
            End::Eof => assert!(!stopped && left == 0, "{entry}"),
            End::Truncated { offset, missing } => {
                assert!(!stopped && missing > 0, "{entry}");
                // The Python codec has taken the length of the cut frame; the rest of it is left.
                assert_eq!(size - offset, left + 4, "{entry}");
            }
        }
        tally.checked();
    }
}

/// Payload lengths and content type; a long list gives its count, and its first and last frames.
fn frames(frames: &Value) -> (Vec<usize>, Option<&str>) {
    let len = |frame: &Value| {
        frame["data_len"]
            .as_u64()
            .map(|len| usize::try_from(len).unwrap())
    };
    if let Some(all) = frames.as_array() {
        return (
            all.iter().filter_map(len).collect(),
            all[0]["content_types"][0].as_str(),
        );
    }
    let (first, last) = (list(&frames["first"]), list(&frames["last"]));
    let shown = first.iter().chain(last);
    let others = shown.clone().filter(|frame| len(frame).is_none()).count();
    let shown: Vec<_> = shown.filter_map(len).collect();
    assert!(
        shown.iter().all(|len| *len == shown[0]),
        "frames left out are of the same length: {frames}"
    );
    let count = usize::try_from(frames["count"].as_u64().unwrap()).unwrap() - others;
    (vec![shown[0]; count], first[0]["content_types"][0].as_str())
}
