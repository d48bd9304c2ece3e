//! Protocol buffers, written by hand: the parts that all events of a group share are copied as they are.

/// Appends a variable-length integer.
pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field that is a variable-length integer.
pub(crate) fn number(field: u32, value: u64, out: &mut Vec<u8>) {
    varint(u64::from(field << 3), out);
    varint(value, out);
}

/// Appends a field that is a `fixed64`.
pub(crate) fn fixed(field: u32, value: u64, out: &mut Vec<u8>) {
    varint(u64::from(field << 3 | 1), out);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field that is a string, bytes or a message.
pub(crate) fn bytes(field: u32, value: &[u8], out: &mut Vec<u8>) {
    header(field, value.len(), out);
    out.extend_from_slice(value);
}

/// Appends the tag and the length of a field whose `length` bytes the caller appends.
pub(crate) fn header(field: u32, length: usize, out: &mut Vec<u8>) {
    varint(u64::from(field << 3 | 2), out);
    varint(length as u64, out);
}

/// The bytes that [`varint`] appends.
pub(crate) fn varint_length(value: usize) -> usize {
    (value.max(1).ilog2() / 7 + 1) as usize
}

/// A message with a name in field 1 and a value in field 2, as field `field`.
pub(crate) fn tag(field: u32, name: &str, value: &str, out: &mut Vec<u8>) {
    let length = 1 + varint_length(name.len()) + name.len() + 1 + varint_length(value.len()) + value.len();
    header(field, length, out);
    bytes(1, name.as_bytes(), out);
    bytes(2, value.as_bytes(), out);
}

/// OpenTelemetry's `KeyValue` with a string value, as field `field`.
pub(crate) fn attribute(field: u32, key: &str, value: &[u8], out: &mut Vec<u8>) {
    let any = 1 + varint_length(value.len()) + value.len();
    header(field, 1 + varint_length(key.len()) + key.len() + 1 + varint_length(any) + any, out);
    bytes(1, key.as_bytes(), out);
    header(2, any, out);
    bytes(1, value, out);
}
