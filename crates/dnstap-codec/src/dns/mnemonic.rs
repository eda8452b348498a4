//! Names of the numbers in a DNS message (IANA's "Domain Name System (DNS) Parameters").

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// Why a word is none of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no such {what}; expected a name such as {example}, or a number")]
pub struct MnemonicError {
    what: &'static str,
    example: &'static str,
}

/// A number with names for some values.
macro_rules! mnemonics {
    ($(#[$doc:meta])* $name:ident($bits:ty), $what:literal, $prefix:literal, $example:literal {
        $($number:literal $text:literal)*
    }) => {
        impl $name {
            /// Its name; `None` for a number without one here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                Some(match self.0 {
                    $($number => $text,)*
                    _ => return None,
                })
            }
        }

        $(#[$doc])*
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, concat!($prefix, "{}"), self.0),
                }
            }
        }

        /// A name in any letter case, its generic form, or the bare number.
        impl FromStr for $name {
            type Err = MnemonicError;

            fn from_str(word: &str) -> Result<Self, MnemonicError> {
                let names = [$(($number, $text)),*];
                let named = names.iter().find(|(_, name)| name.eq_ignore_ascii_case(word));
                let generic = || {
                    let (prefix, digits) = word.split_at_checked($prefix.len())?;
                    if prefix.eq_ignore_ascii_case($prefix) { digits.parse::<$bits>().ok() } else { None }
                };
                named
                    .map(|(number, _)| *number)
                    .or_else(generic)
                    .or_else(|| word.parse().ok())
                    .map(Self)
                    .ok_or(MnemonicError { what: $what, example: $example })
            }
        }
    };
}

/// A record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QType(pub u16);

mnemonics! {
    /// Its name (`AAAA`), or `TYPE` and the number.
    QType(u16), "record type", "TYPE", "AAAA" {
        1 "A" 2 "NS" 3 "MD" 4 "MF" 5 "CNAME" 6 "SOA" 7 "MB" 8 "MG" 9 "MR" 10 "NULL" 11 "WKS" 12 "PTR"
        13 "HINFO" 14 "MINFO" 15 "MX" 16 "TXT" 17 "RP" 18 "AFSDB" 19 "X25" 20 "ISDN" 21 "RT" 22 "NSAP"
        23 "NSAP-PTR" 24 "SIG" 25 "KEY" 26 "PX" 27 "GPOS" 28 "AAAA" 29 "LOC" 30 "NXT" 31 "EID"
        32 "NIMLOC" 33 "SRV" 34 "ATMA" 35 "NAPTR" 36 "KX" 37 "CERT" 38 "A6" 39 "DNAME" 40 "SINK"
        41 "OPT" 42 "APL" 43 "DS" 44 "SSHFP" 45 "IPSECKEY" 46 "RRSIG" 47 "NSEC" 48 "DNSKEY" 49 "DHCID"
        50 "NSEC3" 51 "NSEC3PARAM" 52 "TLSA" 53 "SMIMEA" 55 "HIP" 56 "NINFO" 57 "RKEY" 58 "TALINK"
        59 "CDS" 60 "CDNSKEY" 61 "OPENPGPKEY" 62 "CSYNC" 63 "ZONEMD" 64 "SVCB" 65 "HTTPS" 99 "SPF"
        100 "UINFO" 101 "UID" 102 "GID" 103 "UNSPEC" 104 "NID" 105 "L32" 106 "L64" 107 "LP" 108 "EUI48"
        109 "EUI64" 249 "TKEY" 250 "TSIG" 251 "IXFR" 252 "AXFR" 253 "MAILB" 254 "MAILA" 255 "ANY"
        256 "URI" 257 "CAA" 258 "AVC" 260 "AMTRELAY" 32768 "TA" 32769 "DLV"
    }
}

/// A class; 1 is the Internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u16);

mnemonics! {
    /// Its name (`IN`), or `CLASS` and the number.
    Class(u16), "class", "CLASS", "IN" {
        1 "IN" 2 "CS" 3 "CH" 4 "HS" 254 "NONE" 255 "ANY"
    }
}

/// A kind of query, 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opcode(pub u8);

mnemonics! {
    /// Its name (`QUERY`), or `OPCODE` and the number.
    Opcode(u8), "opcode", "OPCODE", "QUERY" {
        0 "QUERY" 1 "IQUERY" 2 "STATUS" 4 "NOTIFY" 5 "UPDATE" 6 "DSO"
    }
}

/// A response code: 0 to 15 in a header, up to 4095 with the upper bits of EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rcode(pub(super) u16);

impl Rcode {
    /// The code with this number.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The number.
    #[must_use]
    pub const fn to_bits(self) -> u16 {
        self.0
    }
}

mnemonics! {
    /// Its name (`NOERROR`), or `RCODE` and the number.
    Rcode(u16), "response code", "RCODE", "NXDOMAIN" {
        0 "NOERROR" 1 "FORMERR" 2 "SERVFAIL" 3 "NXDOMAIN" 4 "NOTIMP" 5 "REFUSED" 6 "YXDOMAIN"
        7 "YXRRSET" 8 "NXRRSET" 9 "NOTAUTH" 10 "NOTZONE" 11 "DSOTYPENI" 16 "BADVERS" 17 "BADKEY"
        18 "BADTIME" 19 "BADMODE" 20 "BADNAME" 21 "BADALG" 22 "BADTRUNC" 23 "BADCOOKIE"
    }
}
