//! Bytes recorded from Ouroboros 0.23.0. Folder: `TINWIRE_VECTORS`, or the copy beside this file.
//!
//! Each packet with a header is decoded and encoded, each protected one is opened and checked, and each
//! conversation by FRCT is had again with our machine in the place of either peer: it hears what the other
//! one sent when it was sent, writes what the peer's application wrote, and says what the peer said or what a
//! printed rule allows. No rule looks at a name.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what is wrong by panicking"
)]

mod ouroboros;

use ouroboros::{replay, session, tables};
use testkit::vectors::{Tally, Value, files, root};

#[test]
fn every_vector_that_has_a_part_here_agrees() {
    let folder = root(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")).join("ouroboros");
    for (name, file) in files(folder) {
        assert_eq!(file["schema"], "ouroboros-vectors/1", "{name}");
        let list = ["items", "names", "events"]
            .into_iter()
            .find(|list| file.get(list).is_some())
            .unwrap_or_else(|| panic!("{name}: unknown kind of vectors"));
        let entries: &Vec<Value> = file[list].as_array().unwrap();
        let mut tally = Tally::new(name, entries.len());
        match list {
            "items" => entries.iter().for_each(|item| tables::check(item, &mut tally)),
            "names" => not_built(&mut tally, entries.len(), "hashes of names"),
            _ => {
                let session = session::read(&file);
                session.check(&mut tally);
                replay::check(&session, &mut tally);
            }
        }
    }
}

/// Entries that belong to an endpoint of the peer's network, which is not built.
fn not_built(tally: &mut Tally, count: usize, what: &str) {
    (0..count).for_each(|_| tally.remark(format!("not built: {what}")));
}
