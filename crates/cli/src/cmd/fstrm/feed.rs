//! The bytes of a file or of standard input.

use std::fs::File;
use std::io::{self, Read};

use crate::failure::{Code, Failure, Result};

/// Prefixes of streams that are no files.
const STREAMS: [&str; 6] = ["unix:", "tcp://", "tls://", "listen+", "dial+", "sim:"];

pub(in crate::cmd) type Source = Box<dyn Read + Send>;

/// Opens a file, or standard input. A named pipe waits for its writer here.
pub(in crate::cmd) fn open(name: &str) -> Result<Source> {
    if STREAMS.iter().any(|prefix| name.starts_with(prefix)) {
        let message = format!("{name}: live streams are not in this version; files and - are");
        return Err(Failure::new(Code::NotInThisVersion, message)
            .hint("fstrm_capture -t protobuf:dnstap.Dnstap -u SOCKET -w FILE records one"));
    }
    if name == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let file = file(name.strip_prefix("file:").unwrap_or(name));
    Ok(Box::new(file.map_err(|error| {
        Failure::caused(Code::File, error).context(name)
    })?))
}

/// Length of a file, where it has one.
pub(in crate::cmd) fn len(name: &str) -> Option<u64> {
    let metadata = std::fs::metadata(name.strip_prefix("file:").unwrap_or(name)).ok()?;
    (name != "-" && metadata.is_file()).then_some(metadata.len())
}

/// A folder can be opened, and says only when it is read that it is one.
fn file(path: &str) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

/// Does work that may wait for ever on a thread that nobody waits for.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::caused(Code::File, error))?
}
