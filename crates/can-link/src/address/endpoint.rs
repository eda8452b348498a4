//! `//host:port`.

use alloc::string::String;
use core::fmt;

use super::AddressError;
use super::query::decimal;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The port, not 0.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What a scheme needs behind its colon.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) scheme: &'static str,
    pub(super) default_port: Option<u16>,
    pub(super) example: &'static str,
}

impl Form {
    pub(super) const fn missing(&self, what: &'static str) -> AddressError {
        let (scheme, example) = (self.scheme, self.example);
        AddressError::Missing {
            scheme,
            what,
            example,
        }
    }

    pub(super) fn unexpected(&self, what: impl Into<String>) -> AddressError {
        let (scheme, example, what) = (self.scheme, self.example, what.into());
        AddressError::Unexpected {
            scheme,
            what,
            example,
        }
    }

    /// `//host[:port]` and what follows the first slash behind it.
    pub(super) fn endpoint<'a>(&self, body: &'a str) -> Result<(Endpoint, Option<&'a str>), AddressError> {
        let authority = body
            .strip_prefix("//")
            .ok_or_else(|| self.missing("// before the host"))?;
        let (authority, path) = match authority.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (authority, None),
        };
        Ok((self.host_and_port(authority)?, path))
    }

    /// `//host[:port]` and nothing behind it.
    pub(super) fn endpoint_alone(&self, body: &str) -> Result<Endpoint, AddressError> {
        match self.endpoint(body)? {
            (endpoint, None | Some("")) => Ok(endpoint),
            (_, Some(path)) => Err(self.unexpected(path)),
        }
    }

    pub(super) fn host_and_port(&self, text: &str) -> Result<Endpoint, AddressError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(v6) => {
                let (host, rest) = v6.split_once(']').ok_or_else(|| self.unexpected(text))?;
                match rest.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if rest.is_empty() => (host, None),
                    None => return Err(self.unexpected(rest)),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err(self.missing("host"));
        }
        let port = match port {
            None | Some("") => self.default_port.ok_or_else(|| self.missing("port"))?,
            Some(port) => parse_port(port)?,
        };
        Ok(Endpoint {
            host: host.into(),
            port,
        })
    }
}

pub(super) fn parse_port(text: &str) -> Result<u16, AddressError> {
    decimal(text)
        .filter(|port| *port != 0)
        .ok_or_else(|| AddressError::Port { port: text.into() })
}
