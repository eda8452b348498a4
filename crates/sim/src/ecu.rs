//! A car's controller that answers diagnostic requests.
//!
//! [`Ecu`] is the pure part: a request goes in, a response comes out. It knows the few services of UDS (ISO
//! 14229-1) that a first conversation needs:
//!
//! | request | response |
//! |---|---|
//! | `10 SS` session control | `50 SS 00 32 01 F4` |
//! | `11 RR` reset | `51 RR` |
//! | `22 DID..` read data | `62 DID data ..`; VIN is DID `F190` |
//! | `3E 00`, `3E 80` tester present | `7E 00`, nothing |
//! | anything else | `7F SID 11` service not supported |
//!
//! Over CAN it listens to 7E0 and answers with 7E8, and to all with 7DF, as OBD-II lays down.

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use can_link::{CanLink, LinkError, StandardId};
use isotp::{Address, AddressError, Config, IsoTpStream, StreamError, Target};
use thiserror::Error;

/// DID of the vehicle identification number.
pub const VIN_DID: u16 = 0xF190;
/// The number that an [`Ecu`] has unless told otherwise.
pub const VIN: &str = "TW1WRES1MXECU0001";
/// The identifier of requests to the controller.
pub const REQUEST_ID: u16 = 0x7E0;
/// The identifier of its responses.
pub const RESPONSE_ID: u16 = 0x7E8;
/// The identifier of requests to all controllers.
pub const FUNCTIONAL_ID: u16 = 0x7DF;

const NEGATIVE: u8 = 0x7F;
const POSITIVE: u8 = 0x40;
/// Bit of a subfunction: no positive response is wanted.
const SUPPRESS: u8 = 0x80;

const SERVICE_NOT_SUPPORTED: u8 = 0x11;
const SUBFUNCTION_NOT_SUPPORTED: u8 = 0x12;
const WRONG_LENGTH: u8 = 0x13;
const OUT_OF_RANGE: u8 = 0x31;

/// An identifier from a constant that is in range.
pub(crate) const fn standard_id(raw: u16) -> StandardId {
    match StandardId::new(raw) {
        Some(id) => id,
        None => StandardId::MAX,
    }
}

/// How a request was addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressed {
    /// To this controller.
    Physically,
    /// To all controllers: those that cannot help stay silent.
    Functionally,
}

/// A controller's diagnostic server.
///
/// ```
/// use tinwire_sim::ecu::{Addressed, Ecu};
///
/// let mut ecu = Ecu::default();
/// let response = ecu.answer(&[0x22, 0xF1, 0x90], Addressed::Physically).unwrap();
/// assert_eq!(response[..3], [0x62, 0xF1, 0x90]);
/// assert_eq!(response[3..], *b"TW1WRES1MXECU0001");
/// assert_eq!(ecu.answer(&[0x27, 0x01], Addressed::Physically).unwrap(), [0x7F, 0x27, 0x11]);
/// ```
#[derive(Clone, Debug)]
pub struct Ecu {
    data: BTreeMap<u16, Vec<u8>>,
    session: u8,
}

impl Default for Ecu {
    /// VIN, serial number (`F18C`), software version (`F195`), and the session at hand (`F186`).
    fn default() -> Self {
        Self {
            data: BTreeMap::new(),
            session: 0x01,
        }
        .with_data(VIN_DID, VIN)
        .with_data(0xF18C, "SIM-0001")
        .with_data(0xF195, "1.0.0")
    }
}

impl Ecu {
    /// Sets what a data identifier reads.
    #[must_use]
    pub fn with_data(mut self, did: u16, data: impl Into<Vec<u8>>) -> Self {
        self.data.insert(did, data.into());
        self
    }

    /// The response to a request, or `None` where there is none to send.
    #[must_use]
    pub fn answer(&mut self, request: &[u8], addressed: Addressed) -> Option<Vec<u8>> {
        let (&service, rest) = request.split_first()?;
        let outcome = match service {
            0x10 => self.session_control(rest),
            0x11 => reset(rest),
            0x22 => self.read(rest),
            0x3E => tester_present(rest),
            _ => Err(SERVICE_NOT_SUPPORTED),
        };
        match outcome {
            Ok(body) => body.map(|body| [&[service | POSITIVE], body.as_slice()].concat()),
            Err(SERVICE_NOT_SUPPORTED | SUBFUNCTION_NOT_SUPPORTED | OUT_OF_RANGE)
                if addressed == Addressed::Functionally =>
            {
                None
            }
            Err(code) => Some([NEGATIVE, service, code].to_vec()),
        }
    }

    /// Sessions 1 to 3; P2 is 50 ms, P2* 5 s.
    fn session_control(&mut self, rest: &[u8]) -> Outcome {
        let [subfunction] = rest else {
            return Err(WRONG_LENGTH);
        };
        let session = subfunction & !SUPPRESS;
        if !(1..=3).contains(&session) {
            return Err(SUBFUNCTION_NOT_SUPPORTED);
        }
        self.session = session;
        Ok(wanted(*subfunction, &[session, 0x00, 0x32, 0x01, 0xF4]))
    }

    fn read(&self, rest: &[u8]) -> Outcome {
        let (dids, odd) = rest.as_chunks::<2>();
        if dids.is_empty() || !odd.is_empty() {
            return Err(WRONG_LENGTH);
        }
        let mut body = Vec::new();
        for did in dids {
            let session = [self.session];
            let data = match u16::from_be_bytes(*did) {
                0xF186 => &session[..],
                other => self.data.get(&other).ok_or(OUT_OF_RANGE)?,
            };
            body.extend_from_slice(did);
            body.extend_from_slice(data);
        }
        Ok(Some(body))
    }
}

/// The body of a positive response, if one is wanted; or the code of a negative one.
type Outcome = Result<Option<Vec<u8>>, u8>;

fn wanted(subfunction: u8, body: &[u8]) -> Option<Vec<u8>> {
    (subfunction & SUPPRESS == 0).then(|| body.to_vec())
}

fn reset(rest: &[u8]) -> Outcome {
    match rest {
        [subfunction] if (1..=3).contains(&(subfunction & !SUPPRESS)) => {
            Ok(wanted(*subfunction, &[subfunction & !SUPPRESS]))
        }
        [_] => Err(SUBFUNCTION_NOT_SUPPORTED),
        _ => Err(WRONG_LENGTH),
    }
}

fn tester_present(rest: &[u8]) -> Outcome {
    match rest {
        [subfunction] if subfunction & !SUPPRESS == 0 => Ok(wanted(*subfunction, &[0])),
        [_] => Err(SUBFUNCTION_NOT_SUPPORTED),
        _ => Err(WRONG_LENGTH),
    }
}

/// Why a controller stopped serving.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The link does not do.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The identifiers do not make an address.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Answers requests on `link` until it ends.
///
/// A transfer that fails ends nothing: the tester notices by its own timeouts, and asks again.
///
/// # Errors
/// When the link refuses the filters, or fails.
///
/// # Cancel safety
/// When the future is dropped, the controller is gone; a request under way stays without an answer.
pub async fn serve(mut ecu: Ecu, link: impl CanLink) -> Result<(), ServeError> {
    let address = Address::normal(standard_id(RESPONSE_ID), standard_id(REQUEST_ID))?
        .accepting_functional(standard_id(FUNCTIONAL_ID));
    let mut stream = IsoTpStream::new(link, address, Config::default())?;
    while let Some(request) = stream.recv_with_target().await {
        let (target, request) = match request {
            Ok(request) => request,
            Err(StreamError::Link(error)) => return Err(error.into()),
            Err(_) => continue,
        };
        let addressed = match target {
            Target::Physical => Addressed::Physically,
            Target::Functional => Addressed::Functionally,
        };
        let Some(response) = ecu.answer(&request, addressed) else {
            continue;
        };
        if let Err(StreamError::Link(error)) = stream.send(response).await {
            return Err(error.into());
        }
    }
    Ok(())
}

/// What a negative response code says, in words.
#[must_use]
pub fn negative_response(code: u8) -> String {
    match code {
        0x10 => "general reject".into(),
        SERVICE_NOT_SUPPORTED => "service not supported".into(),
        SUBFUNCTION_NOT_SUPPORTED => "subfunction not supported".into(),
        WRONG_LENGTH => "incorrect message length or invalid format".into(),
        0x22 => "conditions not correct".into(),
        OUT_OF_RANGE => "request out of range".into(),
        0x33 => "security access denied".into(),
        0x78 => "response pending".into(),
        other => std::format!("code {other:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use can_link::{CanFrame, CanTxExt as _, VirtualBus};

    use super::*;

    fn ask(request: &[u8]) -> Option<Vec<u8>> {
        Ecu::default().answer(request, Addressed::Physically)
    }

    #[test]
    fn the_vin_is_read_by_its_identifier() {
        let response = ask(&[0x22, 0xF1, 0x90]).unwrap();
        assert_eq!(response.len(), 20, "three bytes and seventeen letters");
        assert_eq!(response.strip_prefix(&[0x62, 0xF1, 0x90]), Some(VIN.as_bytes()));
    }

    #[test]
    fn several_identifiers_are_read_at_once() {
        let ecu = || Ecu::default().with_data(1, [0xAA]).with_data(2, [0xBB, 0xCC]);
        let response = ecu().answer(&[0x22, 0, 1, 0, 2], Addressed::Physically);
        assert_eq!(response.unwrap(), [0x62, 0, 1, 0xAA, 0, 2, 0xBB, 0xCC]);
    }

    #[test]
    fn what_cannot_be_done_has_a_negative_response_that_says_why() {
        assert_eq!(ask(&[0x27, 1]).unwrap(), [0x7F, 0x27, 0x11]);
        assert_eq!(ask(&[0x22, 0xF1]).unwrap(), [0x7F, 0x22, 0x13]);
        assert_eq!(ask(&[0x22, 0x12, 0x34]).unwrap(), [0x7F, 0x22, 0x31]);
        assert_eq!(ask(&[0x10, 0x55]).unwrap(), [0x7F, 0x10, 0x12]);
        assert_eq!(ask(&[]), None);
    }

    #[test]
    fn a_request_to_all_that_it_cannot_serve_is_passed_over_in_silence() {
        let mut ecu = Ecu::default();
        assert_eq!(ecu.answer(&[0x27, 1], Addressed::Functionally), None);
        assert_eq!(
            ecu.answer(&[0x3E, 0], Addressed::Functionally).unwrap(),
            [0x7E, 0]
        );
    }

    #[test]
    fn a_positive_response_can_be_suppressed_and_a_negative_one_cannot() {
        assert_eq!(ask(&[0x3E, 0x80]), None);
        assert_eq!(ask(&[0x3E, 0x81]).unwrap(), [0x7F, 0x3E, 0x12]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_vin_comes_over_the_bus_in_several_frames() {
        let bus = VirtualBus::new();
        let controller = tokio::spawn(serve(Ecu::default(), bus.join()));
        let address = Address::normal(standard_id(REQUEST_ID), standard_id(RESPONSE_ID)).unwrap();
        let mut tester = IsoTpStream::new(bus.join(), address, Config::default()).unwrap();
        tester.send(vec![0x22, 0xF1, 0x90]).await.unwrap();
        let response = tester.recv().await.unwrap().unwrap();
        assert_eq!(response.strip_prefix(&[0x62, 0xF1, 0x90]), Some(VIN.as_bytes()));
        assert_eq!(
            bus.stats().frames,
            5,
            "request, first frame, flow control, two consecutive frames"
        );
        controller.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_that_breaks_off_does_not_end_the_service() {
        let bus = VirtualBus::new();
        let controller = tokio::spawn(serve(Ecu::default(), bus.join()));
        let mut intruder = bus.join();
        let first = CanFrame::data(standard_id(REQUEST_ID), &[0x10, 0x20, 1, 2, 3, 4, 5, 6]).unwrap();
        intruder.send(first).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let address = Address::normal(standard_id(REQUEST_ID), standard_id(RESPONSE_ID)).unwrap();
        let mut tester = IsoTpStream::new(bus.join(), address, Config::default()).unwrap();
        tester.send(vec![0x3E, 0x00]).await.unwrap();
        assert_eq!(tester.recv().await.unwrap().unwrap(), [0x7E, 0x00][..]);
        controller.abort();
    }

    #[test]
    fn the_session_stays_until_it_is_changed() {
        let mut ecu = Ecu::default();
        let session = |ecu: &mut Ecu| ecu.answer(&[0x22, 0xF1, 0x86], Addressed::Physically).unwrap()[3];
        assert_eq!(session(&mut ecu), 1);
        assert_eq!(
            ecu.answer(&[0x10, 3], Addressed::Physically).unwrap(),
            [0x50, 3, 0, 0x32, 1, 0xF4]
        );
        assert_eq!(session(&mut ecu), 3);
    }
}
