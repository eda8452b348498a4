//! Buses by name, for the whole process.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use std::sync::{Mutex, PoisonError};

use super::VirtualBus;
use super::medium::Medium;

/// Buses that somebody still holds.
static BUSES: Mutex<BTreeMap<String, Weak<Mutex<Medium>>>> = Mutex::new(BTreeMap::new());

/// Finds or makes the bus; entries of buses that nobody holds are swept out.
pub(super) fn named(name: &str) -> VirtualBus {
    let mut buses = BUSES.lock().unwrap_or_else(PoisonError::into_inner);
    buses.retain(|_, bus| bus.strong_count() > 0);
    if let Some(medium) = buses.get(name).and_then(Weak::upgrade) {
        return VirtualBus { medium };
    }
    let bus = VirtualBus::new();
    buses.insert(name.into(), Arc::downgrade(&bus.medium));
    bus
}
