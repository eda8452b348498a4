//! How a CAN link serves a node.

use core::time::Duration;

use csp_core::Switch;

use crate::{IdOrder, ReassemblyConfig};

/// How a CAN link serves a node.
#[derive(Clone, Copy, Debug)]
pub struct CanConfig {
    pub(super) promiscuous: Switch,
    pub(super) id_order: IdOrder,
    pub(super) reassembly: ReassemblyConfig,
    pub(super) send_timeout: Duration,
}

impl CanConfig {
    /// Whether frames for other addresses are taken too.
    ///
    /// A router between networks needs that with CFP 2, which does not carry the next hop (CAN-9), and so
    /// does whoever shares a CFP 1 bus with nodes of csp-py ([`id_order`](Self::id_order)). Default off: the
    /// link filters by the interface's addresses.
    #[must_use]
    pub const fn promiscuous(mut self, promiscuous: Switch) -> Self {
        self.promiscuous = promiscuous;
        self
    }

    /// Where source and destination stand in CFP 1 identifiers; CFP 2 is not affected.
    ///
    /// Default: as libcsp. Nodes of csp-py send them the other way round, and receive both, for they filter
    /// nothing and believe the header inside. To talk with them and with nodes of libcsp keep the default and
    /// be [`promiscuous`](Self::promiscuous), so that no filter goes by the identifier. The other order is
    /// for a bus of csp-py alone, or one whose nodes filter by it.
    #[doc(alias = "cfp1_swapped_ids")]
    #[must_use]
    pub const fn id_order(mut self, order: IdOrder) -> Self {
        self.id_order = order;
        self
    }

    /// How long a link may take no frame of a packet.
    ///
    /// Then the rest of the packet is given up, counted, and the next one tried (CAN-5). Default 1 s, as
    /// libcsp. A link may have a shorter limit of its own.
    #[must_use]
    pub const fn send_timeout(mut self, timeout: Duration) -> Self {
        self.send_timeout = timeout;
        self
    }

    /// Limits of the packets in the making. Default: those of [`ReassemblyConfig`].
    #[must_use]
    pub const fn reassembly(mut self, reassembly: ReassemblyConfig) -> Self {
        self.reassembly = reassembly;
        self
    }
}

impl Default for CanConfig {
    fn default() -> Self {
        Self {
            promiscuous: Switch::Off,
            id_order: IdOrder::default(),
            reassembly: ReassemblyConfig::default(),
            send_timeout: Duration::from_secs(1),
        }
    }
}
