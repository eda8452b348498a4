//! The schema for prost: another reading of it, to agree with. Enumerations are numbers, as unknown ones
//! survive.

use prost::Message as _;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Dnstap {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub identity: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub version: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub extra: Option<Vec<u8>>,
    #[prost(message, optional, tag = "14")]
    pub message: Option<Message>,
    #[prost(int32, optional, tag = "15")]
    pub r#type: Option<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Message {
    #[prost(int32, optional, tag = "1")]
    pub r#type: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub socket_family: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub socket_protocol: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub query_address: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub response_address: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "6")]
    pub query_port: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    pub response_port: Option<u32>,
    #[prost(uint64, optional, tag = "8")]
    pub query_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "9")]
    pub query_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "10")]
    pub query_message: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "11")]
    pub query_zone: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "12")]
    pub response_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "13")]
    pub response_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "14")]
    pub response_message: Option<Vec<u8>>,
    #[prost(message, optional, tag = "15")]
    pub policy: Option<Policy>,
    #[prost(int32, optional, tag = "16")]
    pub http_protocol: Option<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Policy {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub r#type: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub rule: Option<Vec<u8>>,
    #[prost(int32, optional, tag = "3")]
    pub action: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    pub r#match: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub value: Option<Vec<u8>>,
}

/// What prost reads.
pub(crate) fn decode(bytes: &[u8]) -> Result<Dnstap, prost::DecodeError> {
    Dnstap::decode(bytes)
}

/// What we read, in its words.
#[allow(dead_code, reason = "the benchmark does not ask")]
pub(crate) fn same(dnstap: &dnstap_codec::Dnstap<'_>) -> Dnstap {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    Dnstap {
        identity: owned(dnstap.identity),
        version: owned(dnstap.version),
        extra: owned(dnstap.extra),
        message: dnstap.message.map(|message| Message {
            r#type: Some(message.message_type.to_bits()),
            socket_family: message.socket_family.map(|value| value.to_bits()),
            socket_protocol: message.socket_protocol.map(|value| value.to_bits()),
            query_address: owned(message.query_address),
            response_address: owned(message.response_address),
            query_port: message.query_port,
            response_port: message.response_port,
            query_time_sec: message.query_time_sec,
            query_time_nsec: message.query_time_nsec,
            query_message: owned(message.query_message),
            query_zone: owned(message.query_zone),
            response_time_sec: message.response_time_sec,
            response_time_nsec: message.response_time_nsec,
            response_message: owned(message.response_message),
            policy: message.policy.map(|policy| Policy {
                r#type: owned(policy.policy_type),
                rule: owned(policy.rule),
                action: policy.action.map(|value| value.to_bits()),
                r#match: policy.matched.map(|value| value.to_bits()),
                value: owned(policy.value),
            }),
            http_protocol: message.http_protocol.map(|value| value.to_bits()),
        }),
        r#type: Some(dnstap.dnstap_type.to_bits()),
    }
}
