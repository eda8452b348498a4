//! Patterns with `*` and `?`.

use alloc::vec::Vec;

/// A pattern of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(pub(super) Vec<u8>);

impl Glob {
    /// Whether all of `text` matches. Takes at most the product of both lengths in steps: after a mismatch
    /// only the last star tries again.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let (mut pattern, mut rest) = (self.0.as_slice(), text);
        // What stands behind the last star, and where its match was tried last.
        let mut retry: Option<(&[u8], &[u8])> = None;
        loop {
            match (pattern.split_first(), rest.split_first()) {
                (None, None) => return true,
                (Some((b'*', behind)), _) => {
                    retry = Some((behind, rest));
                    pattern = behind;
                    continue;
                }
                (Some((wanted, behind)), Some((byte, tail))) if *wanted == b'?' || wanted == byte => {
                    (pattern, rest) = (behind, tail);
                    continue;
                }
                _ => {}
            }
            let Some((behind, from)) = retry else {
                return false;
            };
            let Some((_, tail)) = from.split_first() else {
                return false;
            };
            retry = Some((behind, tail));
            (pattern, rest) = (behind, tail);
        }
    }
}
