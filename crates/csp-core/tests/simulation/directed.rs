//! Single mishaps, one at a time.

use core::time::Duration;

use csp_core::rdp::{Acks, CloseReason};
use tinwire_time::Instant;

use crate::plan::{Dark, Ending, Forgery, Oddity, Plan, Reading, Script, Session, Terms, Weather, at, ms};
use crate::user::End;
use crate::world::{Trace, World};

/// Runs a story of one connection: the world, and when it was over.
fn told(plan: &Plan) -> (World, Instant) {
    World::told(plan.clone(), Trace::Silent)
}

/// How the connection of a story ended for the client's user and the server's.
fn ends(world: &World) -> [End; 2] {
    assert_eq!(world.again_from, 2, "one connection, accepted");
    [0, 1].map(|user| world.users[user].ended.unwrap().1)
}

const GOOD: [End; 2] = [
    End::Told(CloseReason::Finished),
    End::Told(CloseReason::ClosedByPeer),
];
const SILENT: [End; 2] = [End::Told(CloseReason::PeerSilent); 2];

/// Both users have what the other one sent, and the client finished.
fn assert_all_arrived(world: &World, what: &str) {
    let ends = ends(world);
    // An end that acknowledges nothing unasked hears nothing where the last reset is lost.
    let is_silent = world.pairs[&0].watch.terms.acks == Acks::Immediate && ends[1] == SILENT[1];
    assert!(
        ends == GOOD || (ends[0] == GOOD[0] && is_silent),
        "{what}: {ends:?}"
    );
    for user in [0, 1] {
        assert_eq!(world.users[user].received, world.users[1 - user].sent, "{what}");
        assert_eq!(
            world.users[user].sent.len(),
            world.users[user].script.messages,
            "{what}"
        );
    }
}

/// A transfer both ways that goes well.
fn transfer(terms: Terms) -> Plan {
    let server = Script {
        messages: 5,
        ..Script::reader()
    };
    let client = Script {
        rhythm: (5, ms(500)),
        expects: 5,
        ..Script::sender(9)
    };
    Plan::pair(terms, client, server)
}

/// How many packets a story has as it is.
fn packets(plan: &Plan) -> u64 {
    let mut world = World::new(plan.clone(), Trace::Silent);
    world.run_until(at(3_600_000));
    assert_all_arrived(&World::told(plan.clone(), Trace::Silent).0, "without mishap");
    world.pushed
}

fn each_acks(mut story: impl FnMut(Terms, &str)) {
    for acks in [Acks::Delayed, Acks::Immediate] {
        for window in [1, 4] {
            let terms = Terms {
                acks,
                window,
                ..Terms::DEFAULT
            };
            story(terms, &format!("{acks:?}, window {window}"));
        }
    }
}

#[test]
fn the_loss_of_any_one_segment_or_any_two_in_a_row_costs_time_alone() {
    each_acks(|terms, name| {
        let mut plan = transfer(terms);
        for number in 0..packets(&plan) {
            for lost in [vec![number], vec![number, number + 1]] {
                plan.oddities = lost.iter().map(|number| (*number, Oddity::Lost)).collect();
                assert_all_arrived(&told(&plan).0, &format!("{name}, without {lost:?}"));
            }
        }
    });
}

#[test]
fn any_one_segment_5_s_late_or_once_more_after_5_s_is_delivered_once_and_in_turn() {
    each_acks(|terms, name| {
        let mut plan = transfer(terms);
        for number in 0..packets(&plan) {
            for oddity in [
                Oddity::Late(ms(5000)),
                Oddity::Again(ms(5000)),
                Oddity::Again(ms(30)),
            ] {
                plan.oddities = vec![(number, oddity)];
                assert_all_arrived(&told(&plan).0, &format!("{name}, {number} {oddity:?}"));
            }
        }
    });
}

#[test]
fn repetitions_that_look_like_duplicates_to_a_node_that_drops_those_get_through() {
    each_acks(|terms, name| {
        let mut plan = transfer(Terms {
            packet_timeout: ms(30),
            ..terms
        });
        plan.dedup = true;
        for number in 0..packets(&plan) {
            plan.oddities = vec![(number, Oddity::Lost)];
            assert_all_arrived(&told(&plan).0, &format!("{name}, without {number}"));
            // The first arrives too late to be waited for, so that repetitions arrive before it.
            plan.oddities = vec![(number, Oddity::Late(ms(90)))];
            assert_all_arrived(&told(&plan).0, &format!("{name}, {number} late"));
        }
    });
}

#[test]
fn two_ends_that_close_within_the_same_moment_are_both_gone_at_once() {
    let closing = |patience| Script {
        messages: 3,
        patience: ms(patience),
        ..Script::reader()
    };
    // A packet takes 5 ms, and the server's user begins 15 ms after the client's.
    for patience in 970..1000 {
        let plan = Plan::pair(Terms::DEFAULT, closing(1000), closing(patience));
        let (world, end) = told(&plan);
        let first = world.users[..2]
            .iter()
            .map(|user| user.ended.unwrap().0)
            .min()
            .unwrap();
        assert!(
            end <= first + ms(40),
            "closed at {first:?}, over at {end:?}, server's patience {patience}"
        );
    }
    // And where each end's reset is lost, the timeout ends both.
    let mut plan = Plan::pair(Terms::DEFAULT, closing(1000), closing(985));
    plan.dark = vec![dark(990, 20_000)];
    let (world, end) = told(&plan);
    assert_eq!(ends(&world), [End::Closed; 2]);
    assert!(end <= at(20_000), "{end:?}");
}

fn dark(from: u64, to: u64) -> Dark {
    Dark {
        link: 0,
        from: at(from),
        to: at(to),
        told: false,
    }
}

/// Sends a message every 100 ms for a while.
fn steady() -> Script {
    Script {
        rhythm: (1, ms(100)),
        ..Script::sender(100)
    }
}

#[test]
fn a_minute_of_darkness_ends_a_connection_whose_timeout_is_shorter_and_no_other() {
    let with_timeout = |connection_timeout| {
        let terms = Terms {
            connection_timeout,
            ..Terms::DEFAULT
        };
        let mut plan = Plan::pair(terms, steady(), Script::reader());
        plan.dark = vec![dark(2000, 62_000)];
        told(&plan).0
    };
    assert_all_arrived(&with_timeout(ms(70_000)), "70 s");
    let world = with_timeout(ms(20_000));
    assert_eq!(ends(&world), SILENT);
    for user in &world.users[..2] {
        // The last that was heard is no older than the acknowledgement timeout.
        let (ended, _) = user.ended.unwrap();
        assert!((at(21_700)..at(22_100)).contains(&ended), "{ended:?}");
    }
    let pair = &world.pairs[&0];
    assert_eq!(world.users[1].received.len() as u64, pair.arrived[0]);
    assert!(pair.arrived[0] > pair.acknowledged[0] || pair.arrived[0] > 15);
}

#[test]
fn a_reset_from_a_stranger_ends_a_connection_if_it_has_the_number_that_is_due() {
    // The window is small, so numbers far away are as good as none.
    for offset in [0, 1, 2, 5, 100] {
        let mut plan = Plan::pair(Terms::DEFAULT, steady(), Script::reader());
        plan.forgeries = vec![(at(1050), 0, Forgery::Reset(offset))];
        let (world, _) = told(&plan);
        if offset == 0 {
            // Both learn of it: the one that took it answers.
            assert_eq!(ends(&world), [End::Told(CloseReason::ClosedByPeer); 2]);
            let [one, other] = [0, 1].map(|user| world.users[user].ended.unwrap().0);
            assert!(one.max(other) < at(1100), "{one:?}, {other:?}");
        } else {
            assert_all_arrived(&world, &format!("a reset {offset} too high"));
        }
    }
}

#[test]
fn an_opening_from_a_stranger_ends_the_connection_at_both_ends() {
    let mut plan = Plan::pair(Terms::DEFAULT, steady(), Script::reader());
    plan.seed = 2;
    plan.forgeries = (0..8)
        .map(|step| (at(1050 + step), 0, Forgery::Opening))
        .collect();
    let (world, _) = told(&plan);
    let reset = End::Told(CloseReason::Reset);
    assert!(ends(&world).contains(&reset), "{:?}", ends(&world));
    let [one, other] = [0, 1].map(|user| world.users[user].ended.unwrap().0);
    assert!(one.max(other) < at(1100), "{one:?}, {other:?}");
}

#[test]
fn two_ends_that_repeat_a_message_to_each_other_hear_the_acknowledgement_in_it() {
    // An acknowledgement alone would come after a pause that the repetitions never leave.
    let terms = Terms {
        window: 1,
        packet_timeout: ms(50),
        ..Terms::DEFAULT
    };
    let client = Script {
        expects: 20,
        ..Script::sender(20)
    };
    let server = Script {
        messages: 20,
        ..Script::reader()
    };
    let mut plan = Plan::pair(terms, client, server);
    // The first message of each end is on its way when the other one sends its own.
    plan.oddities = vec![(3, Oddity::Late(ms(15)))];
    let (world, end) = told(&plan);
    assert_all_arrived(&world, "at the same time");
    assert!(end < at(3000), "{end:?}");
}

#[test]
fn numbers_that_wrap_and_are_the_same_at_both_ends_make_no_difference() {
    for initial in [0xFFFF, 0xFFFE, 0xFFF0, 0x7FF8, 0, 0x8000] {
        for window in [1, 4, 32] {
            let terms = Terms {
                window,
                packet_timeout: ms(50),
                ..Terms::DEFAULT
            };
            let client = Script {
                rhythm: (4, ms(20)),
                expects: 40,
                ..Script::sender(60)
            };
            let server = Script {
                messages: 40,
                ..Script::reader()
            };
            let mut plan = Plan::pair(terms, client, server);
            plan.initial = Some(initial);
            plan.weather = vec![
                [Weather {
                    loss: 10,
                    duplication: 10,
                    reordering: 50,
                    delay: [ms(1), ms(40)],
                    ..Weather::default()
                }; 2],
            ];
            let name = format!("from {initial}, window {window}");
            assert_all_arrived(&told(&plan).0, &name);
        }
    }
}

#[test]
fn a_user_who_reads_nothing_for_half_a_minute_loses_nothing_and_keeps_the_connection() {
    for window in [1, 4, 8] {
        let terms = Terms {
            window,
            ..Terms::DEFAULT
        };
        let server = Script {
            reading: Reading::After(ms(30_000)),
            ..Script::reader()
        };
        let mut plan = Plan::pair(terms, Script::sender(80), server);
        plan.receive_queue = 4;
        let (world, end) = told(&plan);
        assert_all_arrived(&world, "read late");
        assert!((at(30_000)..at(60_000)).contains(&end), "{end:?}");
    }
}

#[test]
fn without_acknowledgements_of_their_own_two_ends_that_wait_are_over_after_the_timeout() {
    let terms = Terms {
        acks: Acks::Immediate,
        ..Terms::DEFAULT
    };
    let plan = Plan::pair(terms, Script::reader(), Script::reader());
    let (world, _) = told(&plan);
    assert_eq!(ends(&world), SILENT);
    // With them they wait as long as they like.
    let patient = Script {
        patience: ms(100_000),
        ..Script::reader()
    };
    let (world, _) = told(&Plan::pair(Terms::DEFAULT, patient, Script::reader()));
    assert_eq!(ends(&world), [End::Closed, GOOD[1]]);
}

#[test]
fn a_transfer_on_a_good_link_takes_few_segments_more_than_it_has_messages() {
    for (acks, most) in [(Acks::Delayed, 145), (Acks::Immediate, 210)] {
        let terms = Terms {
            acks,
            window: 8,
            ..Terms::DEFAULT
        };
        let plan = Plan::pair(terms, Script::sender(100), Script::reader());
        let sent = packets(&plan);
        assert!(
            (100..=most).contains(&sent),
            "{sent} packets for 100 messages, {acks:?}"
        );
    }
}

#[test]
fn a_client_that_begins_anew_from_its_port_ends_the_old_connection_and_gets_a_new_one_in_time() {
    let mut plan = Plan::pair(Terms::DEFAULT, steady(), Script::reader());
    plan.sessions[0].repeats = 3;
    plan.restarts = vec![(at(2000), 0)];
    let (world, _) = told(&plan);
    assert_eq!(world.users[0].ended.map(|(_, end)| end), Some(End::Lost));
    let (ended, end) = world.users[1].ended.unwrap();
    assert_eq!(end, End::Told(CloseReason::Reset));
    assert!(ended < at(2000) + Duration::from_secs(6), "{ended:?}");
    let done = world.users.iter().filter(|user| user.side == 0);
    let finished = done.filter(|user| user.ended.is_some_and(|(_, end)| end == GOOD[0]));
    assert!(finished.count() >= 2, "neither of the attempts that follow");
}

#[test]
fn who_closes_promptly_loses_what_is_on_its_way_and_the_other_end_is_told() {
    let client = Script {
        ending: Ending::Close,
        ..Script::sender(4)
    };
    let (world, _) = told(&Plan::pair(Terms::DEFAULT, client, Script::reader()));
    assert_eq!(ends(&world), [End::Closed, GOOD[1]]);
    assert_eq!(world.users[1].received, world.users[0].sent);
}

#[test]
fn what_is_on_its_way_when_its_sender_closes_is_repeated_and_then_the_end_is_told() {
    each_acks(|terms, name| {
        let client = Script {
            ending: Ending::Close,
            ..Script::sender(usize::from(terms.window))
        };
        let mut plan = Plan::pair(terms, client, Script::reader());
        plan.dedup = true;
        // SYN, SYN|ACK, ACK, and then the first message. It comes behind the reset, or is lost.
        for oddity in [Oddity::Lost, Oddity::Late(ms(20))] {
            plan.oddities = vec![(3, oddity)];
            let (world, _) = told(&plan);
            assert_eq!(ends(&world), [End::Closed, GOOD[1]], "{name}, {oddity:?}");
            assert_eq!(world.users[1].received, world.users[0].sent, "{name}, {oddity:?}");
        }
    });
}

#[test]
fn forty_connections_at_once_over_a_rough_link_do_not_mix_and_all_finish() {
    let client = Script {
        expects: 4,
        ..Script::sender(12)
    };
    let server = Script {
        messages: 4,
        ..Script::reader()
    };
    let mut plan = Plan::pair(Terms::DEFAULT, client, server);
    plan.backlog = 40;
    plan.weather = vec![
        [Weather {
            loss: 20,
            duplication: 10,
            reordering: 30,
            corruption: 2,
            delay: [ms(1), ms(100)],
            ..Weather::default()
        }; 2],
    ];
    let session = plan.sessions[0];
    plan.sessions = (20..60)
        .map(|port| Session {
            local_port: Some(port),
            ..session
        })
        .collect();
    let (world, _) = told(&plan);
    let clients = world.users[..world.again_from]
        .iter()
        .filter(|user| user.side == 0);
    let finished = clients.filter(|user| user.ended.is_some_and(|(_, end)| end == GOOD[0]));
    assert_eq!(finished.count(), 40);
}
