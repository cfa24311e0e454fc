//! The state of the channel: messages go in, random values come out.
//!
//! Two kinds (Stone v3): a byte channel over Keccak-256 or BLAKE2s-256, whose state is a digest, and a channel of
//! field elements over Poseidon. Both count the values drawn since the last message.

use ashlar_field::{Felt, NotCanonical, StandardBytes};
use ashlar_hash::{ChannelHash, Digest, blake2s256, keccak256, poseidon};

/// R⁻¹ for the Montgomery radix R = 2²⁵⁶: reads an integer as the Montgomery form of an element.
const RADIX_INVERSE: Felt = match Felt::from_montgomery_limbs([1, 0, 0, 0]) {
    Some(value) => value,
    None => Felt::ZERO,
};

/// A channel state of either kind.
#[derive(Clone, Debug)]
pub(crate) enum Randomness {
    Bytes(ByteChannel),
    Elements(FeltChannel),
}

impl Randomness {
    /// The state that starts from the digest of the statement's seed.
    ///
    /// # Errors
    /// For a Poseidon channel, if the digest is no field element.
    pub(crate) fn new(hash: ChannelHash, seed: Digest) -> Result<Randomness, NotCanonical> {
        Ok(match hash {
            ChannelHash::Keccak256 => Randomness::Bytes(ByteChannel::new(keccak256, seed)),
            ChannelHash::Blake256 => Randomness::Bytes(ByteChannel::new(blake2s256, seed)),
            ChannelHash::Poseidon3 => Randomness::Elements(FeltChannel {
                state: Felt::try_from(StandardBytes(seed.0))?,
                counter: 0,
            }),
        })
    }

    /// Whether messages are field elements.
    pub(crate) fn is_algebraic(&self) -> bool {
        matches!(self, Randomness::Elements(_))
    }

    /// Mixes one message in.
    ///
    /// # Errors
    /// For a Poseidon channel, the first 32-byte word that is no field element; words may not be cut.
    pub(crate) fn absorb(&mut self, message: &[u8]) -> Result<(), NotCanonical> {
        match self {
            Randomness::Bytes(channel) => {
                channel.absorb(message);
                Ok(())
            }
            Randomness::Elements(channel) => channel.absorb(message),
        }
    }

    /// A random field element.
    pub(crate) fn draw_felt(&mut self) -> Felt {
        match self {
            Randomness::Bytes(channel) => channel.draw_felt(),
            Randomness::Elements(channel) => channel.draw_felt(),
        }
    }

    /// A random number below 2^`bits`, `bits` at most 63.
    pub(crate) fn draw_number(&mut self, bits: u32) -> u64 {
        let word = match self {
            Randomness::Bytes(channel) => u64::from_be_bytes(channel.draw_eight()),
            Randomness::Elements(channel) => channel.draw_felt().to_standard_limbs()[0],
        };
        word & ((1 << bits.min(63)) - 1)
    }

    /// The 32 bytes that the proof of work starts from.
    pub(crate) fn state_bytes(&self) -> [u8; 32] {
        match self {
            Randomness::Bytes(channel) => channel.digest.0,
            Randomness::Elements(channel) => StandardBytes::from(channel.state).0,
        }
    }
}

/// State: a digest, a counter, and random bytes left over from a block.
#[derive(Clone, Debug)]
pub(crate) struct ByteChannel {
    hash: fn(&[u8]) -> Digest,
    digest: Digest,
    counter: u64,
    spare: Vec<u8>,
}

impl ByteChannel {
    fn new(hash: fn(&[u8]) -> Digest, digest: Digest) -> ByteChannel {
        ByteChannel { hash, digest, counter: 0, spare: Vec::new() }
    }

    /// digest ← H((digest + 1 mod 2²⁵⁶) ‖ message).
    fn absorb(&mut self, message: &[u8]) {
        let mut input = Vec::with_capacity(32 + message.len());
        input.extend(self.digest.0);
        for byte in input.iter_mut().rev() {
            let (sum, carry) = byte.overflowing_add(1);
            *byte = sum;
            if !carry {
                break;
            }
        }
        input.extend(message);
        self.digest = (self.hash)(&input);
        self.counter = 0;
        self.spare.clear();
    }

    /// H(digest ‖ counter as 32 bytes).
    fn block(&mut self) -> [u8; 32] {
        let mut input = [0; 64];
        input[..32].copy_from_slice(&self.digest.0);
        input[56..].copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        (self.hash)(&input).0
    }

    fn draw_felt(&mut self) -> Felt {
        loop {
            let block = self.block();
            if is_below_31_primes(&block) {
                return Felt::from_bytes_reduced(&block) * RADIX_INVERSE;
            }
        }
    }

    /// Eight bytes: left-over ones if there are enough, else the front of a new block, whose rest is left over.
    fn draw_eight(&mut self) -> [u8; 8] {
        let mut out = [0; 8];
        if self.spare.len() >= 8 {
            out.copy_from_slice(&self.spare[..8]);
            self.spare.drain(..8);
        } else {
            let block = self.block();
            out.copy_from_slice(&block[..8]);
            self.spare.extend(&block[8..]);
        }
        out
    }
}

/// Whether a big-endian integer is below 31·p = 31·2²⁵¹ + 31·17·2¹⁹² + 31, the largest multiple of p below 2²⁵⁶.
fn is_below_31_primes(bytes: &[u8; 32]) -> bool {
    let mut bound = [0u8; 32];
    bound[0] = 31 << 3;
    // 31·17 = 0x20f at bit 192, that is, ending in byte 7.
    bound[6] = 0x02;
    bound[7] = 0x0f;
    bound[31] = 31;
    *bytes < bound
}

/// State: a field element and a counter.
#[derive(Clone, Debug)]
pub(crate) struct FeltChannel {
    state: Felt,
    counter: u64,
}

impl FeltChannel {
    fn absorb(&mut self, message: &[u8]) -> Result<(), NotCanonical> {
        let (words, rest) = message.as_chunks::<32>();
        debug_assert!(rest.is_empty(), "every message of an algebraic channel is a list of words");
        let mut values = Vec::with_capacity(1 + words.len());
        values.push(self.state + Felt::ONE);
        for word in words {
            values.push(Felt::try_from(StandardBytes(*word))?);
        }
        self.state = poseidon::hash_many(&values);
        self.counter = 0;
        Ok(())
    }

    fn draw_felt(&mut self) -> Felt {
        let value = poseidon::hash_pair(self.state, Felt::from_u64(self.counter));
        self.counter = self.counter.wrapping_add(1);
        value
    }
}
