//! Writes a cpio archive in the "newc" form, which is what a Linux kernel unpacks as its first file system.
//!
//! ```text
//! "070701", then 13 numbers of 8 hex digits: ino mode uid gid nlink mtime filesize devmajor devminor
//! rdevmajor rdevminor namesize check; then the name with its NUL, zeros up to a multiple of 4, the
//! content, zeros up to a multiple of 4. An entry named TRAILER!!! ends the archive.
//! ```

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const TRAILER: &str = "TRAILER!!!";

/// An archive in the making. Directories come before what lies in them, in the order of the calls.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub(crate) fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY, &[]);
    }

    /// A file that may be run.
    pub(crate) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, PROGRAM, content);
    }

    /// The whole archive, closed.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let links = 1;
        let numbers = [
            self.entries,
            mode,
            0,
            0,
            links,
            0,
            length(content.len()),
            0,
            0,
            0,
            0,
            length(path.len() + 1),
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for number in numbers {
            self.bytes.extend_from_slice(format!("{number:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("no module or tool of a test machine has 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_header_name_and_content_each_padded_to_four() {
        let mut archive = Archive::default();
        archive.file("init", b"hello");
        let bytes = archive.finish();
        let header = "070701\
            00000001\
            000081ed\
            00000000\
            00000000\
            00000001\
            00000000\
            00000005\
            00000000\
            00000000\
            00000000\
            00000000\
            00000005\
            00000000";
        assert_eq!(header.len(), 110);
        assert_eq!(&bytes[..110], header.as_bytes());
        assert_eq!(
            &bytes[110..124],
            b"init\0\0hello\0\0\0",
            "110 + 5 is padded to 116, 121 to 124"
        );
        assert_eq!(&bytes[124..130], b"070701", "the trailer follows");
    }

    #[test]
    fn the_archive_ends_with_the_trailer() {
        let bytes = Archive::default().finish();
        assert_eq!(&bytes[110..], b"TRAILER!!!\0\0\0\0");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn a_directory_has_no_content() {
        let mut archive = Archive::default();
        archive.directory("dev");
        let bytes = archive.finish();
        assert_eq!(&bytes[14..22], b"000041ed");
        assert_eq!(&bytes[54..62], b"00000000");
    }
}
