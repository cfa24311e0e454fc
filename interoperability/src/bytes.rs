//! A proof stream as words of 32 bytes, big-endian.

use starknet_crypto::Felt;

/// Bytes of a word.
const WORD: usize = 32;

/// 2^-256 modulo the field's prime: decommitted cells are in the stream times 2^256 (Montgomery form).
const MONTGOMERY_INVERSE: Felt =
    Felt::from_hex_unchecked("0x40000000000001100000000000012100000000000000000000000000000000");

/// The bytes of a proof file's `proof_hex`.
pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").ok_or("proof_hex: expected 0x")?;
    let value = |digit: u8| char::from(digit).to_digit(16).ok_or("proof_hex: expected hexadecimal digits");
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in digits.as_bytes().chunks(2) {
        let [high, low] = pair else { return Err("proof_hex: expected an even number of digits".into()) };
        bytes.push((value(*high)? << 4 | value(*low)?) as u8);
    }
    Ok(bytes)
}

/// A stream that is read word by word.
pub(crate) struct Words<'a> {
    words: std::slice::Chunks<'a, u8>,
}

impl<'a> Words<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Words<'a> {
        Words { words: bytes.chunks(WORD) }
    }

    /// The next word, which must be below the prime.
    pub(crate) fn word(&mut self) -> Result<Felt, String> {
        let bytes = self.words.next().ok_or("the stream ends too early")?;
        let bytes: &[u8; WORD] = bytes.try_into().map_err(|_| "the stream ends inside a word")?;
        let value = Felt::from_bytes_be(bytes);
        if value.to_bytes_be() == *bytes { Ok(value) } else { Err("a word is not below the prime".into()) }
    }

    /// The next `count` words as they are.
    pub(crate) fn words(&mut self, count: usize) -> Result<Vec<Felt>, String> {
        (0..count).map(|_| self.word()).collect()
    }

    /// The next `count` words, which are cells in Montgomery form.
    pub(crate) fn cells(&mut self, count: usize) -> Result<Vec<Felt>, String> {
        (0..count).map(|_| Ok(self.word()? * MONTGOMERY_INVERSE)).collect()
    }

    /// The next word as a number of 64 bits.
    pub(crate) fn number(&mut self) -> Result<u64, String> {
        let bytes = self.word()?.to_bytes_be();
        let (high, low) = bytes.split_at(WORD - 8);
        if high.iter().any(|&byte| byte != 0) {
            return Err("a number has more than 64 bits".into());
        }
        low.try_into().map(u64::from_be_bytes).map_err(|_| "a number of another size".into())
    }

    /// That nothing is left.
    pub(crate) fn end(mut self) -> Result<(), String> {
        if self.words.next().is_none() { Ok(()) } else { Err("the stream goes on after the proof".into()) }
    }
}
