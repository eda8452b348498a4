//! A link that is nothing but its two halves.

/// Makes `$whole`, which has its halves in the fields `rx` and `tx`, a [`CanLink`](crate::link::CanLink).
macro_rules! whole_link {
    ($whole:ty) => {
        impl $crate::link::CanRx for $whole {
            fn poll_recv(
                &mut self,
                cx: &mut core::task::Context<'_>,
                out: &mut $crate::link::EventBuf,
                max: usize,
            ) -> core::task::Poll<Result<usize, $crate::link::LinkError>> {
                self.rx.poll_recv(cx, out, max)
            }

            fn set_filters(
                &mut self,
                filters: &$crate::filter::FilterSet,
            ) -> Result<$crate::link::FilterPlace, $crate::link::LinkError> {
                self.rx.set_filters(filters)
            }

            fn capabilities(&self) -> $crate::link::Capabilities {
                self.rx.capabilities()
            }
        }

        impl $crate::link::CanTx for $whole {
            fn poll_send(
                &mut self,
                cx: &mut core::task::Context<'_>,
                frames: &[$crate::frame::CanFrame],
            ) -> core::task::Poll<Result<usize, $crate::link::SendError>> {
                self.tx.poll_send(cx, frames)
            }

            fn poll_flush(
                &mut self,
                cx: &mut core::task::Context<'_>,
            ) -> core::task::Poll<Result<(), $crate::link::SendError>> {
                self.tx.poll_flush(cx)
            }

            fn poll_close(
                &mut self,
                cx: &mut core::task::Context<'_>,
            ) -> core::task::Poll<Result<(), $crate::link::SendError>> {
                self.tx.poll_close(cx)
            }
        }
    };
}

pub(crate) use whole_link;
