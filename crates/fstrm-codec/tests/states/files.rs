//! Files that begin, go on and end in every way.

use core::num::NonZeroU32;

use fstrm_codec::control::Strictness;
use fstrm_codec::file::{ReadError, Sequences};
use fstrm_codec::frame::Oversize;
use fstrm_codec::handshake::{DataBeforeStart, ReadyBeforeStart};
use fstrm_codec::{Config, FileReader};

use crate::Table;

/// The pieces that the rows are written in.
fn piece(word: &str) -> Vec<u8> {
    let control = |kind: u8, fields: &[u8]| {
        let clen = u32::try_from(4 + fields.len()).unwrap().to_be_bytes();
        [&[0; 4][..], &clen, &[0, 0, 0, kind], fields].concat()
    };
    let field = |len: usize| {
        let value = vec![b't'; len];
        [
            &[0, 0, 0, 1][..],
            &u32::try_from(len).unwrap().to_be_bytes(),
            &value,
        ]
        .concat()
    };
    match word {
        "START" => control(2, &[]),
        "START(t)" => control(2, &field(1)),
        "START()" => control(2, &field(0)),
        "START(t,t)" => control(2, &field(1).repeat(2)),
        "START(257)" => control(2, &field(257)),
        "START(field2)" => control(2, b"\0\0\0\x02\0\0\0\x01t"),
        "START(overrun)" => control(2, b"\0\0\0\x01\0\0\0\x02t"),
        "START+1" => control(2, &[0]),
        "START+8" => control(2, &[0; 8]),
        "STOP" => control(3, &[]),
        "STOP(t)" => control(3, &field(1)),
        "ACCEPT" => control(1, &[]),
        "READY" => control(4, &[]),
        "READY(512)" => control(4, &[field(240), field(252)].concat()),
        "FINISH" => control(5, &[]),
        "type0" => control(0, &[]),
        "type6" => control(6, b"whatever"),
        "CLEN0" => vec![0; 8],
        "CLEN3" => b"\0\0\0\0\0\0\0\x03abc".to_vec(),
        "CLEN513" => [&b"\0\0\0\0\0\0\x02\x01"[..], &[0; 513]].concat(),
        "CLEN2^32-1" => b"\0\0\0\0\xff\xff\xff\xff".to_vec(),
        "data" => b"\0\0\0\x04data".to_vec(),
        "8bytes" => b"\0\0\0\x08contents".to_vec(),
        "9bytes" => b"\0\0\0\x09too long!".to_vec(),
        "LEN2^32-1" => b"\xff\xff\xff\xff".to_vec(),
        "LEN2^32-4" => b"\xff\xff\xff\xfc".to_vec(),
        "LEN5le" => b"\x05\0\0\0hello".to_vec(),
        "text" => b"GET / HTTP/1.1\r\n".to_vec(),
        "gzip" => b"\x1f\x8b\x08\0\0\0\0\0".to_vec(),
        "pcap" => b"\xd4\xc3\xb2\xa1\x02\0\x04\0".to_vec(),
        "TLS" => b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        "x" => b"x".to_vec(),
        "0" => vec![0],
        other => panic!("no piece {other}"),
    }
}

const ROWS: [&str; 52] = [
    "",
    "0",
    "0 0 0 0",
    "0 0 0 0 0 0 0",
    "START",
    "START data",
    "START data STOP",
    "START(t) data STOP",
    "START() data STOP",
    "START STOP x x x",
    "START data STOP START(t) data",
    "START data STOP START data STOP x",
    "START data 0",
    "START data 0 0 0 0 0",
    "START 8bytes STOP",
    "START 9bytes STOP",
    "START 9bytes data STOP",
    "START LEN2^32-1",
    "START LEN2^32-1 data",
    "START LEN2^32-4 data",
    "START LEN5le",
    "text",
    "gzip",
    "pcap",
    "TLS",
    "data",
    "data START data",
    "READY START data STOP",
    "READY data",
    "ACCEPT",
    "STOP",
    "FINISH",
    "type6 START",
    "START START data STOP",
    "START data READY data STOP",
    "START ACCEPT STOP",
    "START FINISH STOP",
    "START type0 data STOP",
    "START type6 data STOP",
    "START READY(512) STOP",
    "START(t,t) data STOP",
    "START(257) data STOP",
    "START(field2) data",
    "START(overrun) data",
    "START+1 data",
    "START+8 data",
    "START data STOP(t)",
    "START data CLEN0",
    "START data CLEN3",
    "START data CLEN513",
    "START data CLEN2^32-1",
    "START data 0 0 0 0 data",
];

fn outcome(bytes: &[u8], config: Config, sequences: Sequences) -> String {
    let reader = FileReader::new(bytes, config.max_data(NonZeroU32::new(8).unwrap())).unwrap();
    let mut reader = reader.sequences(sequences);
    let mut frames = 0;
    let end = loop {
        match reader.next_frame() {
            Ok(Some(_)) => frames += 1,
            Ok(None) => {
                break match reader.end_of_stream().unwrap() {
                    fstrm_codec::End::Truncated { offset, missing } => {
                        format!("cut at {offset} by {missing}")
                    }
                    end => format!("{end:?}"),
                };
            }
            Err(error @ (ReadError::Frame(_) | ReadError::Stream { .. })) => {
                let again = reader.next_frame().unwrap_err();
                assert_eq!(again.to_string(), error.to_string(), "errors latch");
                break format!("error {}", place(&error));
            }
            Err(error) => panic!("{error}"),
        }
    };
    let stats = reader.stats();
    assert_eq!(stats.data_frames, frames);
    let counts = [
        (stats.skipped_frames, "skipped"),
        (stats.ignored_controls, "ignored"),
        (stats.irregular_controls, "irregular"),
        (reader.trailing_bytes().unwrap_or_default(), "behind"),
    ];
    // Behind an error nothing is known to be a frame.
    let is_told = |what: &str| what != "behind" || !end.starts_with("error");
    let counts = counts.iter().filter(|(count, what)| *count > 0 && is_told(what));
    let counts: String = counts.map(|(count, what)| format!(" {count} {what}")).collect();
    format!("{frames} {end}{counts}")
}

fn place(error: &ReadError) -> String {
    match error {
        ReadError::Frame(error) => format!(
            "at {}{}",
            error.offset,
            error.hint().map_or_else(String::new, |hint| format!(", {hint}"))
        ),
        ReadError::Stream { offset, .. } => format!("at {offset}, out of place"),
        other => panic!("{other}"),
    }
}

pub(crate) fn table() -> String {
    let mut table = Table::default();
    table.row([
        "frames up to 8 bytes",
        "strict",
        "lenient",
        "lenient, early data and READY, skip, concatenated",
    ]);
    for row in ROWS {
        let bytes: Vec<_> = row.split_whitespace().flat_map(piece).collect();
        let lenient = Config::new().strictness(Strictness::Lenient);
        let all = lenient
            .clone()
            .data_before_start(DataBeforeStart::Accept)
            .ready_before_start(ReadyBeforeStart::Accept)
            .oversize(Oversize::Skip);
        let cells = [
            outcome(&bytes, Config::new(), Sequences::One),
            outcome(&bytes, lenient, Sequences::One),
            outcome(&bytes, all, Sequences::Concatenated),
        ];
        let name = if row.is_empty() { "nothing" } else { row };
        table.row(core::iter::once(name).chain(cells.iter().map(String::as_str)));
    }
    table.to_string()
}
