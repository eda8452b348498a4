//! Any sequence of packets and times against an assembler.

use core::time::Duration;

use csp_core::Flags;
use csp_core::sfp::{Assembler, Fragments, Trailer};
use tinwire_time::Instant;

use testkit::fuzz::Input;

const TIMEOUT: Duration = Duration::from_millis(1000);

/// The rules of SFP-3 to SFP-5 once more, by keeping everything.
#[derive(Default)]
struct Model {
    received: Vec<u8>,
    total: Option<u32>,
    touched: Instant,
}

impl Model {
    /// The blob that the packet completes; an error is none.
    fn packet(
        &mut self,
        now: Instant,
        limit: u32,
        flags: Flags,
        payload: &[u8],
    ) -> Result<Option<Vec<u8>>, ()> {
        let before = core::mem::take(self);
        let (piece, trailer) = payload.split_last_chunk::<8>().ok_or(())?;
        let [offset, total] =
            [&trailer[..4], &trailer[4..]].map(|word| u32::from_be_bytes(word.try_into().unwrap()));
        let mut received = before.received;
        let right = flags.contains(Flags::FRAG)
            && usize::try_from(offset) == Ok(received.len())
            && before.total.is_none_or(|before| before == total)
            && total <= limit;
        received.extend_from_slice(piece);
        let whole = usize::try_from(total).unwrap();
        if !right || received.len() > whole || (piece.is_empty() && received.len() < whole) {
            return Err(());
        }
        if received.len() == whole {
            return Ok(Some(received));
        }
        *self = Self {
            received,
            total: Some(total),
            touched: now,
        };
        Ok(None)
    }
}

/// Whatever arrives, the assembler does what the model does, and holds no more than the limit.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let limit = u32::from(input.byte());
    let mut assembler = Assembler::new(limit, TIMEOUT);
    let mut model = Model::default();
    let mut now = Instant::ZERO;
    while !input.is_empty() {
        let (flags, payload) = match input.byte() % 8 {
            0 => {
                now += Duration::from_millis(u64::from(input.byte()) * 10);
                let late = model.total.is_some() && now >= model.touched + TIMEOUT;
                assert_eq!(assembler.handle_timeout(now).is_err(), late);
                if late {
                    model = Model::default();
                }
                continue;
            }
            1 => {
                assembler.reset();
                model = Model::default();
                continue;
            }
            2 => (Flags::from_bits(input.byte()), input.take(12).to_vec()),
            3 => {
                blob(&mut input, &mut assembler, now, limit);
                model = Model::default();
                continue;
            }
            // What could be right.
            kind => {
                let nudge = u32::from(kind == 4 && input.flag());
                let offset = u32::try_from(model.received.len()).unwrap() + nudge;
                let total = model.total.unwrap_or_else(|| input.byte().into());
                let len = usize::from(input.byte() % 16);
                let trailer = Trailer { offset, total }.encode();
                (Flags::FRAG, [input.take(len), &trailer].concat())
            }
        };
        let got = assembler.handle_fragment(now, flags, &payload);
        let expected = model.packet(now, limit, flags, &payload);
        assert_eq!(got.map(|blob| blob.map(Vec::from)).map_err(|_| ()), expected);
        check(&assembler, &model, limit);
    }
}

fn check(assembler: &Assembler, model: &Model, limit: u32) {
    let progress = assembler.progress();
    let expected = model
        .total
        .map(|total| (u32::try_from(model.received.len()).unwrap(), total));
    assert_eq!(progress, expected);
    assert!(progress.is_none_or(|(received, _)| received < limit));
    let deadline = model.total.map(|_| model.touched + TIMEOUT);
    assert_eq!(assembler.poll_timeout(), deadline);
}

/// A blob cut anyhow arrives, or is too long.
fn blob(input: &mut Input<'_>, assembler: &mut Assembler, now: Instant, limit: u32) {
    assembler.reset();
    let mtu = usize::from(input.byte() % 20) + 1;
    let len = usize::from(input.byte());
    let blob = input.take(len);
    let mut arrived = None;
    for fragment in Fragments::try_new(blob, mtu, mtu + 8).unwrap() {
        assert_eq!(arrived, None);
        match assembler.handle_fragment(now, Flags::FRAG, &fragment.to_bytes()) {
            Ok(blob) => arrived = blob,
            Err(_) => {
                assert!(blob.len() > usize::try_from(limit).unwrap());
                return;
            }
        }
    }
    assert_eq!(arrived.as_deref().unwrap_or_default(), blob);
}
