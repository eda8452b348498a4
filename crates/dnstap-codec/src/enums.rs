//! The numbers of the schema that have names. Unknown numbers are kept: schemas grow.

use core::fmt;

/// An enumeration in which a number without a name stays a number.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $text:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A number without a name here.
            Unknown(i32),
        }

        impl $name {
            /// The value with the number `bits`; numbers with a name never become [`Unknown`](Self::Unknown).
            #[must_use]
            pub const fn from_bits(bits: i32) -> Self {
                match bits {
                    $($number => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }

            /// The number on the wire.
            #[must_use]
            pub const fn to_bits(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Unknown(bits) => bits,
                }
            }

            /// The name in the schema; `None` for a number without one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)*
                    Self::Unknown(_) => None,
                }
            }
        }

        /// The name in the schema, or the number.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => self.to_bits().fmt(f),
                }
            }
        }
    };
}

open_enum! {
    /// What a dnstap payload holds.
    DnstapType {
        /// A DNS message: the only kind there is.
        Message = 1, "MESSAGE";
    }
}

open_enum! {
    /// Who spoke to whom. Odd numbers are queries, even ones responses.
    MessageType {
        /// An authoritative server got a query.
        AuthQuery = 1, "AUTH_QUERY";
        /// An authoritative server sent a response.
        AuthResponse = 2, "AUTH_RESPONSE";
        /// A resolver sent a query to an authoritative server.
        ResolverQuery = 3, "RESOLVER_QUERY";
        /// A resolver got the response of an authoritative server.
        ResolverResponse = 4, "RESOLVER_RESPONSE";
        /// A resolver got a client's query.
        ClientQuery = 5, "CLIENT_QUERY";
        /// A resolver sent a client its response.
        ClientResponse = 6, "CLIENT_RESPONSE";
        /// A forwarder sent a query upstream.
        ForwarderQuery = 7, "FORWARDER_QUERY";
        /// A forwarder got a response from upstream.
        ForwarderResponse = 8, "FORWARDER_RESPONSE";
        /// A stub resolver sent a query.
        StubQuery = 9, "STUB_QUERY";
        /// A stub resolver got a response.
        StubResponse = 10, "STUB_RESPONSE";
        /// A diagnostic tool sent a query.
        ToolQuery = 11, "TOOL_QUERY";
        /// A diagnostic tool got a response.
        ToolResponse = 12, "TOOL_RESPONSE";
        /// A server got a dynamic update.
        UpdateQuery = 13, "UPDATE_QUERY";
        /// A server answered a dynamic update.
        UpdateResponse = 14, "UPDATE_RESPONSE";
    }
}

impl MessageType {
    /// Two letters, as the dnstap tools print them: `CQ`, `CR`. `None` for a number without a name.
    #[must_use]
    pub const fn mnemonic(self) -> Option<&'static str> {
        Some(match self {
            Self::AuthQuery => "AQ",
            Self::AuthResponse => "AR",
            Self::ResolverQuery => "RQ",
            Self::ResolverResponse => "RR",
            Self::ClientQuery => "CQ",
            Self::ClientResponse => "CR",
            Self::ForwarderQuery => "FQ",
            Self::ForwarderResponse => "FR",
            Self::StubQuery => "SQ",
            Self::StubResponse => "SR",
            Self::ToolQuery => "TQ",
            Self::ToolResponse => "TR",
            Self::UpdateQuery => "UQ",
            Self::UpdateResponse => "UR",
            Self::Unknown(_) => return None,
        })
    }

    /// Whether the message is between a server that tells of it and a client of that server, and not between
    /// the teller and somebody whom it asks.
    #[must_use]
    pub const fn is_of_client(self) -> bool {
        use MessageType::{
            AuthQuery, AuthResponse, ClientQuery, ClientResponse, UpdateQuery, UpdateResponse,
        };
        matches!(
            self,
            AuthQuery | AuthResponse | ClientQuery | ClientResponse | UpdateQuery | UpdateResponse
        )
    }

    /// Whether the number is a query's.
    #[must_use]
    pub const fn is_query(self) -> bool {
        self.to_bits() % 2 == 1
    }
}

open_enum! {
    /// Which Internet protocol carried the message. The length of an address says so more reliably.
    SocketFamily {
        /// IPv4.
        Inet = 1, "INET";
        /// IPv6.
        Inet6 = 2, "INET6";
    }
}

open_enum! {
    /// Which transport carried the message.
    SocketProtocol {
        /// DNS over UDP.
        Udp = 1, "UDP";
        /// DNS over TCP.
        Tcp = 2, "TCP";
        /// DNS over TLS.
        Dot = 3, "DOT";
        /// DNS over HTTPS.
        Doh = 4, "DOH";
        /// `DNSCrypt` over UDP.
        DnsCryptUdp = 5, "DNSCryptUDP";
        /// `DNSCrypt` over TCP.
        DnsCryptTcp = 6, "DNSCryptTCP";
        /// DNS over QUIC.
        Doq = 7, "DOQ";
    }
}

open_enum! {
    /// Which HTTP carried a DNS-over-HTTPS message.
    HttpProtocol {
        /// HTTP/1.
        Http1 = 1, "HTTP1";
        /// HTTP/2.
        Http2 = 2, "HTTP2";
        /// HTTP/3.
        Http3 = 3, "HTTP3";
    }
}

open_enum! {
    /// What a response policy did.
    PolicyAction {
        /// Said that the name does not exist.
        NxDomain = 1, "NXDOMAIN";
        /// Said that there is no such data.
        NoData = 2, "NODATA";
        /// Let the message pass.
        Pass = 3, "PASS";
        /// Dropped the message.
        Drop = 4, "DROP";
        /// Truncated the response, so that the client comes back over TCP.
        Truncate = 5, "TRUNCATE";
        /// Answered with data of its own.
        LocalData = 6, "LOCAL_DATA";
    }
}

open_enum! {
    /// What in a message a response policy went by.
    PolicyMatch {
        /// The name asked for.
        QName = 1, "QNAME";
        /// The client's address.
        ClientIp = 2, "CLIENT_IP";
        /// An address in the response.
        ResponseIp = 3, "RESPONSE_IP";
        /// The name of an authoritative server.
        NsName = 4, "NS_NAME";
        /// The address of an authoritative server.
        NsIp = 5, "NS_IP";
    }
}
