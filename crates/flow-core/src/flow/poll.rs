//! A flow for who polls it himself: the façade for threads.

use alloc::string::String;
use core::task::{Context, Poll};

use bytes::Bytes;

use super::{Flow, LineOut};
use crate::error::{ReadError, ReadLineError, WriteError, WriteLineError};

impl Flow {
    pub(crate) fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, ReadError>> {
        self.reader.poll_read(Some(cx), buffer)
    }

    pub(crate) fn poll_read_line(&mut self, cx: &Context<'_>) -> Poll<Result<String, ReadLineError>> {
        self.reader.poll_line(Some(cx))
    }

    pub(crate) fn poll_write(&mut self, cx: &Context<'_>, packet: &Bytes) -> Poll<Result<(), WriteError>> {
        self.writer.poll_in_turn(Some(cx), packet)
    }

    pub(crate) fn line(&self, text: &str) -> Result<LineOut, WriteLineError> {
        self.writer.line(text)
    }

    pub(crate) fn poll_write_line(
        &mut self,
        cx: &Context<'_>,
        line: &mut LineOut,
    ) -> Poll<Result<(), WriteError>> {
        self.writer.poll_line(Some(cx), line)
    }
}
