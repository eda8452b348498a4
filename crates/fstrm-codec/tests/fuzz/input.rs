//! What a fuzzer's bytes mean: numbers, choices, frames.

/// Reads bytes; behind their end there are zeros.
#[derive(Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    /// As many bytes as there are, up to `len`.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A content type, one of few.
    pub(crate) fn name(&mut self) -> &'static [u8] {
        let names: [&[u8]; 4] = [b"a", b"b", b"", &[b'x'; 257]];
        // The last two are seldom.
        names[[0, 0, 0, 1, 1, 1, 2, 3][usize::from(self.byte() % 8)]]
    }

    /// Bytes of a control frame: mostly a sound one.
    pub(crate) fn control(&mut self) -> Vec<u8> {
        let (kind, shape) = (self.byte() % 8, self.byte());
        let mut fields = Vec::new();
        for _ in 0..shape % 4 {
            let name = self.name();
            fields.extend(1_u32.to_be_bytes());
            fields.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
            fields.extend(name);
        }
        if shape >= 0xf0 {
            fields.extend(self.take(usize::from(shape & 15)));
        }
        let mut clen = u32::try_from(4 + fields.len()).unwrap();
        if shape & 0xf8 == 0xe8 {
            clen = [0, 3, 4, 512, 513, 600, u32::MAX, u32::MAX - 3][usize::from(shape & 7)];
        }
        [&[0; 4], &clen.to_be_bytes()[..], &[0, 0, 0, kind], &fields].concat()
    }

    /// Bytes of a data frame: mostly a short and sound one.
    pub(crate) fn data(&mut self) -> Vec<u8> {
        let len = match self.byte() {
            0xff => u32::MAX,
            0xfe => u32::MAX - 3,
            0xfd => 0x0500_0000,
            0xfc => 300,
            len => u32::from(len % 40) + 1,
        };
        let payload = self.take(usize::try_from(len % 41).unwrap());
        let mut frame = len.to_be_bytes().to_vec();
        frame.extend(payload);
        if len <= 300 {
            frame.resize(4 + usize::try_from(len).unwrap(), 7);
        }
        frame
    }
}
