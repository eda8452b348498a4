//! Files captured from real peers.
//!
//! A file is one JSON object with `schema` and a list `vectors`. Files are found in the folder that
//! `TINWIRE_VECTORS` names, or in the copy that the crate under test keeps; both have one sub-folder for each
//! protocol.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use serde_json::Value;

/// The root of all vector files: `TINWIRE_VECTORS`, or `fallback`.
#[must_use]
pub fn root(fallback: impl Into<PathBuf>) -> PathBuf {
    std::env::var_os("TINWIRE_VECTORS").map_or_else(|| fallback.into(), PathBuf::from)
}

/// The JSON files of `folder` (and its sub-folders), by their path below it.
///
/// # Panics
/// When a file is not JSON. A folder that does not exist has no files.
#[must_use]
pub fn files(folder: impl AsRef<Path>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    collect(folder.as_ref(), "", &mut found);
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Value>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), found);
        } else if name.ends_with(".json") {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            found.insert(name, value);
        }
    }
}

/// The entries of a file.
///
/// # Panics
/// When it has no list of them.
#[must_use]
pub fn entries(file: &Value) -> &[Value] {
    file["vectors"].as_array().expect("a list `vectors`")
}

/// What `object` has under a name that need not be there; `null` is as missing.
#[must_use]
pub fn optional<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// The bytes that hexadecimal digits stand for; spaces are skipped.
///
/// # Panics
/// When there is anything else.
#[must_use]
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| u8::try_from(c.to_digit(16).unwrap_or_else(|| panic!("hex digits: {text}"))).unwrap())
        .collect();
    assert!(digits.len().is_multiple_of(2), "an even number of digits: {text}");
    digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0u8, |byte, digit| byte << 4 | digit))
        .collect()
}

/// What was checked in one file; prints `file: checked/total` when it is dropped.
#[derive(Debug)]
pub struct Tally {
    file: String,
    total: usize,
    checked: usize,
    remarks: BTreeMap<String, usize>,
}

impl Tally {
    /// A tally for a file of `total` entries.
    #[must_use]
    pub fn new(file: impl Into<String>, total: usize) -> Self {
        Self {
            file: file.into(),
            total,
            checked: 0,
            remarks: BTreeMap::new(),
        }
    }

    /// One entry was run and its outcome asserted.
    pub const fn checked(&mut self) {
        self.checked += 1;
    }

    /// Something to tell about an entry: a rule by which our outcome differs, or what is not built yet.
    pub fn remark(&mut self, remark: impl Into<String>) {
        *self.remarks.entry(remark.into()).or_default() += 1;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        println!("{}: {}/{}", self.file, self.checked, self.total);
        for (remark, times) in &self.remarks {
            println!("    {times} x {remark}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_text_becomes_bytes() {
        assert_eq!(hex("00 fF1a"), [0x00, 0xFF, 0x1A]);
        assert!(hex("").is_empty());
    }

    #[test]
    #[should_panic(expected = "hex digits")]
    fn other_text_is_refused() {
        let _ = hex("0x12");
    }

    #[test]
    fn null_is_as_missing() {
        let object = serde_json::json!({ "via": null, "port": 0 });
        assert_eq!(optional(&object, "via"), None);
        assert_eq!(optional(&object, "counter"), None);
        assert_eq!(optional(&object, "port"), Some(&Value::from(0)));
    }

    #[test]
    fn a_missing_folder_has_no_files() {
        assert!(files("/nonexistent").is_empty());
    }
}
