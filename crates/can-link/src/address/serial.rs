//! Adapters at a serial line.

use alloc::string::String;
use core::fmt;

use super::AddressError;
use super::endpoint::{Endpoint, Form};
use super::query::{Query, QueryText, decimal};

/// Serial speed unless `baud=` tells otherwise.
const DEFAULT_BAUD: u32 = 115_200;
const BAUD: &str = "a serial speed from 300 to 12000000";
/// Bit rates that have an `S` command; 750000 and 800000 share `S7`.
const SLCAN_RATES: [u32; 11] = [
    10_000, 20_000, 50_000, 100_000, 125_000, 250_000, 500_000, 750_000, 800_000, 1_000_000, 83_300,
];

/// Where an slcan adapter is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlcanPort {
    /// A serial device.
    Device(String),
    /// A TCP server.
    Tcp(Endpoint),
}

/// `slcan:/dev/ttyACM0@500000` or `slcan://host:port@500000`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlcanAddress {
    /// Where the adapter is.
    pub port: SlcanPort,
    /// The CAN bit rate behind `@`; without it the adapter keeps its own.
    pub bit_rate: Option<u32>,
    /// `baud=`: the serial line's speed. Default 115200.
    pub baud: u32,
    /// `data_bitrate=`: 2000000 or 5000000, for CAN FD.
    pub data_bit_rate: Option<u32>,
    /// `listen_only=`. Default no.
    pub listen_only: bool,
    /// `btr=`: the bit-timing registers, four hexadecimal digits, in place of a bit rate.
    pub btr: Option<u16>,
    /// `open=`: whether to open the channel. Default yes.
    pub open: bool,
    /// `ack=`: whether each frame waits for the adapter's answer. Default no.
    pub ack: bool,
    /// `timestamp=`: whether the adapter stamps frames. Default no.
    pub timestamp: bool,
}

impl SlcanAddress {
    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        const FORM: Form = Form {
            scheme: "slcan",
            default_port: None,
            example: "slcan:/dev/ttyACM0@500000 or slcan://host:port@500000",
        };
        const KEYS: &[&str] = &[
            "baud",
            "data_bitrate",
            "listen_only",
            "btr",
            "open",
            "ack",
            "timestamp",
        ];
        let (place, bit_rate) = match body.rsplit_once('@') {
            Some((place, rate)) => (place, Some(decimal(rate).ok_or_else(|| FORM.unexpected(rate))?)),
            None => (body, None),
        };
        let port = if place.starts_with("//") {
            SlcanPort::Tcp(FORM.endpoint_alone(place)?)
        } else if place.is_empty() {
            return Err(FORM.missing("device"));
        } else {
            SlcanPort::Device(place.into())
        };
        let query = Query::parse("slcan", query, KEYS)?;
        let btr = query.read("btr", "four hexadecimal digits such as 031C", |text| {
            let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u16::from_str_radix(text, 16).ok())?
        })?;
        if let Some(rate) = bit_rate.filter(|rate| btr.is_none() && !SLCAN_RATES.contains(rate)) {
            return Err(AddressError::SlcanRate { rate });
        }
        let data_rates = [("2000000", 2_000_000), ("5000000", 5_000_000)];
        Ok(Self {
            port,
            bit_rate,
            baud: query
                .number("baud", BAUD, 300..=12_000_000)?
                .unwrap_or(DEFAULT_BAUD),
            data_bit_rate: query.choice("data_bitrate", "2000000 or 5000000", &data_rates)?,
            listen_only: query.flag("listen_only")?.unwrap_or(false),
            btr,
            open: query.flag("open")?.unwrap_or(true),
            ack: query.flag("ack")?.unwrap_or(false),
            timestamp: query.flag("timestamp")?.unwrap_or(false),
        })
    }
}

impl fmt::Display for SlcanAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.port {
            SlcanPort::Device(device) => write!(f, "slcan:{device}")?,
            SlcanPort::Tcp(endpoint) => write!(f, "slcan://{endpoint}")?,
        }
        if let Some(rate) = self.bit_rate {
            write!(f, "@{rate}")?;
        }
        let mut query = QueryText::new(f);
        query.put_unless("baud", self.baud, DEFAULT_BAUD)?;
        query.put_some("data_bitrate", self.data_bit_rate)?;
        query.put_flag("listen_only", self.listen_only, false)?;
        if let Some(btr) = self.btr {
            query.put("btr", format_args!("{btr:04X}"))?;
        }
        query.put_flag("open", self.open, true)?;
        query.put_flag("ack", self.ack, false)?;
        query.put_flag("timestamp", self.timestamp, false)
    }
}

/// `serial:/dev/ttyUSB0`: python-can's binary serial format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SerialAddress {
    /// The serial device.
    pub device: String,
    /// `baud=`: the serial line's speed. Default 115200.
    pub baud: u32,
}

impl SerialAddress {
    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        if body.is_empty() {
            let (scheme, what, example) = ("serial", "device", "serial:/dev/ttyUSB0?baud=115200");
            return Err(AddressError::Missing {
                scheme,
                what,
                example,
            });
        }
        let query = Query::parse("serial", query, &["baud"])?;
        Ok(Self {
            device: body.into(),
            baud: query
                .number("baud", BAUD, 300..=12_000_000)?
                .unwrap_or(DEFAULT_BAUD),
        })
    }
}

impl fmt::Display for SerialAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "serial:{}", self.device)?;
        QueryText::new(f).put_unless("baud", self.baud, DEFAULT_BAUD)
    }
}
