use clap::Parser as _;
use isotp::{Target, Timeout, TransferError, TransferId};

use super::*;
use crate::args::isotp::IsotpVerb;
use crate::args::{Cli, Verb};

fn endpoint(words: &str) -> Endpoint {
    let words = ["tinwire", "isotp", "recv"]
        .into_iter()
        .chain(words.split_whitespace());
    match Cli::try_parse_from(words).unwrap().verb {
        Verb::Isotp(IsotpVerb::Recv(args)) => args.endpoint,
        other => panic!("{other:?}"),
    }
}

fn ours(words: &str) -> (String, Option<u8>, String, Option<u8>) {
    let address = address(&endpoint(words), End::Controller).unwrap();
    let (tx, rx) = (address.tx(), address.rx());
    (
        units::id_text(tx.id(Target::Physical)),
        tx.address_byte(),
        units::id_text(rx.id(Target::Physical).unwrap()),
        rx.address_byte(),
    )
}

fn refused(words: &str) -> String {
    address(&endpoint(words), End::Controller).unwrap_err().text()
}

#[test]
fn each_mode_of_addressing_is_made_of_its_parts() {
    let pair = |tx: &str, tx_byte, rx: &str, rx_byte| (tx.to_owned(), tx_byte, rx.to_owned(), rx_byte);
    for (words, expected) in [
        ("", pair("7E8", None, "7E0", None)),
        ("-s 123 -d 321", pair("123", None, "321", None)),
        (
            "-s 123 -d 321 -x 22:11",
            pair("123", Some(0x22), "321", Some(0x11)),
        ),
        ("-s 123 -d 321 -x 22", pair("123", Some(0x22), "321", Some(0x22))),
        (
            "-s 123 -d 321 --addressing normal11",
            pair("123", None, "321", None),
        ),
        (
            "--addressing normal-fixed --ta F1 --sa 10",
            pair("18DAF110", None, "18DA10F1", None),
        ),
        (
            "--addressing extended -s 612 -d 6F1 --ta F1 --sa 12",
            pair("612", Some(0xF1), "6F1", Some(0x12)),
        ),
        (
            "--addressing mixed11 -s 612 -d 6F1 --ae 55",
            pair("612", Some(0x55), "6F1", Some(0x55)),
        ),
        (
            "--addressing mixed29 --ta F1 --sa 10 --ae 55",
            pair("18CEF110", Some(0x55), "18CE10F1", Some(0x55)),
        ),
    ] {
        assert_eq!(ours(words), expected, "{words}");
    }
}

#[test]
fn a_mode_with_a_part_too_few_or_too_many_is_refused_by_name() {
    for (words, expected) in [
        ("-s 123", "-s and -d belong together"),
        ("-s 123 -d 123", "both directions have the identifier 123"),
        ("--addressing normal-fixed --ta 10", "normal-fixed needs --sa"),
        ("--addressing mixed29 --ta 10 --sa F1", "mixed29 needs --ae"),
        ("--addressing mixed11 -s 1 -d 2", "mixed11 needs --ae"),
        (
            "--addressing mixed11 -s 1 -d 00000002 --ae 1",
            "identifiers have 11 bits",
        ),
        (
            "--addressing normal-fixed -s 123 -d 321 --ta 10 --sa F1",
            "normal-fixed has no place for -s and -d",
        ),
        (
            "--addressing normal11 -s 1 -d 2 -x 11",
            "normal11 has no place for -x",
        ),
        (
            "--addressing normal29 -s 123 -d 321",
            "29 bits are written with 8 digits",
        ),
        ("--addressing normal-fixed --ta 10 --sa 10", "both directions"),
    ] {
        let text = refused(words);
        assert!(text.contains(expected), "{words}: {text}");
    }
}

#[test]
fn who_speaks_to_all_needs_no_other_identifier() {
    for words in ["-s 7DF", "-s 7FF", "-s 18DB33F1"] {
        let address = address(&endpoint(words), End::Broadcaster).unwrap();
        assert_ne!(
            Some(address.tx().id(Target::Physical)),
            address.rx().id(Target::Physical)
        );
    }
}

#[test]
fn padding_is_checked_as_the_tools_do() {
    let check = |words: &str| padding_check(&endpoint(words)).map_err(|failure| failure.text());
    let default = PaddingCheck::default();
    assert_eq!(check(""), Ok(default));
    assert_eq!(check("-P l"), Ok(default.length(FrameLength::Shortest)));
    assert_eq!(check("-P l -p :AA"), Ok(default.length(FrameLength::Padded)));
    assert_eq!(
        check("-P a -p BB:AA"),
        Ok(default.length(FrameLength::Padded).fill(Some(0xAA)))
    );
    assert_eq!(check("-P c -p :AA"), Ok(default.fill(Some(0xAA))));
    assert!(check("-P c").unwrap_err().contains("-p :CC"));
}

#[test]
fn the_tools_names_leave_frames_short_and_ours_fills_them() {
    let config = |guise, words| configure(guise, &endpoint(words), Config::default()).unwrap();
    assert_eq!(config(None, ""), Config::default());
    let short = Config::default().padding(Padding::none());
    assert_eq!(config(Some(Guise::Isotprecv), ""), short);
    assert_eq!(config(Some(Guise::Isotprecv), "-p :AA"), short);
    let filled = Config::default().padding(Padding::filled(0xBB));
    assert_eq!(config(Some(Guise::Isotprecv), "-p BB"), filled);
}

#[test]
fn silence_after_the_first_frame_is_no_reply_and_later_a_broken_transfer() {
    let silent_after = |sent, frame_len| {
        let error = StreamError::SendFailed {
            id: TransferId::default(),
            error: TransferError::Timeout(Timeout::NBs),
            sent,
            len: 300,
            cause: None,
        };
        trouble(error, "can0", frame_len).code()
    };
    assert_eq!(silent_after(Some(6), 8), Code::NoReply);
    assert_eq!(silent_after(Some(13), 8), Code::Protocol);
    assert_eq!(silent_after(Some(62), 64), Code::NoReply);
    assert_eq!(silent_after(Some(125), 64), Code::Protocol);
    assert_eq!(silent_after(None, 8), Code::NoReply);
}
