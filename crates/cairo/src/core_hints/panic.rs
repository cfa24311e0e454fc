//! Panic data as people read it.

use ashlar_field::Felt;
use cairo_vm::Felt252;

use crate::convert;

/// Byte arrays and short strings as text, other elements in hexadecimal.
pub(crate) fn panic_text(data: &[Felt252]) -> String {
    /// What precedes a byte array in panic data.
    const BYTE_ARRAY: &str = "0x46a6158a16a947e5916b2a2ca68501a45e93d7110e81aa2d6438b1c57c879a3";
    let data: Vec<Felt> = data.iter().map(convert::felt).collect();
    if let [first, count, rest @ ..] = data.as_slice()
        && first.to_string() == BYTE_ARRAY
        && let Some(count) = count.to_u64().and_then(|count| usize::try_from(count).ok())
        && rest.len() == count.saturating_add(2)
    {
        let pending = rest[count + 1].to_u64().unwrap_or_default().min(31) as usize;
        let mut bytes: Vec<u8> =
            rest[..count].iter().flat_map(|word| big_endian(*word)[1..].to_vec()).collect();
        bytes.extend(&big_endian(rest[count])[32 - pending..]);
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    data.iter().map(|&element| short_string(element)).collect::<Vec<_>>().join(", ")
}

fn big_endian(value: Felt) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(value.to_standard_limbs().into_iter().rev()) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    bytes
}

fn short_string(value: Felt) -> String {
    let bytes = big_endian(value);
    let text: Vec<u8> = bytes.into_iter().skip_while(|&byte| byte == 0).collect();
    match String::from_utf8(text) {
        Ok(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ') => text,
        _ => value.to_string(),
    }
}
