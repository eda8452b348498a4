//! Text kept in the repository.

use std::path::Path;

/// Compares `text` with the file at `path`; with `UPDATE_SNAPSHOTS` set, writes it instead.
///
/// # Panics
/// When they differ, or the file cannot be read or written.
#[track_caller]
pub fn assert_snapshot(path: impl AsRef<Path>, text: &str) {
    let path = path.as_ref();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == text,
        "{} differs; set UPDATE_SNAPSHOTS=1 to accept this:\n{text}",
        path.display()
    );
}
