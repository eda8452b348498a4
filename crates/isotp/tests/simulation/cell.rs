//! The cells of the grid.

use core::fmt;
use core::time::Duration;

use isotp::{BlockSize, Config, DataLink, StMin, TxDl};
use testkit::{Faults, Rng};

use crate::watch::Tally;

/// Frames of the longest message of a cell; more than 16, so that the sequence number wraps.
const LONGEST: usize = 36;
/// Messages that each sender sends through the faults.
const MESSAGES: usize = 6;

/// One combination of faults, parameters and traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) number: u64,
    pub(crate) faults: Faults,
    pub(crate) block_size: u8,
    pub(crate) st_min: StMin,
    pub(crate) link: DataLink,
    /// Whether the other side sends its own messages at the same time.
    pub(crate) both_ways: bool,
    /// How long a received message stays with the channel before it is taken.
    pub(crate) digestion: Duration,
}

impl Cell {
    pub(crate) fn config(&self) -> Config {
        Config::default()
            .data_link(self.link)
            .block_size(BlockSize::from_bits(self.block_size))
            .st_min(self.st_min)
            .n_br(Duration::from_millis(300))
            .wft_max(2)
    }

    /// The messages of one sender: single frames, two frames, and long ones. No two are equal.
    pub(crate) fn messages(&self, rng: &mut Rng) -> Vec<Vec<u8>> {
        let frame = self.link.tx_dl().len();
        (0..MESSAGES)
            .map(|number| {
                let len = match rng.below(6) {
                    0 => 1 + rng.below(7),
                    1 => rng.below(2 * frame as u64),
                    _ => rng.below((LONGEST * frame) as u64),
                };
                let number = u8::try_from(number).unwrap();
                // The number in front makes them differ; what follows makes each of their frames differ.
                core::iter::once(number)
                    .chain((0..len).map(|_| rng.next_u64().to_be_bytes()[0]))
                    .collect()
            })
            .collect()
    }

    /// What no fault of this cell's wire can excuse.
    pub(crate) fn assess(&self, tally: &Tally) {
        let Faults {
            loss,
            duplication,
            reordering,
            ..
        } = self.faults;
        if duplication == 0 {
            assert_eq!(tally.doubled, 0, "a message twice, of frames that came once");
        }
        if duplication + reordering == 0 {
            assert_eq!(tally.confused, 0, "loss alone gave a wrong message");
        }
        if loss + duplication + reordering == 0 {
            assert_eq!(
                tally.delivered + tally.refused,
                tally.messages,
                "lost on a perfect wire"
            );
            assert_eq!(
                tally.timeout_bs + tally.wrong_sn + tally.timeout_cr + tally.unexp_pdu,
                0
            );
            assert!(tally.refused == 0 || !self.digestion.is_zero());
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults {
            loss,
            duplication,
            reordering,
            ..
        } = self.faults;
        write!(
            f,
            "cell {}: loss {loss} %, duplication {duplication} %, reordering {reordering} %, BS {}, \
             STmin {:?}, TX_DL {}, {}, messages taken after {:?}",
            self.number,
            self.block_size,
            self.st_min,
            self.link.tx_dl().len(),
            if self.both_ways { "both ways" } else { "one way" },
            self.digestion,
        )
    }
}

/// What a grid varies; every combination is a cell.
pub(crate) struct Axes<'a> {
    pub(crate) loss: &'a [u8],
    pub(crate) duplication: &'a [u8],
    pub(crate) reordering: &'a [u8],
    pub(crate) block_sizes: &'a [u8],
    /// STmin bytes.
    pub(crate) st_mins: &'a [u8],
    pub(crate) links: &'a [DataLink],
    pub(crate) digestion: &'a [Duration],
}

impl Axes<'_> {
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &loss in self.loss {
            for &duplication in self.duplication {
                for &reordering in self.reordering {
                    let faults = Faults {
                        loss,
                        duplication,
                        reordering,
                        delay: Duration::from_micros(50),
                    };
                    self.add_parameters(faults, &mut cells);
                }
            }
        }
        cells
    }

    fn add_parameters(&self, faults: Faults, cells: &mut Vec<Cell>) {
        for &block_size in self.block_sizes {
            for &st_min in self.st_mins {
                for &link in self.links {
                    for &digestion in self.digestion {
                        for both_ways in [false, true] {
                            cells.push(Cell {
                                number: cells.len() as u64,
                                faults,
                                block_size,
                                st_min: StMin::from_bits(st_min).unwrap(),
                                link,
                                both_ways,
                                digestion,
                            });
                        }
                    }
                }
            }
        }
    }
}

/// CAN FD with frames of up to `len` bytes.
pub(crate) fn fd(len: usize) -> DataLink {
    let DataLink::Fd { flags, .. } = DataLink::fd() else {
        unreachable!()
    };
    DataLink::Fd {
        tx_dl: TxDl::new(len).unwrap(),
        flags,
    }
}
