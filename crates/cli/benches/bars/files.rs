//! The files that are sent and shown.

use std::fs::File;
use std::path::{Path, PathBuf};

use fstrm_codec::{Config, ContentType, FileReader, FileWriter};

pub(crate) const TYPE: &str = "protobuf:dnstap.Dnstap";

fn writer(path: &Path) -> FileWriter<File> {
    let content_type = ContentType::new(TYPE).unwrap();
    FileWriter::new(File::create(path).unwrap(), Some(&content_type)).unwrap()
}

/// Equal frames.
pub(crate) fn equal(folder: &Path, size: usize, count: usize) -> PathBuf {
    let path = folder.join(format!("{size}.fstrm"));
    let mut writer = writer(&path);
    let payload = vec![b'x'; size];
    for _ in 0..count {
        writer.write_frame(&payload).unwrap();
    }
    writer.finish().unwrap();
    path
}

/// What unbound said in a session, over and over.
pub(crate) fn unbound(folder: &Path, count: usize) -> PathBuf {
    let captured = "../dnstap-codec/tests/vectors/fstrm/dnstap/unbound.fstrm";
    let captured = Path::new(env!("CARGO_MANIFEST_DIR")).join(captured);
    let mut reader = FileReader::open(captured, Config::new()).unwrap();
    let mut messages = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        messages.push(payload.to_vec());
    }
    let path = folder.join("unbound.fstrm");
    let mut writer = writer(&path);
    for message in messages.iter().cycle().take(count) {
        writer.write_frame(message).unwrap();
    }
    writer.finish().unwrap();
    path
}
