//! From datagrams to events: what a receiving half remembers between them.

use std::time::{Instant, SystemTime};

use super::control::{Control, DropCounter};
use super::sys::Datagram;
use crate::error_frame::BusState;
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{BadInput, BusError, ChannelId, DropReason, Event, EventBuf, Origin, Received, Timestamp};
use crate::record;

/// Decoded events that wait to be handed out, and what decoding remembers.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) events: EventBuf,
    pub(super) lost: DropCounter,
    /// None on all interfaces, where it would mix several controllers.
    pub(super) state: Option<BusState>,
    pub(super) hardware_time: bool,
}

impl Inbox {
    /// An interface that goes down resets its controller.
    pub(super) fn forget_state(&mut self) {
        self.state = self.state.map(|_| BusState::Unknown);
    }

    pub(super) fn take(
        &mut self,
        datagram: &Datagram<'_>,
        control: Control,
        monotonic: Instant,
        software: Option<&FilterSet>,
    ) {
        // The counter comes with the first frame after a loss, so the gap is before this frame (trap 5).
        let lost = control.lost.map_or(0, |total| self.lost.advance(total));
        if lost > 0 {
            self.events.push_back(Event::Dropped {
                count: lost.into(),
                reason: DropReason::SocketQueueFull,
            });
        }
        self.hardware_time |= control.hardware.is_some();
        let time = Timestamp {
            host: control.software.unwrap_or_else(SystemTime::now),
            hardware: control.hardware,
            monotonic,
        };
        let channel = ChannelId(datagram.index);
        let frame = match record::decode(datagram.data) {
            Ok(record::Datagram::Frame(frame)) => frame,
            Ok(record::Datagram::MaskedId(frame)) => {
                if software.is_none_or(|filters| filters.accepts(&frame)) {
                    self.events.push_back(Event::BadInput(BadInput::MaskedId));
                }
                frame
            }
            Ok(record::Datagram::Error(report)) => {
                self.events.push_back(Event::BusError(BusError {
                    report,
                    time,
                    channel,
                }));
                if let Some(before) = self.state {
                    let state = before.after(&report);
                    self.state = Some(state);
                    if state != before {
                        self.events.push_back(Event::State(state));
                    }
                }
                return;
            }
            Err(error) => {
                self.events.push_back(Event::BadInput(BadInput::Datagram(error)));
                return;
            }
        };
        if software.is_none_or(|filters| filters.accepts(&frame)) {
            self.push(frame, time, origin(datagram.flags), channel);
        }
    }

    fn push(&mut self, frame: CanFrame, time: Timestamp, origin: Origin, channel: ChannelId) {
        self.events.push_back(Event::Frame(Received {
            frame,
            time,
            origin,
            channel,
        }));
    }
}

/// `MSG_CONFIRM` marks this socket's own frames, `MSG_DONTROUTE` all that were made on this host: on a
/// virtual interface every frame is one, so it says nothing about the direction (trap 4).
const fn origin(flags: libc::c_int) -> Origin {
    if flags & libc::MSG_CONFIRM != 0 {
        Origin::Own
    } else if flags & libc::MSG_DONTROUTE != 0 {
        Origin::LocalHost
    } else {
        Origin::Bus
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use embedded_can::StandardId;

    use super::*;
    use crate::error_frame::{ErrorClasses, ErrorFrame};
    use crate::filter::Filter;
    use crate::record::{DecodeError, MAX_DATAGRAM_LEN};

    fn inbox() -> Inbox {
        Inbox {
            events: EventBuf::new(),
            lost: DropCounter::default(),
            state: Some(BusState::Unknown),
            hardware_time: false,
        }
    }

    fn frame(raw: u16) -> CanFrame {
        CanFrame::data(StandardId::new(raw).unwrap(), &[1]).unwrap()
    }

    fn bytes(frame: &CanFrame) -> Vec<u8> {
        let mut out = [0; MAX_DATAGRAM_LEN];
        let len = record::encode(frame, &mut out);
        out[..len].to_vec()
    }

    fn take(inbox: &mut Inbox, data: &[u8], lost: Option<u32>, software: Option<&FilterSet>) {
        let datagram = Datagram {
            data,
            control: &[],
            flags: libc::MSG_DONTROUTE,
            index: 7,
        };
        let control = Control {
            lost,
            ..Control::default()
        };
        inbox.take(&datagram, control, Instant::now(), software);
    }

    #[test]
    fn a_loss_is_told_before_the_frame_that_brings_its_count() {
        let mut inbox = inbox();
        for lost in [None, Some(3), Some(3), Some(5)] {
            take(&mut inbox, &bytes(&frame(1)), lost, None);
        }
        let counts: Vec<_> = inbox
            .events
            .iter()
            .map(|event| match event {
                Event::Dropped { count, .. } => *count,
                _ => 0,
            })
            .collect();
        assert_eq!(counts, [0, 3, 0, 0, 2, 0]);
    }

    #[test]
    fn the_software_filter_drops_what_it_refuses_and_its_warnings() {
        let mut inbox = inbox();
        let filters = FilterSet::any([Filter::id(StandardId::new(2).unwrap().into())]);
        let mut wide = bytes(&frame(1));
        wide[..4].copy_from_slice(&0x1001u32.to_ne_bytes());
        take(&mut inbox, &wide, None, Some(&filters));
        take(&mut inbox, &bytes(&frame(2)), None, Some(&filters));
        assert!(matches!(inbox.events.make_contiguous(), [Event::Frame(_)]));
    }

    #[test]
    fn rubbish_is_an_event_and_an_error_report_is_no_frame() {
        let mut inbox = inbox();
        take(&mut inbox, &[0; 15], None, None);
        let report = ErrorFrame::new(ErrorClasses::from_bits(0x040), &[]);
        take(&mut inbox, &record::encode_error(&report), None, None);
        take(&mut inbox, &record::encode_error(&report), None, None);
        assert!(matches!(
            inbox.events.make_contiguous(),
            [
                Event::BadInput(BadInput::Datagram(DecodeError::Length { got: 15 })),
                Event::BusError(_),
                Event::State(BusState::BusOff),
                Event::BusError(_),
            ]
        ));
        inbox.forget_state();
        assert_eq!(inbox.state, Some(BusState::Unknown));
    }

    #[test]
    fn the_origin_follows_from_both_flags() {
        assert_eq!(origin(0), Origin::Bus);
        assert_eq!(origin(libc::MSG_DONTROUTE), Origin::LocalHost);
        assert_eq!(origin(libc::MSG_DONTROUTE | libc::MSG_CONFIRM), Origin::Own);
    }
}
