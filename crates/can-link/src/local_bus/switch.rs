//! The host's machine: bytes of members in, bytes for members out. No socket, clock or task in here.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::limits::QueueLen;
use super::wire::{Input, Message, Sender, WireError, encode_frame};
use crate::frame::CanFrame;

/// Which member; never used again after it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemberId(u64);

/// An encoded message, shared by the queues it is in.
pub(super) type Packet = Arc<[u8]>;

#[derive(Debug)]
struct Member {
    id: MemberId,
    input: Input,
    /// What it asked for in its hello; nothing is sent to it before.
    wish: Option<Wish>,
    queue: VecDeque<Packet>,
    /// Frames lost since the last report of them.
    lost: u64,
    end: End,
}

/// Whether a member sends more.
#[derive(Debug)]
enum End {
    Open,
    /// It has said done, and waits until these have taken what is there for them.
    Awaits(Vec<MemberId>),
    /// It was told.
    Passed,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    own_echo: bool,
    queue: QueueLen,
}

/// The members of a bus and what waits for each.
#[derive(Debug, Default)]
pub(super) struct Switch {
    members: Vec<Member>,
    next_id: u64,
}

impl Switch {
    pub(super) fn join(&mut self) -> MemberId {
        let id = MemberId(self.next_id);
        self.next_id += 1;
        self.members.push(Member {
            id,
            input: Input::default(),
            wish: None,
            queue: VecDeque::new(),
            lost: 0,
            end: End::Open,
        });
        id
    }

    /// As [`handle_written`](Self::handle_written).
    pub(super) fn leave(&mut self, id: MemberId) -> bool {
        self.members.retain(|member| member.id != id);
        self.handle_written(id)
    }

    /// Whether the member has said hello.
    pub(super) fn is_greeted(&self, id: MemberId) -> bool {
        self.members
            .iter()
            .any(|member| member.id == id && member.wish.is_some())
    }

    /// Takes bytes of one member; `nanos` is the wall clock. After an error the member must leave.
    pub(super) fn handle_bytes(&mut self, id: MemberId, bytes: &[u8], nanos: u64) -> Result<(), WireError> {
        if let Some(member) = self.member(id) {
            member.input.extend(bytes);
        }
        while let Some(member) = self.member(id) {
            let Some(message) = member.input.next_message()? else {
                break;
            };
            match (message, member.wish) {
                (Message::Hello { own_echo, queue }, None) => {
                    member.wish = Some(Wish { own_echo, queue });
                    member.push_message(&Message::Welcome);
                }
                (Message::Frame { frame, .. }, Some(wish)) if matches!(member.end, End::Open) => {
                    self.distribute(id, wish, &frame, nanos);
                }
                (Message::Done, Some(_)) if matches!(member.end, End::Open) => self.finish(id),
                _ => return Err(WireError::Unexpected),
            }
        }
        Ok(())
    }

    /// Everything that was there for a member was written to it, or it is gone. True when somebody is to be
    /// told, for whom there is something to transmit.
    pub(super) fn handle_written(&mut self, id: MemberId) -> bool {
        let mut is_news = false;
        for member in &mut self.members {
            if let End::Awaits(others) = &mut member.end {
                others.retain(|other| *other != id);
                is_news |= member.tell_passed();
            }
        }
        is_news
    }

    /// Tells every member that the host leaves.
    pub(super) fn announce_leave(&mut self) {
        self.members
            .iter_mut()
            .for_each(|member| member.push_message(&Message::Leave));
    }

    /// The next packet for a member; its losses are told at their place in the order.
    pub(super) fn poll_transmit(&mut self, id: MemberId) -> Option<Packet> {
        let member = self.member(id)?;
        if let Some(packet) = member.queue.pop_front() {
            return Some(packet);
        }
        member.take_lost()
    }

    /// A member sends no more: it waits for all others, also those that have taken all by now.
    fn finish(&mut self, id: MemberId) {
        let greeted = self.members.iter().filter(|member| member.wish.is_some());
        let others = greeted
            .map(|member| member.id)
            .filter(|other| *other != id)
            .collect();
        if let Some(member) = self.member(id) {
            member.end = End::Awaits(others);
            member.tell_passed();
        }
    }

    fn distribute(&mut self, from: MemberId, wish: Wish, frame: &CanFrame, nanos: u64) {
        let packet = |sender| {
            let mut bytes = Vec::new();
            encode_frame(&mut bytes, frame, sender, nanos);
            Packet::from(bytes)
        };
        let for_others = packet(Sender::Other);
        for member in self.members.iter_mut().filter(|member| member.id != from) {
            member.push_frame(&for_others);
        }
        if let Some(member) = self.member(from).filter(|_| wish.own_echo) {
            member.push_frame(&packet(Sender::Own));
        }
    }

    fn member(&mut self, id: MemberId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }
}

impl Member {
    fn push_frame(&mut self, packet: &Packet) {
        let Some(wish) = self.wish else { return };
        if self.queue.len() >= wish.queue.frames() {
            self.lost += 1;
            return;
        }
        if let Some(report) = self.take_lost() {
            self.queue.push_back(report);
        }
        self.queue.push_back(Arc::clone(packet));
    }

    fn push_message(&mut self, message: &Message) {
        if let Some(report) = self.take_lost() {
            self.queue.push_back(report);
        }
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.queue.push_back(bytes.into());
    }

    /// True when it awaits nobody any more, which it is told.
    fn tell_passed(&mut self) -> bool {
        let is_done = matches!(&self.end, End::Awaits(others) if others.is_empty());
        if is_done {
            self.end = End::Passed;
            self.push_message(&Message::Passed);
        }
        is_done
    }

    fn take_lost(&mut self) -> Option<Packet> {
        let count = core::mem::take(&mut self.lost);
        let mut bytes = Vec::new();
        Message::Lost(count).encode(&mut bytes);
        (count > 0).then(|| bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StandardId;

    fn frame(byte: u8) -> CanFrame {
        CanFrame::data(StandardId::ZERO, &[byte]).unwrap()
    }

    fn bytes(message: &Message) -> Vec<u8> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        bytes
    }

    fn sent(byte: u8) -> Vec<u8> {
        bytes(&Message::Frame {
            frame: frame(byte),
            sender: Sender::Other,
            nanos: 0,
        })
    }

    fn member(switch: &mut Switch, own_echo: bool, queue: usize) -> MemberId {
        let id = switch.join();
        let queue = QueueLen::new(queue).unwrap();
        switch
            .handle_bytes(id, &bytes(&Message::Hello { own_echo, queue }), 0)
            .unwrap();
        assert_eq!(received(switch, id), [Message::Welcome]);
        id
    }

    fn received(switch: &mut Switch, id: MemberId) -> Vec<Message> {
        core::iter::from_fn(|| switch.poll_transmit(id))
            .map(|packet| Message::decode(&packet).unwrap().unwrap().0)
            .collect()
    }

    #[test]
    fn a_frame_goes_to_all_others_and_to_its_sender_on_wish() {
        let mut switch = Switch::default();
        let (a, b) = (member(&mut switch, true, 8), member(&mut switch, false, 8));
        switch.handle_bytes(a, &sent(1), 77).unwrap();
        switch.handle_bytes(b, &sent(2), 78).unwrap();
        let frame = |byte, sender, nanos| Message::Frame {
            frame: frame(byte),
            sender,
            nanos,
        };
        assert_eq!(
            received(&mut switch, a),
            [frame(1, Sender::Own, 77), frame(2, Sender::Other, 78)]
        );
        assert_eq!(received(&mut switch, b), [frame(1, Sender::Other, 77)]);
    }

    #[test]
    fn a_full_queue_loses_the_newest_and_tells_how_many_in_order() {
        let mut switch = Switch::default();
        let (a, slow) = (member(&mut switch, false, 8), member(&mut switch, false, 2));
        (0..5).for_each(|byte| switch.handle_bytes(a, &sent(byte), 0).unwrap());
        switch.poll_transmit(slow).unwrap();
        switch.handle_bytes(a, &sent(5), 0).unwrap();
        let frame = |byte| Message::Frame {
            frame: frame(byte),
            sender: Sender::Other,
            nanos: 0,
        };
        assert_eq!(
            received(&mut switch, slow),
            [frame(1), Message::Lost(3), frame(5)]
        );
        (0..3).for_each(|byte| switch.handle_bytes(a, &sent(byte), 0).unwrap());
        assert_eq!(
            received(&mut switch, slow),
            [frame(0), frame(1), Message::Lost(1)]
        );
    }

    #[test]
    fn messages_out_of_turn_are_refused() {
        let mut switch = Switch::default();
        let id = switch.join();
        assert_eq!(
            switch.handle_bytes(id, &sent(1), 0),
            Err(WireError::Unexpected),
            "frame before hello"
        );
        let hello = bytes(&Message::Hello {
            own_echo: false,
            queue: QueueLen::MIN,
        });
        let id = member(&mut switch, false, 8);
        assert_eq!(
            switch.handle_bytes(id, &hello, 0),
            Err(WireError::Unexpected),
            "second hello"
        );
        let id = member(&mut switch, false, 8);
        assert_eq!(
            switch.handle_bytes(id, &bytes(&Message::Leave), 0),
            Err(WireError::Unexpected)
        );
    }

    #[test]
    fn who_is_done_is_told_when_all_others_have_taken_its_frames() {
        let mut switch = Switch::default();
        let [a, b, c] = core::array::from_fn(|_| member(&mut switch, false, 8));
        switch.handle_bytes(a, &sent(1), 0).unwrap();
        switch.handle_bytes(a, &bytes(&Message::Done), 0).unwrap();
        assert!(!switch.handle_written(b));
        assert_eq!(received(&mut switch, a), []);
        switch.leave(c);
        assert_eq!(received(&mut switch, a), [Message::Passed]);
        assert!(!switch.handle_written(b), "told once");
        assert_eq!(switch.handle_bytes(a, &sent(2), 0), Err(WireError::Unexpected));
        let mut switch = Switch::default();
        let only = member(&mut switch, false, 8);
        switch.handle_bytes(only, &bytes(&Message::Done), 0).unwrap();
        assert_eq!(received(&mut switch, only), [Message::Passed]);
    }

    #[test]
    fn frames_before_a_malformed_one_count() {
        let mut switch = Switch::default();
        let (a, b) = (member(&mut switch, false, 8), member(&mut switch, false, 8));
        let mut input = sent(1);
        input.extend([0xFF; 16]);
        assert_eq!(switch.handle_bytes(a, &input, 0), Err(WireError::Kind(0xFF)));
        assert_eq!(received(&mut switch, b).len(), 1);
    }

    #[test]
    fn who_has_not_said_hello_gets_nothing() {
        let mut switch = Switch::default();
        let (a, silent) = (member(&mut switch, false, 8), switch.join());
        switch.handle_bytes(a, &sent(1), 0).unwrap();
        assert_eq!(received(&mut switch, silent), []);
    }
}
