//! Which frames a link passes on, by the addresses of its interface, and how that changes later.

use core::task::{Context, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use can_link::{Filter, FilterSet};
use csp_core::{Address, InterfaceConfig, Subnet, SubnetError, Switch, Version};

use super::CanConfig;
use crate::IdOrder;

/// Tells a [`CanInterface`](super::CanInterface) that its addresses changed.
///
/// The interface belongs to its node by then; this handle stays with whoever changes the addresses there. It
/// may outlive the interface, and then does nothing.
#[derive(Clone, Debug, Default)]
pub struct CanAddresses(Arc<Mutex<Change>>);

#[derive(Debug, Default)]
struct Change {
    next: Option<Addresses>,
    waiting: Option<Waker>,
}

/// What an interface takes from its configuration.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) subnet: Subnet,
    further: Vec<Address>,
}

impl CanAddresses {
    /// Filters by the addresses of `interface` from now on; frames are sent under its address.
    ///
    /// The header version stays. What was received in part under the earlier addresses is still completed.
    ///
    /// # Errors
    /// The address or the netmask does not fit the header version; nothing changes.
    pub fn set(&self, interface: &InterfaceConfig) -> Result<(), SubnetError> {
        let addresses = Addresses::of(interface)?;
        let mut change = self.lock();
        change.next = Some(addresses);
        if let Some(waker) = change.waiting.take() {
            waker.wake();
        }
        Ok(())
    }

    /// The newest addresses that were not taken yet.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Option<Addresses> {
        let mut change = self.lock();
        change.waiting = Some(cx.waker().clone());
        change.next.take()
    }

    fn lock(&self) -> MutexGuard<'_, Change> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Addresses {
    pub(super) fn of(interface: &InterfaceConfig) -> Result<Self, SubnetError> {
        let further = interface.aliases().iter().copied().chain(interface.names());
        Ok(Self {
            subnet: interface.subnet()?,
            further: further.collect(),
        })
    }

    /// Frames for own address, aliases, names given to others, subnet and global broadcast (CAN-8).
    pub(super) fn filters(&self, config: &CanConfig) -> FilterSet {
        if config.promiscuous == Switch::On {
            return FilterSet::any([extended(0, 0)]);
        }
        let subnet = self.subnet;
        let own = [subnet.address(), subnet.broadcast(), subnet.version().broadcast()];
        let mut addresses: Vec<_> = own.iter().chain(&self.further).copied().collect();
        addresses.sort_unstable();
        addresses.dedup();
        let shift = match (subnet.version(), config.id_order) {
            (Version::V1, IdOrder::SourceFirst) => 19,
            (Version::V1, IdOrder::DestinationFirst) => 24,
            (Version::V2, _) => 13,
        };
        let mask = u32::from(subnet.version().broadcast().to_bits()) << shift;
        let filter = |address: Address| extended(u32::from(address.to_bits()) << shift, mask);
        FilterSet::any(addresses.into_iter().map(filter))
    }
}

/// Extended data frames that agree with `bits` under `mask`.
fn extended(bits: u32, mask: u32) -> Filter {
    Filter::masked(can_link::id::extended(bits).into(), mask)
}
