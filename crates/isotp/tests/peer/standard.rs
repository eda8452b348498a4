//! What ISO 15765-2 asks for, a second time: in the plainest code, one frame after the other, to compare our
//! machine with where a peer goes its own way (ISO-TP spec ch. 2, 3, 5 to 10).

use std::collections::VecDeque;

use bytes::Bytes;
use can_link::{CanFrame, Id};
use isotp::{Address, Target};

use super::setup::Setup;
use super::story::{Outcome, Stimulus};

const FD_LENGTHS: [usize; 8] = [8, 12, 16, 20, 24, 32, 48, 64];

struct Reception {
    len: usize,
    data: Vec<u8>,
    next: u8,
    in_block: u8,
    rx_dl: usize,
    due: u64,
}

struct Transmission {
    data: Bytes,
    sent: usize,
    next: u8,
    waits_for: WaitsFor,
}

#[derive(Clone, Copy)]
enum WaitsFor {
    FlowControl { waits: u8, due: u64 },
    Gap { gap: u64, left: Option<u8>, due: u64 },
}

enum Pdu<'a> {
    Single(&'a [u8]),
    First { len: usize, data: &'a [u8] },
    Consecutive { number: u8, data: &'a [u8] },
    Control { status: u8, block_size: u8, st_min: u8 },
}

pub(crate) struct Standard<'a> {
    address: Address,
    setup: &'a Setup,
    now: u64,
    reception: Option<Reception>,
    transmission: Option<Transmission>,
    queue: VecDeque<(Bytes, Target)>,
    outcome: Outcome,
}

impl<'a> Standard<'a> {
    /// What comes of these stimuli, each with its time.
    pub(crate) fn run(address: Address, setup: &'a Setup, stimuli: &[(u64, usize, Stimulus)]) -> Outcome {
        let mut standard = Self {
            address,
            setup,
            now: 0,
            reception: None,
            transmission: None,
            queue: VecDeque::new(),
            outcome: Outcome::default(),
        };
        for (time, position, stimulus) in stimuli {
            standard.advance(*time);
            match stimulus {
                Stimulus::Frame(frame) => {
                    if !standard.frame(frame) {
                        standard.outcome.without_effect.push(*position);
                    }
                }
                Stimulus::Send { payload, functional } => standard.send(payload, *functional),
            }
        }
        let end = standard.now + 120_000_000;
        standard.advance(end);
        standard.outcome.sorted()
    }

    fn advance(&mut self, end: u64) {
        loop {
            let received = self.reception.as_ref().map(|reception| reception.due);
            let sent = self.transmission.as_ref().map(|tx| match tx.waits_for {
                WaitsFor::FlowControl { due, .. } | WaitsFor::Gap { due, .. } => due,
            });
            let Some(due) = received.into_iter().chain(sent).min().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            if received == Some(due) {
                self.reception = None;
                self.fails("receiver N_TIMEOUT_Cr");
            } else if let Some(WaitsFor::Gap { .. }) = self.transmission.as_ref().map(|tx| tx.waits_for) {
                self.go_on();
            } else {
                self.ends("sender N_TIMEOUT_Bs");
            }
        }
        self.now = self.now.max(end);
    }

    fn fails(&mut self, name: &'static str) {
        self.outcome.failures.push((self.now, name));
    }

    /// Ends the transmission as failed.
    fn ends(&mut self, name: &'static str) {
        self.transmission = None;
        self.fails(name);
        self.start();
    }

    fn send(&mut self, payload: &Bytes, functional: bool) {
        let functional = functional || self.setup.functional;
        let refused =
            self.setup.listener || payload.is_empty() || functional && payload.len() > self.longest_single();
        if refused {
            self.outcome.refused += 1;
        } else {
            let target = if functional {
                Target::Functional
            } else {
                Target::Physical
            };
            self.queue.push_back((payload.clone(), target));
            self.start();
        }
    }

    fn prefix(&self) -> usize {
        self.address.tx().prefix().len()
    }

    fn longest_single(&self) -> usize {
        self.setup.tx_dl - self.prefix() - if self.setup.tx_dl == 8 { 1 } else { 2 }
    }

    /// Starts queued messages until one has to wait.
    fn start(&mut self) {
        while self.transmission.is_none()
            && let Some((data, target)) = self.queue.pop_front()
        {
            if data.len() <= self.longest_single() {
                self.single(&data, target);
                continue;
            }
            let len = u32::try_from(data.len()).unwrap();
            let [a, b, high, low] = len.to_be_bytes();
            let mut pdu = if len <= 4095 {
                vec![0x10 | high, low]
            } else {
                vec![0x10, 0, a, b, high, low]
            };
            let sent = self.setup.tx_dl - self.prefix() - pdu.len();
            pdu.extend_from_slice(&data[..sent]);
            self.out(&pdu, Target::Physical);
            self.transmission = Some(Transmission {
                data,
                sent,
                next: 1,
                waits_for: WaitsFor::FlowControl {
                    waits: 0,
                    due: self.now + self.setup.n_bs,
                },
            });
        }
    }

    fn single(&mut self, data: &[u8], target: Target) {
        let short = data.len() <= 7 - self.prefix() && self.setup.min_len.min(self.setup.tx_dl) <= 8;
        let len = u8::try_from(data.len()).unwrap();
        let mut pdu = if short { vec![len] } else { vec![0, len] };
        pdu.extend_from_slice(data);
        self.out(&pdu, target);
        self.outcome.sent += 1;
    }

    /// Sends the consecutive frames that are due.
    fn go_on(&mut self) {
        while let Some(mut tx) = self.transmission.take() {
            let WaitsFor::Gap { gap, left, due } = tx.waits_for else {
                self.transmission = Some(tx);
                return;
            };
            if due > self.now {
                self.transmission = Some(tx);
                return;
            }
            let end = tx.data.len().min(tx.sent + self.setup.tx_dl - self.prefix() - 1);
            let mut pdu = vec![0x20 | tx.next];
            pdu.extend_from_slice(&tx.data[tx.sent..end]);
            self.out(&pdu, Target::Physical);
            tx.sent = end;
            tx.next = (tx.next + 1) % 16;
            if end == tx.data.len() {
                self.outcome.sent += 1;
                return self.start();
            }
            let left = left.map(|left| left - 1);
            tx.waits_for = if left == Some(0) {
                let due = self.now + self.setup.n_bs;
                WaitsFor::FlowControl { waits: 0, due }
            } else {
                let due = self.now + gap;
                WaitsFor::Gap { gap, left, due }
            };
            self.transmission = Some(tx);
        }
    }

    /// Pads a PDU and sends it.
    fn out(&mut self, pdu: &[u8], target: Target) {
        let tx = self.address.tx();
        let mut data: Vec<u8> = tx.address_byte().into_iter().chain(pdu.iter().copied()).collect();
        let least = data.len().max(self.setup.min_len.min(self.setup.tx_dl));
        let len = match self.setup.fd {
            Some(_) if least > 8 => *FD_LENGTHS.iter().find(|&&len| len >= least).unwrap(),
            Some(_) => least,
            None => least.min(8),
        };
        data.resize(len, self.setup.fill);
        let id = match tx.id(target) {
            Id::Standard(id) => format!("{:03X}", id.as_raw()),
            Id::Extended(id) => format!("{:08X}", id.as_raw()),
        };
        let flags = self.setup.fd.map_or(String::new(), |flags| format!("#{flags:X}"));
        let data: String = data.iter().map(|byte| format!("{byte:02X}")).collect();
        self.outcome
            .put(pdu[0] >> 4 == 3, self.now, format!("{id}#{flags}{data}"));
    }

    fn control(&mut self, status: u8) {
        if !self.setup.listener {
            let pdu = [0x30 | status, self.setup.block_size, self.setup.st_min];
            self.out(&pdu, Target::Physical);
        }
    }

    /// Handles a frame; whether it had an effect.
    fn frame(&mut self, frame: &CanFrame) -> bool {
        let address = self.address;
        let Some((target, data)) = address.rx().matches(frame) else {
            return false;
        };
        let Some(pdu) = self.decode(data, frame.payload().len()) else {
            return false;
        };
        match pdu {
            Pdu::Single(data) => {
                if target == Target::Physical && self.reception.take().is_some() {
                    self.fails("receiver N_UNEXP_PDU");
                }
                if data.len() > usize::try_from(self.setup.max_rx_len).unwrap() {
                    self.fails("receiver N_BUFFER_OVFLW");
                } else {
                    self.outcome.received.push(Bytes::copy_from_slice(data));
                }
                true
            }
            Pdu::Control { .. } if self.setup.listener => true,
            _ if target == Target::Functional => false,
            Pdu::First { len, data } => {
                self.first(len, data, frame.payload().len());
                true
            }
            Pdu::Consecutive { number, data } => self.consecutive(number, data),
            Pdu::Control {
                status,
                block_size,
                st_min,
            } => self.controlled(status, block_size, st_min),
        }
    }

    fn first(&mut self, len: usize, data: &[u8], rx_dl: usize) {
        if self.reception.take().is_some() {
            self.fails("receiver N_UNEXP_PDU");
        }
        if len > usize::try_from(self.setup.max_rx_len).unwrap() {
            self.fails("receiver N_BUFFER_OVFLW");
            return self.control(2);
        }
        self.reception = Some(Reception {
            len,
            data: data.to_vec(),
            next: 1,
            in_block: 0,
            rx_dl,
            due: self.now + self.setup.n_cr,
        });
        self.control(0);
    }

    fn consecutive(&mut self, number: u8, data: &[u8]) -> bool {
        let Some(mut rx) = self.reception.take() else {
            return false;
        };
        let full = rx.rx_dl - 1 - self.address.rx().prefix().len();
        let missing = rx.len - rx.data.len();
        if data.len() > full || data.len() < full.min(missing) {
            self.reception = Some(rx);
            return false;
        }
        if number != rx.next {
            self.fails("receiver N_WRONG_SN");
            return true;
        }
        rx.data.extend_from_slice(&data[..full.min(missing)]);
        rx.next = (rx.next + 1) % 16;
        rx.due = self.now + self.setup.n_cr;
        if rx.data.len() == rx.len {
            self.outcome.received.push(rx.data.into());
            return true;
        }
        rx.in_block = rx.in_block.wrapping_add(1);
        let block_is_full = self.setup.block_size > 0 && rx.in_block == self.setup.block_size;
        if block_is_full {
            rx.in_block = 0;
        }
        self.reception = Some(rx);
        if block_is_full {
            self.control(0);
        }
        true
    }

    fn controlled(&mut self, status: u8, block_size: u8, st_min: u8) -> bool {
        let Some(tx) = &mut self.transmission else {
            return false;
        };
        let WaitsFor::FlowControl { waits, .. } = tx.waits_for else {
            return false;
        };
        match status {
            0 => {
                let gap = match st_min {
                    0..=0x7F => u64::from(st_min) * 1000,
                    0xF1..=0xF9 => u64::from(st_min - 0xF0) * 100,
                    _ => 127_000,
                };
                tx.waits_for = WaitsFor::Gap {
                    gap: self.setup.forced_gap.unwrap_or(gap),
                    left: Some(block_size).filter(|&frames| frames > 0),
                    due: self.now,
                };
                self.go_on();
            }
            1 if self.setup.wait_limit.is_some_and(|max| waits >= max) => self.ends("sender N_WFT_OVRN"),
            1 => {
                tx.waits_for = WaitsFor::FlowControl {
                    waits: waits.saturating_add(1),
                    due: self.now + self.setup.n_bs,
                };
            }
            2 => self.ends("sender N_BUFFER_OVFLW"),
            _ => self.ends("sender N_INVALID_FS"),
        }
        true
    }

    /// What the frame is, or nothing for a frame that is to be ignored.
    fn decode<'d>(&self, data: &'d [u8], can_dl: usize) -> Option<Pdu<'d>> {
        let prefix = can_dl - data.len();
        let first = *data.first()?;
        let low = usize::from(first & 0x0F);
        match first >> 4 {
            0 if can_dl <= 8 => (low > 0).then(|| data.get(1..=low).map(Pdu::Single))?,
            0 if low == 0 => {
                let len = usize::from(*data.get(1)?);
                let shorter = FD_LENGTHS.iter().rfind(|&&len| len < can_dl)?;
                let least = match shorter {
                    _ if can_dl <= self.setup.min_len => 1,
                    8 => 8 - prefix,
                    shorter => shorter - 1 - prefix,
                };
                (len >= least).then(|| data.get(2..2 + len).map(Pdu::Single))?
            }
            1 if FD_LENGTHS.contains(&can_dl) => {
                let short = low << 8 | usize::from(data[1]);
                if short == 0 {
                    let len = u32::from_be_bytes(data.get(2..6)?.try_into().unwrap());
                    let len = usize::try_from(len).unwrap();
                    let data = &data[6..];
                    return (len > 4095).then_some(Pdu::First { len, data });
                }
                let least = if can_dl == 8 { 8 } else { can_dl - 1 } - prefix;
                let data = &data[2..];
                (short >= least).then_some(Pdu::First { len: short, data })
            }
            2 => Some(Pdu::Consecutive {
                number: first & 0x0F,
                data: &data[1..],
            }),
            3 => Some(Pdu::Control {
                status: first & 0x0F,
                block_size: *data.get(1)?,
                st_min: *data.get(2)?,
            }),
            _ => None,
        }
    }
}
