//! `fstrm:ENDPOINT?type=TYPE`.

use core::str::FromStr;

use fstrm_codec::ContentType;
use fstrm_codec::endpoint::Endpoint;

use crate::address::ParseAddressError;

const EXAMPLE: &str = "fstrm:unix:/run/x.sock?type=log";

/// An endpoint, and the content type of what goes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FstrmAddress {
    endpoint: Endpoint,
    content_type: ContentType,
}

impl FstrmAddress {
    /// Where the stream goes, or is waited for.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The content type.
    #[must_use]
    pub const fn content_type(&self) -> &ContentType {
        &self.content_type
    }
}

impl FromStr for FstrmAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let address: crate::Address = text.parse()?;
        address.expect("fstrm", &["type"], "type")?;
        let endpoint = address.target().parse().map_err(|_| ParseAddressError::Value {
            what: "endpoint (unix:PATH, tcp://HOST:PORT, tls://HOST:PORT)",
            value: address.target().into(),
            example: EXAMPLE,
        })?;
        let name = address.value("type").ok_or(ParseAddressError::Missing {
            key: "type",
            example: EXAMPLE,
        })?;
        let content_type =
            ContentType::new(name.as_bytes().to_vec()).ok_or_else(|| ParseAddressError::Value {
                what: "content type (at most 256 bytes)",
                value: name.into(),
                example: EXAMPLE,
            })?;
        Ok(Self {
            endpoint,
            content_type,
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn endpoint_and_type_are_told_apart_and_each_wrong_part_is_named() {
        let parsed: FstrmAddress = "fstrm:tcp://[::1]:6000?type=protobuf:dnstap.Dnstap"
            .parse()
            .unwrap();
        assert_eq!(parsed.endpoint().to_string(), "tcp://[::1]:6000");
        assert_eq!(parsed.content_type().as_bytes(), b"protobuf:dnstap.Dnstap");
        for (text, said) in [
            (
                "fstrm:unix:/run/x.sock",
                "no \"type\"; for example fstrm:unix:/run/x.sock?type=log",
            ),
            (
                "fstrm:udp:x?type=a",
                "\"udp:x\" is no endpoint (unix:PATH, tcp://HOST:PORT, tls://HOST:PORT); for example \
                 fstrm:unix:/run/x.sock?type=log",
            ),
            ("fstrm:unix:/x?type=a&b=c", "unknown key \"b\"; known: type"),
        ] {
            assert_eq!(text.parse::<FstrmAddress>().unwrap_err().to_string(), said);
        }
    }
}
