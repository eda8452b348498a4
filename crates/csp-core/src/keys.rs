//! Which keys a packet is sealed and opened with (BET-8).

use crate::seal::Protection;
#[cfg(feature = "legacy-xtea")]
use crate::xtea;
use crate::{Version, XteaFlag, hmac};

/// The keys that a node, an interface, a connection or a socket has of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    pub(crate) hmac: Option<hmac::Key>,
    #[cfg(feature = "legacy-xtea")]
    pub(crate) xtea: Option<xtea::Key>,
}

/// What peers use when no key was set (SEC-5).
static UNSET: hmac::Key = hmac::Key::from_bytes([0; 16]);

impl Keys {
    /// No keys.
    pub(crate) const NONE: Self = Self {
        hmac: None,
        #[cfg(feature = "legacy-xtea")]
        xtea: None,
    };

    /// These keys, and `other`'s where there is none.
    pub(crate) fn or(self, other: &Self) -> Self {
        Self {
            hmac: self.hmac.or_else(|| other.hmac.clone()),
            #[cfg(feature = "legacy-xtea")]
            xtea: self.xtea.or_else(|| other.xtea.clone()),
        }
    }

    /// Protection in `version` with the first key of each kind that one of `owners` has.
    ///
    /// They are a connection or socket, an interface, and the node, in this order.
    pub(crate) fn protection<'a>(
        owners: [&'a Self; 3],
        version: Version,
        xtea_flag: XteaFlag,
    ) -> Protection<'a> {
        let hmac = owners.iter().find_map(|owner| owner.hmac.as_ref());
        let protection = Protection::new(version, hmac.unwrap_or(&UNSET)).xtea_flag(xtea_flag);
        #[cfg(feature = "legacy-xtea")]
        if let Some(xtea) = owners.iter().find_map(|owner| owner.xtea.as_ref()) {
            return protection.xtea(xtea);
        }
        protection
    }
}
