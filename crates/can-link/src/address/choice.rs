//! What a raw socket of the kernel leaves to its user.

/// Whether CAN FD frames pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FdMode {
    /// When the interface carries them: its MTU is at least 72.
    #[default]
    Auto,
    /// Yes; an interface without CAN FD is an error.
    On,
    /// No, classic frames only.
    Off,
}

/// Whether CAN XL frames pass. They bring CAN FD with them: the kernel knows no XL socket without FD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum XlMode {
    /// When the interface carries them (MTU of at least 76), the kernel knows them (6.1), and FD is not off.
    #[default]
    Auto,
    /// Yes; an interface or kernel without CAN XL is an error.
    On,
    /// No.
    Off,
}

/// Whether other sockets of this host receive what a socket sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Loopback {
    /// They do, as is the default of Linux.
    #[default]
    On,
    /// They do not, and neither does the socket itself: there is no own echo then.
    Off,
}

/// What sending does while the controller is off the bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnBusOff {
    /// Fails with [`SendError::BusOff`](crate::SendError::BusOff): frames that wait would be sent stale after
    /// a restart.
    #[default]
    Fail,
    /// Waits for the controller's restart.
    Wait,
}

/// What happens when the interface is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reconnect {
    /// The link waits for an interface of the same name and goes on with it.
    #[default]
    Auto,
    /// The link ends.
    Never,
}
