//! Chapters 7 and 8: state, event, action.

use core::fmt::Write as _;

use isotp::{BlockSize, Config, Role, StMin};

use super::bench::{Bench, State, consecutive, first_frame};
use super::keep;

/// A row: the state and the event in words, the specification's action, and how to bring it about.
struct Row {
    state: &'static str,
    event: &'static str,
    action: &'static str,
    run: fn() -> Ours,
}

/// What the channel did, and the channel.
struct Ours {
    seen: Vec<String>,
    bench: Bench,
}

impl Ours {
    fn of(mut bench: Bench, act: impl FnOnce(&mut Bench)) -> Self {
        act(&mut bench);
        let seen = bench.settle();
        Self { seen, bench }
    }

    fn waiting(mut bench: Bench, millis: u64) -> Self {
        let seen = bench.wait(millis);
        Self { seen, bench }
    }

    /// In words, with where the channel stands then.
    fn in_words(&self) -> String {
        let channel = &self.bench.channel;
        let mut words = self.seen.clone();
        let mut state = Vec::new();
        if let Some((received, len)) = channel.receiving() {
            state.push(format!("receiving {received} of {len}"));
        }
        if let Some((_, sent, len)) = channel.sending() {
            state.push(format!("sending {sent} of {len}"));
        }
        if state.is_empty() {
            state.push("idle".into());
        }
        words.push(format!("then {}", state.join(" and ")));
        if let Some(due) = channel.poll_timeout() {
            words.push(format!(
                "next timer in {} ms",
                (due - self.bench.now()).as_millis()
            ));
        }
        words.join(", ")
    }
}

fn table(title: &str, rows: &[Row]) -> String {
    let mut text = format!("{title}\n\n");
    for Row {
        state,
        event,
        action,
        run,
    } in rows
    {
        writeln!(
            text,
            "{state:<12} {event:<34} {action}\n{:<12} {}\n",
            "  ours",
            run().in_words()
        )
        .unwrap();
    }
    text.trim_end().to_owned() + "\n"
}

fn idle() -> Bench {
    Bench::new(State::Idle)
}

fn waiting() -> Bench {
    Bench::new(State::WaitingForFlowControl)
}

fn sending() -> Bench {
    Bench::new(State::Sending)
}

fn receiving() -> Bench {
    Bench::new(State::Receiving)
}

fn limited() -> Bench {
    let mut bench = Bench::with(Config::default().wait_limit(Some(1)));
    bench.send(30).unwrap();
    bench.settle();
    bench
}

fn in_blocks() -> Bench {
    let mut bench = Bench::with(Config::default().block_size(BlockSize::from_bits(1)));
    bench.frame(&first_frame(20));
    bench.settle();
    bench
}

/// A channel whose frame is never confirmed.
fn unconfirmed(mut bench: Bench) -> Ours {
    let now = bench.now();
    let frame = bench.channel.poll_transmit(now);
    assert!(frame.is_some());
    Ours::waiting(bench, 1000)
}

const SENDER: [Row; 23] = [
    Row {
        state: "Idle",
        event: "request, fits SF",
        action: "send SF, wait for confirmation (N_As), report done",
        run: || Ours::of(idle(), |bench| bench.send(7).unwrap()),
    },
    Row {
        state: "Idle",
        event: "request, longer, physical",
        action: "send FF, on confirmation start N_Bs, WaitFC",
        run: || Ours::of(idle(), |bench| bench.send(8).unwrap()),
    },
    Row {
        state: "Idle",
        event: "request, longer, functional",
        action: "refuse",
        run: || {
            let mut bench = idle();
            let now = bench.now();
            let refused = bench.channel.send_functional(now, vec![0; 8].into()).unwrap_err();
            let seen = vec![format!("not sent: {refused}")];
            Ours { seen, bench }
        },
    },
    Row {
        state: "Idle",
        event: "length 0",
        action: "refuse",
        run: || {
            let mut bench = idle();
            let seen = vec![format!("not sent: {}", bench.send(0).unwrap_err())];
            Ours { seen, bench }
        },
    },
    Row {
        state: "Idle",
        event: "request of a listener",
        action: "refuse",
        run: || {
            let mut bench = Bench::with(Config::default().role(Role::Listener));
            let seen = vec![format!("not sent: {}", bench.send(1).unwrap_err())];
            Ours { seen, bench }
        },
    },
    Row {
        state: "WaitFC",
        event: "request",
        action: "start after the current one ends (the caller holds the queue)",
        run: || {
            let mut bench = waiting();
            let seen = vec![format!("not sent: {}", bench.send(1).unwrap_err())];
            Ours { seen, bench }
        },
    },
    Row {
        state: "WaitFC",
        event: "CTS, BS 2, STmin 5 ms",
        action: "take BS, ST; block = 0; SendCF, first CF now",
        run: || Ours::of(waiting(), |bench| bench.frame(&[0x30, 2, 5])),
    },
    Row {
        state: "WaitFC",
        event: "WAIT",
        action: "count + 1; restart N_Bs",
        run: || {
            let mut bench = waiting();
            bench.wait(900);
            Ours::of(bench, |bench| bench.frame(&[0x31, 0, 0]))
        },
    },
    Row {
        state: "WaitFC",
        event: "WAIT, over own limit (of 1)",
        action: "abort N_WFT_OVRN",
        run: || {
            let bench = limited();
            Ours::of(bench, |bench| {
                bench.frame(&[0x31, 0, 0]);
                bench.frame(&[0x31, 0, 0]);
            })
        },
    },
    Row {
        state: "WaitFC",
        event: "WAIT, CTS with BS 1, WAIT (limit 1)",
        action: "the wait counter is reset by CTS",
        run: || {
            Ours::of(limited(), |bench| {
                bench.frame(&[0x31, 0, 0]);
                bench.frame(&[0x30, 1, 0]);
                bench.settle();
                bench.frame(&[0x31, 0, 0]);
            })
        },
    },
    Row {
        state: "WaitFC",
        event: "OVFLW",
        action: "abort N_BUFFER_OVFLW",
        run: || Ours::of(waiting(), |bench| bench.frame(&[0x32, 0, 0])),
    },
    Row {
        state: "WaitFC",
        event: "reserved FS",
        action: "abort N_INVALID_FS",
        run: || Ours::of(waiting(), |bench| bench.frame(&[0x3F, 0, 0])),
    },
    Row {
        state: "WaitFC",
        event: "FC shorter than 3 + ae",
        action: "ignore",
        run: || Ours::of(waiting(), |bench| bench.frame(&[0x30, 0])),
    },
    Row {
        state: "WaitFC",
        event: "N_Bs expired",
        action: "abort N_TIMEOUT_Bs",
        run: || Ours::waiting(waiting(), 1000),
    },
    Row {
        state: "SendCF",
        event: "due",
        action: "send CF; next due = confirmation + STmin",
        run: || Ours::waiting(sending(), 10),
    },
    Row {
        state: "SendCF",
        event: "due, the last one",
        action: "send CF; done",
        run: || Ours::waiting(sending(), 40),
    },
    Row {
        state: "SendCF",
        event: "due, block full",
        action: "send CF; start N_Bs, WaitFC",
        run: || {
            let mut bench = waiting();
            bench.frame(&[0x30, 2, 5]);
            bench.settle();
            Ours::waiting(bench, 5)
        },
    },
    Row {
        state: "SendCF",
        event: "any FC",
        action: "ignore",
        run: || {
            Ours::of(sending(), |bench| {
                for status in [0, 1, 2, 3] {
                    bench.frame(&[0x30 | status, 1, 1]);
                }
            })
        },
    },
    Row {
        state: "any",
        event: "SF not confirmed within N_As",
        action: "abort N_TIMEOUT_A",
        run: || {
            let mut bench = idle();
            bench.send(3).unwrap();
            unconfirmed(bench)
        },
    },
    Row {
        state: "any",
        event: "FF not confirmed within N_As",
        action: "abort N_TIMEOUT_A",
        run: || {
            let mut bench = idle();
            bench.send(30).unwrap();
            unconfirmed(bench)
        },
    },
    Row {
        state: "any",
        event: "CF not confirmed within N_As",
        action: "abort N_TIMEOUT_A",
        run: || {
            let mut bench = waiting();
            bench.frame(&[0x30, 0, 0]);
            unconfirmed(bench)
        },
    },
    Row {
        state: "Idle",
        event: "late FC, after an abort",
        action: "ignore; nothing more is sent",
        run: || {
            let mut bench = waiting();
            bench.wait(1000);
            Ours::of(bench, |bench| bench.frame(&[0x30, 0, 0]))
        },
    },
    Row {
        state: "Idle",
        event: "request, after an abort",
        action: "starts, whether the one before succeeded or not",
        run: || {
            let mut bench = waiting();
            bench.wait(1000);
            Ours::of(bench, |bench| bench.send(3).unwrap())
        },
    },
];

const RECEIVER: [Row; 21] = [
    Row {
        state: "Idle",
        event: "valid SF",
        action: "deliver the SF, Idle",
        run: || Ours::of(idle(), |bench| bench.frame(&[0x02, 1, 2])),
    },
    Row {
        state: "WaitCF",
        event: "valid SF",
        action: "report N_UNEXP_PDU; deliver the SF, Idle",
        run: || Ours::of(receiving(), |bench| bench.frame(&[0x02, 1, 2])),
    },
    Row {
        state: "Idle",
        event: "valid FF, length acceptable",
        action: "store, send FC.CTS, start N_Cr when confirmed; WaitCF, sn 1",
        run: || Ours::of(idle(), |bench| bench.frame(&first_frame(20))),
    },
    Row {
        state: "WaitCF",
        event: "valid FF, length acceptable",
        action: "report N_UNEXP_PDU; the same",
        run: || Ours::of(receiving(), |bench| bench.frame(&first_frame(30))),
    },
    Row {
        state: "Idle",
        event: "valid FF, too long",
        action: "send FC.OVFLW; Idle; optionally tell the user",
        run: || Ours::of(idle(), |bench| bench.frame(&first_frame(101))),
    },
    Row {
        state: "WaitCF",
        event: "valid FF, too long",
        action: "report N_UNEXP_PDU; the same",
        run: || Ours::of(receiving(), |bench| bench.frame(&first_frame(101))),
    },
    Row {
        state: "Idle",
        event: "CF",
        action: "ignore",
        run: || Ours::of(idle(), |bench| bench.frame(&consecutive(1))),
    },
    Row {
        state: "WaitCF",
        event: "CF, right",
        action: "append; restart N_Cr",
        run: || {
            let mut bench = receiving();
            bench.wait(900);
            Ours::of(bench, |bench| bench.frame(&consecutive(1)))
        },
    },
    Row {
        state: "WaitCF",
        event: "CF, right, block full (BS 1)",
        action: "append; send FC.CTS, restart N_Cr",
        run: || {
            let mut bench = in_blocks();
            bench.wait(900);
            Ours::of(bench, |bench| bench.frame(&consecutive(1)))
        },
    },
    Row {
        state: "WaitCF",
        event: "CF, right, complete",
        action: "append (cut at len); deliver, Idle",
        run: || {
            Ours::of(receiving(), |bench| {
                bench.frame(&consecutive(1));
                bench.frame(&consecutive(2));
            })
        },
    },
    Row {
        state: "WaitCF",
        event: "CF, right, complete with a block",
        action: "no FC after the last CF",
        run: || {
            Ours::of(in_blocks(), |bench| {
                bench.frame(&consecutive(1));
                bench.settle();
                bench.frame(&consecutive(2));
            })
        },
    },
    Row {
        state: "WaitCF",
        event: "CF, wrong sn",
        action: "abort, report N_WRONG_SN, Idle",
        run: || Ours::of(receiving(), |bench| bench.frame(&consecutive(2))),
    },
    Row {
        state: "WaitCF",
        event: "CF of wrong length",
        action: "ignore; keep N_Cr running",
        run: || {
            let mut bench = receiving();
            bench.wait(900);
            Ours::of(bench, |bench| bench.frame(&[0x21, 1]))
        },
    },
    Row {
        state: "WaitCF",
        event: "N_Cr expired",
        action: "abort, report N_TIMEOUT_Cr, Idle",
        run: || Ours::waiting(receiving(), 1000),
    },
    Row {
        state: "WaitCF",
        event: "malformed or reserved PDU",
        action: "ignore, do not touch a running reception",
        run: || {
            let mut bench = receiving();
            bench.wait(900);
            Ours::of(bench, |bench| {
                bench.frame(&[]);
                bench.frame(&[0x00, 1]);
                bench.frame(&[0xF0, 1]);
            })
        },
    },
    Row {
        state: "WaitCF",
        event: "FC",
        action: "goes to the sender; if that is not waiting, ignore",
        run: || Ours::of(receiving(), |bench| bench.frame(&[0x30, 0, 0])),
    },
    Row {
        state: "WaitCF",
        event: "FC not confirmed within N_Ar",
        action: "abort, report N_TIMEOUT_A",
        run: || {
            let mut bench = idle();
            bench.frame(&first_frame(20));
            unconfirmed(bench)
        },
    },
    Row {
        state: "Idle",
        event: "FF, the message before not taken",
        action: "hold the sender: FC.WAIT within N_Br",
        run: || {
            let mut bench = idle();
            bench.frame(&[0x02, 1, 2]);
            bench.settle();
            bench.frame(&first_frame(20));
            Ours::waiting(bench, 400)
        },
    },
    Row {
        state: "Holding",
        event: "the message before is taken",
        action: "FC.CTS",
        run: || {
            let mut bench = idle();
            bench.frame(&[0x02, 1, 2]);
            bench.frame(&first_frame(20));
            bench.wait(400);
            Ours::of(bench, |bench| drop(bench.take()))
        },
    },
    Row {
        state: "Holding",
        event: "it is not, after WFTmax (2) WAITs",
        action: "FC.OVFLW",
        run: || {
            let mut bench = Bench::with(Config::default().wft_max(2));
            bench.frame(&[0x02, 1, 2]);
            bench.frame(&first_frame(20));
            Ours::waiting(bench, 5000)
        },
    },
    Row {
        state: "any",
        event: "FF, as a listener",
        action: "reassemble without sending FCs",
        run: || {
            let config = Config::default().role(Role::Listener).st_min(StMin::MAX);
            Ours::of(Bench::with(config), |bench| bench.frame(&first_frame(20)))
        },
    },
];

#[test]
fn every_row_of_the_senders_table_has_its_action() {
    keep(
        "chapter7",
        &table(
            "The sender: state, event, action; and what a channel does.",
            &SENDER,
        ),
    );
}

#[test]
fn every_row_of_the_receivers_table_has_its_action() {
    keep(
        "chapter8",
        &table(
            "The receiver: state, event, action; and what a channel does.",
            &RECEIVER,
        ),
    );
}
