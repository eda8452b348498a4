//! What stands in for the screen where the program was built without one.

use std::io;

use super::figures::Figures;
use crate::stop::Stop;

/// What comes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    End,
}

/// There is none.
#[derive(Debug)]
pub(super) enum Screen {}

#[expect(clippy::needless_pass_by_ref_mut, reason = "a screen is changed")]
impl Screen {
    #[expect(clippy::unnecessary_wraps, reason = "a screen may fail to open")]
    pub(super) const fn open(_: &Stop) -> io::Result<Option<Self>> {
        Ok(None)
    }

    pub(super) async fn key(_: &mut Option<Self>) -> Self {
        core::future::pending().await
    }

    pub(super) fn press(&mut self, key: Self) -> io::Result<Next> {
        match key {}
    }

    pub(super) fn remark(&mut self, _: String) {
        match *self {}
    }

    pub(super) fn show(&mut self, _: Figures) -> io::Result<()> {
        match *self {}
    }
}
