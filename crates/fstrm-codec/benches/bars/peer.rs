//! The others: the C library and the crate `framestream`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program around the C library.
pub(crate) struct Library {
    program: PathBuf,
}

impl Library {
    /// Builds it; it needs a C compiler and what `cargo xtask setup` installs.
    pub(crate) fn build(folder: &Path) -> Self {
        let program = folder.join("peer");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/bars/peer.c");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-O2", "-o"])
            .arg(&program)
            .args([source, "-lfstrm"]);
        assert!(
            compiler.status().unwrap().success(),
            "libfstrm is missing: cargo xtask setup"
        );
        Self { program }
    }

    /// Frames in a second.
    pub(crate) fn read(&self, path: &Path, count: usize) -> f64 {
        self.rate(count, |command| command.arg("read").arg(path))
    }

    /// Frames in a second.
    pub(crate) fn write(&self, path: &Path, size: usize, count: usize) -> f64 {
        let numbers = [size.to_string(), count.to_string()];
        self.rate(count, |command| command.arg("write").arg(path).args(&numbers))
    }

    fn rate(&self, count: usize, words: impl Fn(&mut Command) -> &mut Command) -> f64 {
        let output = words(&mut Command::new(&self.program)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let told = String::from_utf8(output.stdout).unwrap();
        let seconds: f64 = told.split(' ').next().unwrap().parse().unwrap();
        count as f64 / seconds
    }
}

/// The crate's writer, behind the buffer that suits it best.
pub(crate) fn framestream(path: &Path, size: usize, count: usize) {
    let payload = vec![b'x'; size];
    let buffered = BufWriter::with_capacity(64 << 10, File::create(path).unwrap());
    let mut writer = framestream::EncoderWriter::new(buffered, None);
    for _ in 0..count {
        writer.write_all(&payload).unwrap();
    }
    writer.finish().unwrap().flush().unwrap();
}
