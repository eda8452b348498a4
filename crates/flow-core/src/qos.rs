//! Quality of service: what is asked of a flow, and what it has.
//!
//! A [`QosSpec`] on allocation is a request. A provider states what it can give as another `QosSpec` and
//! [`grant`](QosSpec::grant) compares the two field by field: what cannot be given is refused by name, never
//! pretended, and the flow reports what it *has*, which may be better than what was asked.
//!
//! | field | unit | "anything will do" | asks for |
//! |---|---|---|---|
//! | delay | ms | 2³²-1 | an upper bound of the time a packet takes |
//! | bandwidth | bit/s | 0 | a lower bound |
//! | availability | number of nines | 0 | a lower bound |
//! | loss | 0 or not | 1 | 0: no packet may be lost, hence also none reordered |
//! | ber | 0 or not | 1 | 0: no bit error may pass |
//! | in order | flag | no | packets arrive as they were written |
//! | max gap | ms | 2³²-1 | an upper bound of an interruption |
//! | timeout | ms, 0 = off | 0 | a peer that is gone is noticed within |
//!
//! Fields, units, defaults and presets are those of `qosspec_t` in Ouroboros 0.23. Where the peer gives a raw
//! flow to whoever asks for `loss = 0` alone, here it implies order.

mod text;
mod unit;

use core::fmt;

use thiserror::Error;

pub use text::ParseQosError;
pub use unit::{Bound, Order, PeerTimeout, Tolerance};

/// One field of a [`QosSpec`], as an error names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QosField {
    /// The bound of the delay.
    Delay,
    /// The bandwidth.
    Bandwidth,
    /// The availability.
    Availability,
    /// The tolerance of loss.
    Loss,
    /// The tolerance of bit errors.
    Ber,
    /// The order.
    InOrder,
    /// The bound of an interruption.
    MaxGap,
    /// The peer timeout.
    Timeout,
}

impl fmt::Display for QosField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delay => "delay (ms)",
            Self::Bandwidth => "bandwidth (bit/s)",
            Self::Availability => "availability (nines)",
            Self::Loss => "loss (0: none)",
            Self::Ber => "ber (0: no bit errors)",
            Self::InOrder => "in order",
            Self::MaxGap => "max gap (ms)",
            Self::Timeout => "timeout (ms)",
        })
    }
}

/// What a provider cannot give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cannot give the quality asked: {field} of {asked}, has {has}")]
pub struct QosError {
    /// The first field that fails.
    pub field: QosField,
    /// What was asked, in the field's unit.
    pub asked: u64,
    /// What the provider has.
    pub has: u64,
}

/// What a flow must be, or is.
///
/// Start from a preset and change what differs:
///
/// ```
/// use flow_core::qos::{Bound, QosSpec, Tolerance};
///
/// let qos = QosSpec::RAW.with_ber(Tolerance::NONE).with_delay(Bound::from_millis(20));
/// assert_eq!("raw,ber=0,delay=20".parse(), Ok(qos));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QosSpec {
    delay: Bound,
    bandwidth: u64,
    availability: u8,
    loss: Tolerance,
    ber: Tolerance,
    order: Order,
    max_gap: Bound,
    timeout: PeerTimeout,
}

impl QosSpec {
    /// No wish at all; what an application that says nothing gets.
    pub const RAW: Self = Self {
        delay: Bound::NONE,
        bandwidth: 0,
        availability: 0,
        loss: Tolerance::ANY,
        ber: Tolerance::ANY,
        order: Order::Any,
        max_gap: Bound::NONE,
        timeout: PeerTimeout::DEFAULT,
    };

    /// [`RAW`](Self::RAW) without bit errors.
    pub const RAW_NO_ERRORS: Self = Self::RAW.with_ber(Tolerance::NONE);

    /// Without bit errors, in order.
    pub const BEST_EFFORT: Self = Self::RAW_NO_ERRORS.with_order(Order::Kept);

    /// Pictures: 100 ms, all the bandwidth there is, three nines.
    pub const VIDEO: Self = Self {
        bandwidth: u64::MAX,
        availability: 3,
        ..Self::BEST_EFFORT
    }
    .with_delay(Bound::from_millis(100))
    .with_max_gap(Bound::from_millis(100));

    /// Speech: 50 ms, 100 kbit/s, five nines.
    pub const VOICE: Self = Self {
        bandwidth: 100_000,
        availability: 5,
        ..Self::BEST_EFFORT
    }
    .with_delay(Bound::from_millis(50))
    .with_max_gap(Bound::from_millis(50));

    /// Everything arrives, once, as it was written.
    pub const DATA: Self = Self::BEST_EFFORT
        .with_loss(Tolerance::NONE)
        .with_delay(Bound::from_millis(1_000))
        .with_max_gap(Bound::from_millis(2_000));

    /// What a member of a broadcast layer has: nothing is promised, and nobody looks for anybody.
    pub const BROADCAST: Self = Self {
        loss: Tolerance::from_bits(u32::MAX),
        ber: Tolerance::from_bits(u32::MAX),
        timeout: PeerTimeout::OFF,
        ..Self::RAW
    };

    /// The presets by the names that the peer's tools and [`FromStr`](core::str::FromStr) know.
    pub const PRESETS: [(&'static str, Self); 6] = [
        ("raw", Self::RAW),
        ("raw_no_errors", Self::RAW_NO_ERRORS),
        ("best_effort", Self::BEST_EFFORT),
        ("video", Self::VIDEO),
        ("voice", Self::VOICE),
        ("data", Self::DATA),
    ];

    /// Upper bound of the time a packet takes. Preset raw: none.
    #[must_use]
    pub const fn delay(&self) -> Bound {
        self.delay
    }

    /// Lower bound of the bandwidth in bit/s. Preset raw: 0.
    #[must_use]
    pub const fn bandwidth(&self) -> u64 {
        self.bandwidth
    }

    /// Lower bound of the availability, as a number of nines. Preset raw: 0.
    #[must_use]
    pub const fn availability(&self) -> u8 {
        self.availability
    }

    /// Whether packets may be lost. Preset raw: any.
    #[must_use]
    pub const fn loss(&self) -> Tolerance {
        self.loss
    }

    /// Whether bit errors may pass. Preset raw: any.
    #[must_use]
    pub const fn ber(&self) -> Tolerance {
        self.ber
    }

    /// Whether the order is kept; always, where no packet may be lost. Preset raw: any.
    #[must_use]
    pub const fn order(&self) -> Order {
        if self.loss.is_none() {
            Order::Kept
        } else {
            self.order
        }
    }

    /// Upper bound of an interruption. Preset raw: none.
    #[must_use]
    pub const fn max_gap(&self) -> Bound {
        self.max_gap
    }

    /// Within what time a peer that is gone is noticed. Every preset: 120 s.
    #[must_use]
    pub const fn timeout(&self) -> PeerTimeout {
        self.timeout
    }

    /// Sets the [`delay`](Self::delay).
    #[must_use]
    pub const fn with_delay(self, delay: Bound) -> Self {
        Self { delay, ..self }
    }

    /// Sets the [`bandwidth`](Self::bandwidth), in bit/s.
    #[must_use]
    pub const fn with_bandwidth(self, bandwidth: u64) -> Self {
        Self { bandwidth, ..self }
    }

    /// Sets the [`availability`](Self::availability), as a number of nines.
    #[must_use]
    pub const fn with_availability(self, availability: u8) -> Self {
        Self { availability, ..self }
    }

    /// Sets the tolerance of [`loss`](Self::loss). None implies order.
    #[must_use]
    pub const fn with_loss(self, loss: Tolerance) -> Self {
        Self { loss, ..self }
    }

    /// Sets the tolerance of bit errors, [`ber`](Self::ber).
    #[must_use]
    pub const fn with_ber(self, ber: Tolerance) -> Self {
        Self { ber, ..self }
    }

    /// Sets the [`order`](Self::order).
    #[must_use]
    pub const fn with_order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// Sets the [`max_gap`](Self::max_gap).
    #[must_use]
    pub const fn with_max_gap(self, max_gap: Bound) -> Self {
        Self { max_gap, ..self }
    }

    /// Sets the peer [`timeout`](Self::timeout).
    #[must_use]
    pub const fn with_timeout(self, timeout: PeerTimeout) -> Self {
        Self { timeout, ..self }
    }

    /// What a flow has when a provider that has `self` is asked for `asked`.
    ///
    /// A promise (every field but the timeout) is granted as the provider has it, so it may be better than
    /// asked. The timeout is granted as asked when it is off or no shorter than the provider's. A provider
    /// whose own is off cannot tell whether a peer is gone: it grants off to who asks for the default, which
    /// is to say nothing, and refuses every other.
    ///
    /// # Errors
    ///
    /// [`QosError`] with the first field, in the order of the table above, that the provider cannot give.
    pub fn grant(&self, asked: &Self) -> Result<Self, QosError> {
        let at_most = |field, asked: u64, has: u64| compare(field, asked, has, has <= asked);
        let at_least = |field, asked: u64, has: u64| compare(field, asked, has, has >= asked);
        let tolerance = |tolerance: Tolerance| u64::from(!tolerance.is_none());
        at_most(
            QosField::Delay,
            asked.delay.to_bits().into(),
            self.delay.to_bits().into(),
        )?;
        at_least(QosField::Bandwidth, asked.bandwidth, self.bandwidth)?;
        at_least(
            QosField::Availability,
            asked.availability.into(),
            self.availability.into(),
        )?;
        at_most(QosField::Loss, tolerance(asked.loss), tolerance(self.loss))?;
        at_most(QosField::Ber, tolerance(asked.ber), tolerance(self.ber))?;
        at_least(QosField::InOrder, asked.order() as u64, self.order() as u64)?;
        at_most(
            QosField::MaxGap,
            asked.max_gap.to_bits().into(),
            self.max_gap.to_bits().into(),
        )?;
        let (wanted, own) = (asked.timeout.to_bits(), self.timeout.to_bits());
        let unsaid = own == 0 && asked.timeout == PeerTimeout::DEFAULT;
        let noticed = wanted == 0 || (own != 0 && own <= wanted) || unsaid;
        compare(QosField::Timeout, wanted.into(), own.into(), noticed)?;
        Ok(Self {
            timeout: if unsaid { PeerTimeout::OFF } else { asked.timeout },
            order: self.order(),
            ..*self
        })
    }
}

fn compare(field: QosField, asked: u64, has: u64, granted: bool) -> Result<(), QosError> {
    if granted {
        Ok(())
    } else {
        Err(QosError { field, asked, has })
    }
}

impl Default for QosSpec {
    /// [`RAW`](Self::RAW).
    fn default() -> Self {
        Self::RAW
    }
}

#[cfg(test)]
mod tests;
