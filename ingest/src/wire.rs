//! A reader of protobuf's wire format that knows where it is.
//!
//! `prost` refuses a whole request for one bad string, and cannot tell which record was at fault; this reader lends out
//! slices, and every [`Fault`] names its byte, counted from the start of the request.

use std::fmt;

/// What is wrong with the bytes, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) byte: usize,
    pub(crate) what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.byte)
    }
}

/// The value of one field, by its wire type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    /// No field we read is one.
    Fixed32,
    Slice(Slice<'a>),
}

/// A length-delimited value: a message, a string or bytes, and where it starts in the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) start: usize,
}

impl<'a> Slice<'a> {
    /// A whole request.
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0 }
    }

    /// Its fields, if it is a message.
    pub(crate) fn fields(self) -> Fields<'a> {
        Fields { slice: self, at: 0 }
    }
}

/// Walks the fields of one message in the order they came.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    slice: Slice<'a>,
    at: usize,
}

/// One field: its number, its value, and where its value starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) number: u32,
    byte: usize,
    field: Field<'a>,
}

impl<'a> Entry<'a> {
    fn wrong_type<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault { byte: self.byte, what })
    }

    pub(crate) fn varint(&self) -> Result<u64, Fault> {
        let Field::Varint(value) = self.field else { return self.wrong_type("a varint field has another wire type") };
        Ok(value)
    }

    pub(crate) fn fixed64(&self) -> Result<u64, Fault> {
        let Field::Fixed64(value) = self.field else { return self.wrong_type("a 64-bit field has another wire type") };
        Ok(value)
    }

    pub(crate) fn slice(&self) -> Result<Slice<'a>, Fault> {
        let Field::Slice(slice) = self.field else {
            return self.wrong_type("a field with a length has another wire type");
        };
        Ok(slice)
    }

    pub(crate) fn text(&self) -> Result<std::borrow::Cow<'a, str>, Fault> {
        Ok(crate::text::from_bytes(self.slice()?.bytes))
    }
}

impl<'a> Fields<'a> {
    /// The next field; `None` at the end of the message.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'a>>, Fault> {
        if self.at == self.slice.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 || number >= 1 << 29 {
            return self.fault(start, "invalid field number");
        }
        let byte = self.slice.start + self.at;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Field::Slice(self.delimited()?),
            5 => self.array::<4>().map(|_| Field::Fixed32)?,
            3 | 4 => return self.fault(start, "groups are not supported"),
            _ => return self.fault(start, "invalid wire type"),
        };
        Ok(Some(Entry { number, byte, field }))
    }

    fn fault<T>(&self, at: usize, what: &'static str) -> Result<T, Fault> {
        Err(Fault { byte: self.slice.start + at, what })
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.slice.bytes.get(self.at) else { return self.fault(start, "varint is cut short") };
            self.at += 1;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        self.fault(start, "varint is longer than 64 bits")
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        match self.slice.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => self.fault(self.at, "fixed-size field is cut short"),
        }
    }

    fn delimited(&mut self) -> Result<Slice<'a>, Fault> {
        let start = self.at;
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        match self.at.checked_add(length).and_then(|end| self.slice.bytes.get(self.at..end)) {
            Some(bytes) => {
                let slice = Slice { bytes, start: self.slice.start + self.at };
                self.at += length;
                Ok(slice)
            }
            None => self.fault(start, "length runs past the end of its message"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let mut fields = Slice { bytes, start: 100 }.fields();
        let mut seen = String::new();
        loop {
            match fields.next() {
                Ok(Some(entry)) => seen += &format!("{}={:?} ", entry.number, short(entry.field)),
                Ok(None) => break,
                Err(fault) => {
                    seen += &fault.to_string();
                    break;
                }
            }
        }
        assert_eq!(seen.trim(), expected);
    }

    fn short(field: Field<'_>) -> String {
        match field {
            Field::Varint(value) => format!("v{value}"),
            Field::Fixed64(value) => format!("q{value}"),
            Field::Fixed32 => "d".to_owned(),
            Field::Slice(slice) => format!("{}@{}", String::from_utf8_lossy(slice.bytes), slice.start),
        }
    }

    #[test]
    fn walks_fields_and_names_the_byte_at_fault() {
        check(&[], "");
        check(&[0x08, 0x96, 0x01, 0x12, 2, b'h', b'i'], r#"1="v150" 2="hi@105""#);
        check(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x15, 2, 0, 0, 0], r#"1="q1" 2="d""#);
        check(&[0x08], "varint is cut short at byte 101");
        check(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], r#"1="v18446744073709551615""#);
        check(
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            "varint is longer than 64 bits at byte 101",
        );
        check(&[0x12, 3, b'h'], "length runs past the end of its message at byte 101");
        check(
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            "length runs past the end of its message at byte 101",
        );
        check(&[0x09, 1], "fixed-size field is cut short at byte 101");
        check(&[0x0b], "groups are not supported at byte 100");
        check(&[0x0f], "invalid wire type at byte 100");
        check(&[0x00, 0x00], "invalid field number at byte 100");
    }
}
