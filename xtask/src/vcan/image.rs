//! Takes the plain kernel out of a compressed one (bzImage).
//!
//! QEMU enters a plain ELF kernel directly (by its PVH note), which saves firmware and the decompression
//! inside the emulated machine: half of the time to boot. Offsets are those of the x86 boot protocol, 2.08
//! and later.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};
use crate::process;

const SETUP_SECTORS: usize = 0x1F1;
const HEADER_MAGIC: usize = 0x202;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24C;
const SECTOR: usize = 512;

/// A way a kernel is compressed: first bytes, and the program that expands it.
const COMPRESSIONS: [(&[u8], &[&str]); 3] = [
    (
        b"\xFD7zXZ\0",
        &["xz", "--decompress", "--stdout", "--single-stream"],
    ),
    (
        b"\x28\xB5\x2F\xFD",
        &["zstd", "--decompress", "--stdout", "--quiet"],
    ),
    (b"\x1F\x8B", &["gzip", "--decompress", "--stdout", "--quiet"]),
];
const ELF: &[u8] = b"\x7fELF";

/// Writes the plain kernel of `bzimage` to `vmlinux`; the file appears complete or not at all.
pub(crate) fn extract(bzimage: &Path, vmlinux: &Path) -> Result {
    let image = fs::read(bzimage).map_err(|error| Failure::at(bzimage, &error))?;
    let plain = if image.starts_with(ELF) {
        image
    } else {
        let payload = payload(&image)
            .ok_or_else(|| Failure::new(format!("{}: not a Linux kernel image", bzimage.display())))?;
        expand(payload)?
    };
    let partial = vmlinux.with_extension("partial");
    fs::write(&partial, plain).map_err(|error| Failure::at(&partial, &error))?;
    fs::rename(&partial, vmlinux).map_err(|error| Failure::at(vmlinux, &error))
}

/// The compressed kernel inside the image.
fn payload(image: &[u8]) -> Option<&[u8]> {
    if image.get(HEADER_MAGIC..)?.get(..4)? != b"HdrS" {
        return None;
    }
    // Zero sectors means four, for the sake of very old boot loaders; one more is the boot sector.
    let sectors = match *image.get(SETUP_SECTORS)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = ((sectors + 1) * SECTOR).checked_add(number(image, PAYLOAD_OFFSET)?)?;
    image.get(start..)?.get(..number(image, PAYLOAD_LENGTH)?)
}

fn number(image: &[u8], offset: usize) -> Option<usize> {
    let bytes = image.get(offset..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

fn expand(payload: &[u8]) -> Result<Vec<u8>> {
    let Some((_, line)) = COMPRESSIONS.iter().find(|(magic, _)| payload.starts_with(magic)) else {
        return Err(Failure::new(
            "the kernel is compressed in a way that is neither xz, zstd nor gzip",
        ));
    };
    let mut command = Command::new(line.first().unwrap_or(&"xz"));
    command
        .args(line.iter().skip(1))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(|error| process::unstartable(&command, &error))?;
    let Some(mut input) = child.stdin.take() else {
        return Err(Failure::new("no pipe to the expander"));
    };
    let output = std::thread::scope(|scope| {
        // The four bytes of size after the stream make the expander complain at the end: what counts is
        // that a kernel came out.
        scope.spawn(move || drop(input.write_all(payload)));
        child.wait_with_output()
    });
    let plain = output
        .map_err(|error| process::unstartable(&command, &error))?
        .stdout;
    if plain.starts_with(ELF) {
        return Ok(plain);
    }
    Err(Failure::new(format!(
        "{}: no kernel came out",
        process::shown(&command)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bzimage(sectors: u8, offset: u32, content: &[u8]) -> Vec<u8> {
        let setup = if sectors == 0 { 4 } else { usize::from(sectors) };
        let mut image = vec![0; (setup + 1) * SECTOR];
        image[SETUP_SECTORS] = sectors;
        image[HEADER_MAGIC..HEADER_MAGIC + 4].copy_from_slice(b"HdrS");
        image[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 4].copy_from_slice(&offset.to_le_bytes());
        let length = u32::try_from(content.len()).unwrap();
        image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        image.resize(image.len() + usize::try_from(offset).unwrap(), 0xEE);
        image.extend_from_slice(content);
        image.extend_from_slice(b"after the payload");
        image
    }

    #[test]
    fn the_payload_is_found_by_the_boot_header() {
        assert_eq!(payload(&bzimage(27, 0x2CD, b"kernel")), Some(&b"kernel"[..]));
        assert_eq!(
            payload(&bzimage(0, 0, b"kernel")),
            Some(&b"kernel"[..]),
            "0 sectors means 4"
        );
    }

    #[test]
    fn an_image_that_is_cut_or_of_another_kind_has_no_payload() {
        let image = bzimage(4, 16, b"kernel");
        for length in 0..image.len() - b"after the payload".len() {
            assert_eq!(payload(&image[..length]), None);
        }
        assert_eq!(payload(&[0; 4096]), None);
    }

    #[test]
    fn an_unknown_compression_is_named() {
        let failure = expand(b"BZh91AY").unwrap_err().to_string();
        assert!(failure.contains("neither xz, zstd nor gzip"), "{failure}");
    }
}
