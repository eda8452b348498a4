//! What a fuzzer's bytes mean: configurations, content types, control frames.

use fstrm_codec::control::Strictness;
use fstrm_codec::handshake::{DataBeforeStart, Finish, ReadyBeforeStart};
use fstrm_codec::{Config, Mode};
use testkit::fuzz::Input;

/// What can be chosen between two; a bit each.
pub(crate) fn config(choices: u8) -> Config {
    let pick = |bit: u8| choices & (1 << bit) != 0;
    Config::new()
        .mode(if pick(0) {
            Mode::Unidirectional
        } else {
            Mode::Bidirectional
        })
        .strictness(if pick(1) {
            Strictness::Lenient
        } else {
            Strictness::Strict
        })
        .data_before_start(if pick(2) {
            DataBeforeStart::Accept
        } else {
            DataBeforeStart::Refuse
        })
        .ready_before_start(if pick(3) {
            ReadyBeforeStart::Accept
        } else {
            ReadyBeforeStart::Refuse
        })
        .finish(if pick(4) {
            Finish::OnRelease
        } else {
            Finish::AtOnce
        })
}

/// A content type, one of few.
pub(crate) fn name(input: &mut Input<'_>) -> &'static [u8] {
    let names: [&[u8]; 4] = [b"a", b"b", b"", &[b'x'; 257]];
    // The last two are seldom.
    names[[0, 0, 0, 1, 1, 1, 2, 3][usize::from(input.byte() % 8)]]
}

/// Bytes of a control frame: mostly a sound one.
pub(crate) fn control(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, shape) = (input.byte() % 8, input.byte());
    let mut fields = Vec::new();
    for _ in 0..shape % 4 {
        let name = name(input);
        fields.extend(1_u32.to_be_bytes());
        fields.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
        fields.extend(name);
    }
    if shape >= 0xf0 {
        fields.extend(input.take(usize::from(shape & 15)));
    }
    let mut clen = u32::try_from(4 + fields.len()).unwrap();
    if shape & 0xf8 == 0xe8 {
        clen = [0, 3, 4, 512, 513, 600, u32::MAX, u32::MAX - 3][usize::from(shape & 7)];
    }
    [&[0; 4], &clen.to_be_bytes()[..], &[0, 0, 0, kind], &fields].concat()
}
