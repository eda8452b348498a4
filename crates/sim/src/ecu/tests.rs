use super::*;

/// A controller, its tester, and the time.
struct Bench {
    ecu: Ecu,
    now: Instant,
}

impl Bench {
    fn new(ecu: Ecu) -> Self {
        Self {
            ecu,
            now: Instant::ZERO,
        }
    }

    fn in_session(session: Session) -> Self {
        let mut bench = Self::new(Ecu::default());
        let answer = bench.ask(&[0x10, session.to_bits()]).unwrap();
        assert_eq!(answer, [0x50, session.to_bits(), 0x00, 0x32, 0x01, 0xF4]);
        bench
    }

    /// In the session of `level`, with its lock open.
    fn unlocked(level: Level) -> Self {
        let mut bench = Self::in_session(level.session());
        bench.unlock(level);
        bench
    }

    #[track_caller]
    fn unlock(&mut self, level: Level) {
        let seed = self.seed(level);
        assert_ne!(seed, [0; 4]);
        let answer = self.send_key(level, key(level, seed));
        assert_eq!(answer, [0x67, level.to_bits() + 1]);
    }

    #[track_caller]
    fn seed(&mut self, level: Level) -> [u8; 4] {
        let answer = self.ask(&[0x27, level.to_bits()]).unwrap();
        let seed = answer.strip_prefix(&[0x67, level.to_bits()]).unwrap();
        seed.try_into().unwrap()
    }

    fn send_key(&mut self, level: Level, key: [u8; 4]) -> Vec<u8> {
        self.ask(&[&[0x27, level.to_bits() + 1][..], &key].concat())
            .unwrap()
    }

    /// Programming session, open, and 2 KiB of erased memory announced.
    fn downloading() -> Self {
        let mut bench = Self::unlocked(Level::Programming);
        bench.erase();
        assert_eq!(
            bench
                .ask(&[0x34, 0x00, 0x44, 0, 0x10, 0, 0, 0, 0, 0x08, 0])
                .unwrap(),
            [0x74, 0x20, 0x04, 0x02]
        );
        bench
    }

    fn erase(&mut self) {
        assert_eq!(self.ask(&[0x31, 0x01, 0xFF, 0x00]), None);
        let answers = self.wait(Duration::from_secs(4));
        assert_eq!(answers.last().unwrap(), &[0x71, 0x01, 0xFF, 0x00, 0x00]);
    }

    fn transfer(&mut self, counter: u8, len: usize) -> Vec<u8> {
        self.ask(&[&[0x36, counter][..], &vec![counter; len]].concat())
            .unwrap()
    }

    /// The one response to a request to this controller, at once.
    fn ask(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        self.ask_as(request, Target::Physical)
    }

    fn ask_all(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        self.ask_as(request, Target::Functional)
    }

    #[track_caller]
    fn ask_as(&mut self, request: &[u8], target: Target) -> Option<Vec<u8>> {
        self.ecu.handle_request(self.now, request, target);
        let answer = self.ecu.poll_transmit();
        self.ecu.handle_transmitted(self.now);
        assert_eq!(self.ecu.poll_transmit(), None, "one response a request");
        answer
    }

    /// What is said within a time.
    fn wait(&mut self, time: Duration) -> Vec<Vec<u8>> {
        let end = self.now + time;
        let mut answers = Vec::new();
        while let Some(due) = self.ecu.poll_timeout().filter(|&due| due <= end) {
            self.now = due;
            self.ecu.handle_timeout(due);
            answers.extend(core::iter::from_fn(|| self.ecu.poll_transmit()));
        }
        self.now = end;
        answers
    }

    #[track_caller]
    fn refuses(&mut self, request: &[u8], code: u8) {
        let answer = self.ask(request);
        assert_eq!(
            answer.as_deref(),
            Some(&[0x7F, request[0], code][..]),
            "{request:02x?}"
        );
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_vin_is_read_by_its_identifier() {
    let response = Bench::new(Ecu::default()).ask(&[0x22, 0xF1, 0x90]).unwrap();
    assert_eq!(response.len(), 20, "three bytes and seventeen letters");
    assert_eq!(response.strip_prefix(&[0x62, 0xF1, 0x90]), Some(VIN.as_bytes()));
}

#[test]
fn of_several_identifiers_those_that_exist_are_read() {
    let mut bench = Bench::new(Ecu::default().with_data(1, [0xAA]).with_data(2, [0xBB, 0xCC]));
    assert_eq!(
        bench.ask(&[0x22, 0, 1, 0, 2]).unwrap(),
        [0x62, 0, 1, 0xAA, 0, 2, 0xBB, 0xCC]
    );
    assert_eq!(bench.ask(&[0x22, 0, 9, 0, 1]).unwrap(), [0x62, 0, 1, 0xAA]);
    bench.refuses(&[0x22, 0, 9, 0, 8], 0x31);
    bench.refuses(&[&[0x22][..], &[0, 1].repeat(MAX_DIDS + 1)].concat(), 0x13);
}

#[test]
fn a_response_that_the_transport_cannot_carry_is_refused() {
    let long = |len| Ecu::default().with_data(1, vec![0; len]);
    let longest = Bench::new(long(MAX_RESPONSE_LEN - 3)).ask(&[0x22, 0, 1]).unwrap();
    assert_eq!(longest.len(), MAX_RESPONSE_LEN);
    Bench::new(long(MAX_RESPONSE_LEN - 2)).refuses(&[0x22, 0, 1], 0x14);
}

#[test]
fn what_cannot_be_done_has_a_negative_response_that_says_why() {
    let mut bench = Bench::new(Ecu::default());
    for (request, code) in [
        (&[0x28, 0x00, 0x01][..], 0x11),
        (&[0x7F], 0x11),
        (&[0x22], 0x13),
        (&[0x22, 0xF1], 0x13),
        (&[0x22, 0x12, 0x34], 0x31),
        (&[0x10], 0x13),
        (&[0x10, 0x55], 0x12),
        (&[0x10, 0x03, 0x00], 0x13),
        (&[0x11, 0x04], 0x12),
        (&[0x19, 0x02], 0x13),
        (&[0x19, 0x55, 0x00], 0x12),
        (&[0x27, 0x01], 0x7F),
        (&[0x2E, 0x01, 0x01, 0, 0], 0x7F),
        (&[0x31, 0x01, 0x02, 0x01], 0x7F),
        (&[0x34, 0x00], 0x7F),
        (&[0x3E, 0x01], 0x12),
        (&[0x3E, 0x00, 0x00], 0x13),
    ] {
        bench.refuses(request, code);
    }
    assert_eq!(bench.ask(&[]), None);
    assert_eq!((bench.ecu.stats().empty, bench.ecu.stats().negative), (1, 17));
}

#[test]
fn a_request_to_all_that_it_cannot_serve_is_passed_over_in_silence() {
    let mut bench = Bench::in_session(Session::Extended);
    for request in [
        &[0x28, 0x00][..],
        &[0x10, 0x55],
        &[0x22, 0x12, 0x34],
        &[0x27, 0x11],
        &[0x34, 0x00],
    ] {
        assert_eq!(bench.ask_all(request), None, "{request:02x?}");
    }
    assert_eq!(bench.ecu.stats().passed_over, 5);
    assert_eq!(bench.ask_all(&[0x3E, 0x00]).unwrap(), [0x7E, 0x00]);
    assert_eq!(bench.ask_all(&[0x22, 0xF1]).unwrap(), [0x7F, 0x22, 0x13]);
}

#[test]
fn a_positive_response_can_be_suppressed_and_a_negative_one_cannot() {
    let mut bench = Bench::new(Ecu::default());
    assert_eq!(bench.ask(&[0x3E, 0x80]), None);
    assert_eq!(bench.ask(&[0x10, 0x83]), None);
    assert_eq!(bench.ecu.session(), Session::Extended);
    assert_eq!(bench.ecu.stats().suppressed, 2);
    bench.refuses(&[0x3E, 0x81], 0x12);
}

#[test]
fn a_session_ends_five_seconds_after_the_last_request() {
    let mut bench = Bench::in_session(Session::Extended);
    bench.wait(4 * SECOND);
    assert_eq!(bench.ask(&[0x3E, 0x80]), None);
    bench.wait(4 * SECOND);
    assert_eq!(bench.ask(&[0x22, 0xF1, 0x86]).unwrap(), [0x62, 0xF1, 0x86, 0x03]);
    bench.wait(5 * SECOND);
    assert_eq!(bench.ask(&[0x22, 0xF1, 0x86]).unwrap(), [0x62, 0xF1, 0x86, 0x01]);
    assert_eq!(bench.ecu.poll_timeout(), None, "the default session never ends");
}

#[test]
fn a_request_that_is_coming_in_keeps_the_session() {
    let mut bench = Bench::in_session(Session::Extended);
    bench.wait(4 * SECOND);
    bench.ecu.handle_reception(bench.now);
    bench.wait(4 * SECOND);
    assert_eq!(bench.ecu.session(), Session::Extended);
}

#[test]
fn a_reset_ends_the_session_and_is_followed_by_silence() {
    let mut bench = Bench::new(Ecu::new(EcuConfig::default().boot_time(SECOND)));
    bench.ask(&[0x10, 0x03]);
    bench.unlock(Level::Diagnostic);
    assert_eq!(bench.ask(&[0x11, 0x01]).unwrap(), [0x51, 0x01]);
    assert_eq!(bench.ask(&[0x3E, 0x00]), None);
    assert_eq!(bench.ecu.stats().unheard, 1);
    bench.wait(SECOND);
    assert_eq!(bench.ask(&[0x3E, 0x00]).unwrap(), [0x7E, 0x00]);
    assert_eq!(
        (bench.ecu.session(), bench.ecu.unlocked()),
        (Session::Default, None)
    );
}

#[test]
fn trouble_codes_are_counted_listed_and_cleared() {
    let mut bench = Bench::new(Ecu::default());
    assert_eq!(
        bench.ask(&[0x19, 0x01, 0x08]).unwrap(),
        [0x59, 0x01, 0x7F, 0x00, 0x00, 0x02]
    );
    assert_eq!(
        bench.ask(&[0x19, 0x02, 0x01]).unwrap(),
        [0x59, 0x02, 0x7F, 0x03, 0x01, 0x00, 0x2F]
    );
    let all = bench.ask(&[0x19, 0x0A]).unwrap();
    assert_eq!((&all[..3], all.len()), (&[0x59, 0x0A, 0x7F][..], 3 + 3 * 4));
    assert_eq!(
        bench.ask(&[0x19, 0x02, 0x80]).unwrap(),
        [0x59, 0x02, 0x7F],
        "no lamp"
    );

    assert_eq!(bench.ask(&[0x14, 0x03, 0x01, 0x00]).unwrap(), [0x54]);
    assert_eq!(bench.ask(&[0x19, 0x01, 0x08]).unwrap()[5], 1);
    assert_eq!(bench.ask(&[0x14, 0xFF, 0xFF, 0xFF]).unwrap(), [0x54]);
    assert_eq!(bench.ask(&[0x19, 0x01, 0x08]).unwrap()[5], 0);
    assert_eq!(
        bench.ask(&[0x19, 0x01, 0x50]).unwrap()[5],
        3,
        "no test has run since"
    );
    bench.refuses(&[0x14, 0x12, 0x34, 0x56], 0x31);
    bench.refuses(&[0x14, 0xFF, 0xFF], 0x13);
}

#[test]
fn while_the_engine_runs_nothing_is_cleared_or_programmed() {
    let mut bench = Bench::new(Ecu::default());
    bench.ecu.set_engine(Engine::Running);
    bench.refuses(&[0x14, 0xFF, 0xFF, 0xFF], 0x22);
    bench.refuses(&[0x14, 0x12, 0x34, 0x56], 0x31);
    bench.refuses(&[0x10, 0x02], 0x22);
    bench.ecu.set_engine(Engine::Off);
    bench.ask(&[0x10, 0x02]).unwrap();
    bench.unlock(Level::Programming);
    bench.ecu.set_engine(Engine::Running);
    bench.refuses(&[0x31, 0x01, 0xFF, 0x00], 0x22);
}

#[test]
fn data_are_written_in_the_session_and_with_the_key_they_need() {
    let mut bench = Bench::in_session(Session::Extended);
    assert_eq!(
        bench.ask(&[0x2E, 0x01, 0x01, 0x03, 0x84]).unwrap(),
        [0x6E, 0x01, 0x01]
    );
    assert_eq!(
        bench.ask(&[0x22, 0x01, 0x01]).unwrap(),
        [0x62, 0x01, 0x01, 0x03, 0x84]
    );
    bench.refuses(&[0x2E, 0x01, 0x01, 0x03], 0x13);
    bench.refuses(&[0x2E, 0x01, 0x01], 0x13);
    bench.refuses(&[0x2E, 0x99, 0x99, 0x00], 0x31);
    bench.refuses(&[0x2E, 0xF1, 0x86, 0x03], 0x31);
    bench.refuses(&[0x2E, 0xF1, 0x8C, 0x00], 0x31);
    bench.refuses(&[&[0x2E, 0xF1, 0x5A][..], &[0; 9]].concat(), 0x31);

    let vin = [&[0x2E, 0xF1, 0x90][..], b"TW1WRES1MXECU0002"].concat();
    bench.refuses(&vin, 0x33);
    bench.unlock(Level::Diagnostic);
    assert_eq!(bench.ask(&vin).unwrap(), [0x6E, 0xF1, 0x90]);
    assert_eq!(bench.ask(&[0x11, 0x01]).unwrap(), [0x51, 0x01]);
    assert_eq!(
        bench.ask(&[0x22, 0xF1, 0x90]).unwrap()[3..],
        *b"TW1WRES1MXECU0002"
    );
}

#[test]
fn secret_data_are_read_with_the_key_only() {
    let mut bench = Bench::in_session(Session::Extended);
    bench.refuses(&[0x22, 0x0C, 0x00], 0x33);
    bench.refuses(&[0x22, 0xF1, 0x90, 0x0C, 0x00], 0x33);
    bench.unlock(Level::Diagnostic);
    assert_eq!(bench.ask(&[0x22, 0x0C, 0x00]).unwrap().len(), 7);
    bench.ask(&[0x10, 0x01]);
    bench.refuses(&[0x22, 0x0C, 0x00], 0x31);
}

#[test]
fn a_seed_stays_until_it_is_used_and_an_open_lock_has_none() {
    let mut bench = Bench::in_session(Session::Extended);
    bench.refuses(&[0x27, 0x02, 0, 0, 0, 0], 0x24);
    let seed = bench.seed(Level::Diagnostic);
    assert_eq!(bench.seed(Level::Diagnostic), seed);
    bench.refuses(&[0x27, 0x02, 0], 0x13);
    assert_eq!(bench.send_key(Level::Diagnostic, [0; 4]), [0x7F, 0x27, 0x35]);
    assert_eq!(
        bench.send_key(Level::Diagnostic, key(Level::Diagnostic, seed)),
        [0x7F, 0x27, 0x24]
    );
    assert_ne!(bench.seed(Level::Diagnostic), seed);
    bench.unlock(Level::Diagnostic);
    assert_eq!(bench.seed(Level::Diagnostic), [0; 4]);
    bench.refuses(&[0x27, 0x11], 0x7E);
    bench.refuses(&[0x27, 0x03], 0x12);
    bench.ask(&[0x10, 0x03]);
    assert_eq!(bench.ecu.unlocked(), None, "any change of session shuts it");
}

#[test]
fn after_three_wrong_keys_there_is_a_delay_and_then_one_attempt() {
    let mut bench = Bench::in_session(Session::Extended);
    for code in [0x35, 0x35, 0x36] {
        bench.seed(Level::Diagnostic);
        assert_eq!(bench.send_key(Level::Diagnostic, [0; 4]), [0x7F, 0x27, code]);
    }
    bench.refuses(&[0x27, 0x01], 0x37);
    bench.ask(&[0x11, 0x01]);
    bench.ask(&[0x10, 0x03]);
    bench.refuses(&[0x27, 0x01], 0x37);
    bench.wait(10 * SECOND);
    bench.ask(&[0x10, 0x03]);
    bench.seed(Level::Diagnostic);
    assert_eq!(bench.send_key(Level::Diagnostic, [0; 4]), [0x7F, 0x27, 0x36]);
    bench.wait(10 * SECOND);
    bench.ask(&[0x10, 0x03]);
    bench.unlock(Level::Diagnostic);
}

#[test]
fn a_seed_decides_the_seeds() {
    let seed = |number| {
        let mut bench = Bench::new(Ecu::new(EcuConfig::seeded(number)));
        bench.ask(&[0x10, 0x03]);
        bench.seed(Level::Diagnostic)
    };
    assert_eq!(seed(1), seed(1));
    assert_ne!(seed(1), seed(2));
}

#[test]
fn a_routine_is_started_stopped_and_asked_for_its_result_in_this_order() {
    let mut bench = Bench::in_session(Session::Extended);
    bench.refuses(&[0x31, 0x02, 0x02, 0x01], 0x24);
    bench.refuses(&[0x31, 0x03, 0x02, 0x01], 0x24);
    assert_eq!(
        bench.ask(&[0x31, 0x01, 0x02, 0x01]).unwrap(),
        [0x71, 0x01, 0x02, 0x01]
    );
    bench.refuses(&[0x31, 0x01, 0x02, 0x01], 0x24);
    assert_eq!(bench.ask(&[0x31, 0x03, 0x02, 0x01]).unwrap()[4], 0x01);
    bench.wait(SELF_TEST_TIME);
    assert_eq!(bench.ask(&[0x31, 0x03, 0x02, 0x01]).unwrap()[4], 0x00);
    bench.refuses(&[0x31, 0x02, 0x02, 0x01], 0x24);
    bench.ask(&[0x31, 0x01, 0x02, 0x01]).unwrap();
    assert_eq!(
        bench.ask(&[0x31, 0x02, 0x02, 0x01]).unwrap(),
        [0x71, 0x02, 0x02, 0x01]
    );
    assert_eq!(bench.ask(&[0x31, 0x03, 0x02, 0x01]).unwrap()[4], 0x02);

    bench.refuses(&[0x31, 0x04, 0x02, 0x01], 0x12);
    bench.refuses(&[0x31, 0x01, 0x02], 0x13);
    bench.refuses(&[0x31, 0x01, 0x02, 0x01, 0x00], 0x13);
    bench.refuses(&[0x31, 0x01, 0x99, 0x99], 0x31);
    bench.refuses(&[0x31, 0x01, 0xFF, 0x00], 0x31);
}

#[test]
fn erasing_announces_that_it_takes_longer_and_keeps_the_session() {
    let mut bench = Bench::unlocked(Level::Programming);
    assert_eq!(bench.ask(&[0x31, 0x01, 0xFF, 0x00]), None);
    assert_eq!(bench.wait(Duration::from_millis(24)), [[0; 0]; 0]);
    assert_eq!(
        bench.wait(Duration::from_millis(26)),
        [[0x7F, 0x31, 0x78]],
        "within P2"
    );
    bench.refuses(&[0x22, 0xF1, 0x90], 0x21);
    assert_eq!(bench.ask_all(&[0x3E, 0x80]), None);
    assert_eq!(
        bench.wait(3 * SECOND),
        [&[0x7F, 0x31, 0x78][..], &[0x71, 0x01, 0xFF, 0x00, 0x00]]
    );
    assert_eq!(bench.ecu.session(), Session::Programming);
    assert!(bench.ecu.memory().iter().all(|&cell| cell == 0xFF));
}

#[test]
fn the_last_word_after_response_pending_cannot_be_suppressed() {
    let mut bench = Bench::unlocked(Level::Programming);
    assert_eq!(bench.ask(&[0x31, 0x81, 0xFF, 0x00]), None);
    let answers = bench.wait(4 * SECOND);
    assert_eq!(answers.last().unwrap(), &[0x71, 0x01, 0xFF, 0x00, 0x00]);
}

#[test]
fn what_is_quick_is_not_announced() {
    let mut bench = Bench::new(Ecu::new(EcuConfig::default().erase_time(P2 / 4)));
    bench.ask(&[0x10, 0x02]);
    bench.unlock(Level::Programming);
    bench.ask(&[0x31, 0x81, 0xFF, 0x00]);
    assert!(bench.wait(SECOND).is_empty(), "neither announced nor wanted");
}

#[test]
fn software_is_written_block_by_block_and_confirmed_with_its_checksum() {
    let mut bench = Bench::downloading();
    assert_eq!(bench.transfer(1, 1024), [0x76, 1]);
    assert_eq!(
        bench.transfer(1, 1024),
        [0x76, 1],
        "once more, after a lost answer"
    );
    assert_eq!(bench.transfer(3, 24), [0x7F, 0x36, 0x73]);
    bench.refuses(&[0x37], 0x24);
    assert_eq!(bench.transfer(2, 1024), [0x76, 2]);
    assert_eq!(bench.transfer(2, 1024), [0x76, 2]);
    assert_eq!(bench.transfer(3, 1), [0x7F, 0x36, 0x24], "all there");
    bench.refuses(&[0x37, 0x00], 0x13);

    let image = [[1; 1024], [2; 1024]].concat();
    let crc = checksum(&image).to_be_bytes();
    assert_eq!(bench.ask(&[0x37]).unwrap(), [&[0x77][..], &crc].concat());
    assert!(bench.ecu.memory().starts_with(&image));
    bench.refuses(&[0x37], 0x24);
    bench.refuses(&[0x36, 0x03, 0x00], 0x24);
    assert_eq!(bench.ask(&[0x31, 0x01, 0xFF, 0x01]).unwrap()[4], 0x00);
}

#[test]
fn the_checksum_is_that_of_ethernet() {
    assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
}

#[test]
fn block_numbers_begin_with_one_and_go_round() {
    let mut bench = Bench::downloading();
    assert_eq!(bench.transfer(0, 8), [0x7F, 0x36, 0x73]);
    for counter in (1..=u8::MAX).chain([0]) {
        assert_eq!(bench.transfer(counter, 8), [0x76, counter]);
    }
    assert_eq!(bench.ask(&[0x37]).unwrap().len(), 5);
}

#[test]
fn a_download_that_does_not_fit_is_refused() {
    let mut bench = Bench::unlocked(Level::Programming);
    bench.refuses(&[0x36, 0x01, 0x00], 0x24);
    let at = |address: u32, len: u32| {
        let place = [address.to_be_bytes(), len.to_be_bytes()].concat();
        [&[0x34, 0x00, 0x44][..], &place].concat()
    };
    bench.refuses(&at(MEMORY_START, 16), 0x22);
    bench.erase();
    bench.refuses(&at(MEMORY_START - 1, 16), 0x31);
    bench.refuses(&at(MEMORY_START, 0), 0x31);
    bench.refuses(&at(MEMORY_START, 0x1_0001), 0x31);
    bench.refuses(&at(u32::MAX, u32::MAX), 0x31);
    bench.refuses(&[0x34, 0x11, 0x11, 0, 1], 0x31);
    bench.refuses(&[0x34, 0x00, 0x05, 0, 1], 0x31);
    bench.refuses(&[0x34, 0x00, 0x44, 0, 1], 0x13);
    bench.refuses(&[0x34, 0x00], 0x13);
    assert_eq!(bench.ask(&[0x31, 0x01, 0xFF, 0x01]).unwrap()[4], 0x01, "erased");
    bench.ask(&at(MEMORY_START, 16)).unwrap();
    bench.refuses(&at(MEMORY_START, 16), 0x22);
    bench.refuses(&[0x31, 0x01, 0xFF, 0x00], 0x22);
    assert_eq!(bench.transfer(1, 17), [0x7F, 0x36, 0x71]);
    assert_eq!(
        bench.transfer(1, 16),
        [0x7F, 0x36, 0x24],
        "that ended the download"
    );
    assert_eq!(bench.ask(&at(MEMORY_START, 16)).unwrap().len(), 4);
    bench.refuses(&[0x36, 0x01], 0x13);
    bench.refuses(&[0x36], 0x13);
    assert_eq!(bench.transfer(1, 1025), [0x7F, 0x36, 0x13]);
}

#[test]
fn a_worn_cell_fails_the_block_that_it_is_in() {
    let mut bench = Bench::downloading();
    bench.ecu = core::mem::take(&mut bench.ecu).with_worn_cell(MEMORY_START + 1024);
    assert_eq!(bench.transfer(1, 1024), [0x76, 1]);
    assert_eq!(bench.transfer(2, 1024), [0x7F, 0x36, 0x72]);
}

#[test]
fn programming_needs_its_own_key() {
    let mut bench = Bench::in_session(Session::Programming);
    bench.refuses(&[0x34, 0x00], 0x33);
    bench.refuses(&[0x31, 0x01, 0xFF, 0x00], 0x33);
    bench.refuses(&[0x27, 0x01], 0x7E);
    bench.refuses(&[0x19, 0x0A], 0x7F);
}

#[test]
fn responses_that_nobody_takes_are_bounded() {
    let mut ecu = Ecu::default();
    for _ in 0..MAX_RESPONSES + 3 {
        ecu.handle_request(Instant::ZERO, &[0x3E, 0x00], Target::Physical);
    }
    assert_eq!(ecu.stats().dropped, 3);
    assert_eq!(core::iter::from_fn(|| ecu.poll_transmit()).count(), MAX_RESPONSES);
}
