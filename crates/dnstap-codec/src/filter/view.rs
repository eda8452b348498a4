//! A message as tests see it: its DNS message is read when asked for, once.

use core::cell::OnceCell;
use core::net::IpAddr;

use super::field::{Address, Bytes, Fact, Name, Number};
use crate::dns::{Header, Message as DnsMessage, Name as DnsName, Question};
use crate::message::ip;
use crate::{Dnstap, Message};

pub(super) struct View<'d, 'a> {
    dnstap: &'d Dnstap<'a>,
    header: OnceCell<Option<Header>>,
    question: OnceCell<Option<Question<'a>>>,
}

impl<'d, 'a> View<'d, 'a> {
    pub(super) const fn new(dnstap: &'d Dnstap<'a>) -> Self {
        Self {
            dnstap,
            header: OnceCell::new(),
            question: OnceCell::new(),
        }
    }

    fn message(&self) -> Option<&'d Message<'a>> {
        self.dnstap.message.as_ref()
    }

    fn dns(&self) -> Option<&'a [u8]> {
        self.message()?.dns_message()
    }

    fn header(&self) -> Option<&Header> {
        let read = || Header::decode(self.dns()?).ok();
        self.header.get_or_init(read).as_ref()
    }

    fn question(&self) -> Option<&Question<'a>> {
        let read = || Question::decode(self.dns()?).ok().flatten();
        self.question.get_or_init(read).as_ref()
    }

    pub(super) fn number(&self, field: Number) -> Option<i64> {
        let message = self.message()?;
        Some(match field {
            Number::Kind => i64::from(message.message_type.to_bits()),
            Number::Family => match message.query_ip().or_else(|| message.response_ip()) {
                Some(IpAddr::V4(_)) => 1,
                Some(IpAddr::V6(_)) => 2,
                None => i64::from(message.socket_family?.to_bits()),
            },
            Number::Protocol => i64::from(message.socket_protocol?.to_bits()),
            Number::QueryPort => i64::from(message.query_port?),
            Number::ResponsePort => i64::from(message.response_port?),
            Number::QType => i64::from(self.question()?.qtype.0),
            Number::QClass => i64::from(self.question()?.class),
            Number::Opcode => i64::from(self.header()?.opcode()),
            Number::Rcode => {
                self.header().filter(|header| header.is_response())?;
                i64::from(DnsMessage::decode(self.dns()?).ok()?.rcode().to_bits())
            }
            Number::Id => i64::from(self.header()?.id),
            Number::Size => i64::try_from(self.dns()?.len()).ok()?,
            Number::Latency => message.latency_nanos()?,
            Number::Answers => i64::from(self.header()?.answers),
            Number::Authorities => i64::from(self.header()?.authorities),
            Number::Additionals => i64::from(self.header()?.additionals),
            Number::Policy => i64::from(message.policy?.action?.to_bits()),
        })
    }

    pub(super) fn fact(&self, fact: Fact) -> bool {
        let is_query = self.message().map(|message| message.message_type.is_query());
        match fact {
            Fact::Query => is_query == Some(true),
            Fact::Response => is_query == Some(false),
            Fact::Flag(bit) => self.header().is_some_and(|header| header.flags & bit != 0),
        }
    }

    pub(super) const fn bytes(&self, field: Bytes) -> Option<&'a [u8]> {
        match field {
            Bytes::Identity => self.dnstap.identity,
            Bytes::Version => self.dnstap.version,
        }
    }

    pub(super) fn address(&self, field: Address) -> Option<IpAddr> {
        let message = self.message()?;
        ip(match field {
            Address::Query => message.query_address?,
            Address::Response => message.response_address?,
        })
    }

    pub(super) fn name(&self, field: Name) -> Option<DnsName<'a>> {
        match field {
            Name::QName => self.question().map(|question| question.name),
            Name::Zone => {
                let (name, _) = DnsName::decode(self.message()?.query_zone?, 0).ok()?;
                Some(name)
            }
        }
    }
}
