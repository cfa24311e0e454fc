//! Poseidon over the Stark field: the Hades permutation of width 3 and the hashes built on it.
//!
//! 4 full rounds, 83 partial ones, 4 full ones. A round adds its keys, cubes (all lanes, or lane 2 only in a
//! partial round) and multiplies by the matrix with rows (3, 1, 1), (1, −1, 1), (1, 1, −2). The key of round r,
//! lane j is SHA-256 of the text `Hades` followed by the decimal number 3r + j, read big-endian, modulo p.
//! (Starknet's Poseidon parameters; Stone v3: `poseidon3`.)

use std::sync::LazyLock;

use ashlar_field::Felt;
use sha2::{Digest as _, Sha256};

/// Full rounds before, and again after, the partial ones.
pub(crate) const HALF_FULL_ROUNDS: usize = 4;
/// Rounds that cube lane 2 only.
pub(crate) const PARTIAL_ROUNDS: usize = 83;
/// All rounds.
pub(crate) const ROUNDS: usize = 2 * HALF_FULL_ROUNDS + PARTIAL_ROUNDS;

/// The keys that a round adds, by round and lane.
pub(crate) static ROUND_KEYS: LazyLock<[[Felt; 3]; ROUNDS]> = LazyLock::new(|| {
    std::array::from_fn(|round| {
        std::array::from_fn(|lane| {
            let text = format!("Hades{}", 3 * round + lane);
            Felt::from_bytes_reduced(&Sha256::digest(text.as_bytes()).into())
        })
    })
});

/// The keys that a round adds, by round and lane.
pub fn round_keys() -> &'static [[Felt; 3]] {
    &*ROUND_KEYS
}

fn cube(x: Felt) -> Felt {
    x.square() * x
}

/// Whether a round cubes all three lanes.
fn is_full(round: usize) -> bool {
    !(HALF_FULL_ROUNDS..HALF_FULL_ROUNDS + PARTIAL_ROUNDS).contains(&round)
}

/// The Hades permutation, in place.
pub fn permute(state: &mut [Felt; 3]) {
    for (round, keys) in ROUND_KEYS.iter().enumerate() {
        let [mut a, mut b, mut c] = *state;
        a += keys[0];
        b += keys[1];
        c = cube(c + keys[2]);
        if is_full(round) {
            a = cube(a);
            b = cube(b);
        }
        // The way from one cube of lane 2 to the next is what takes time: only c itself may wait for it.
        let sum = a + b;
        let all = sum + c;
        *state = [all + a.double(), all - b.double(), sum - c.double()];
    }
}

/// The two-to-one form: lane 0 of the permutation of (a, b, 2).
pub fn hash_pair(a: Felt, b: Felt) -> Felt {
    let mut state = [a, b, Felt::from_u64(2)];
    permute(&mut state);
    state[0]
}

/// The sponge of rate 2 over the values, a one, and a zero if that makes the count even: lane 0 of the state.
pub fn hash_many(values: &[Felt]) -> Felt {
    let mut sponge = Sponge::default();
    values.iter().for_each(|&value| sponge.absorb(value));
    sponge.finish()
}

/// The sponge of rate 2, fed one value at a time.
#[derive(Default)]
pub(crate) struct Sponge {
    state: [Felt; 3],
    /// Which of the two rate lanes takes the next value.
    lane: usize,
}

impl Sponge {
    /// Adds the value to the state, and permutes after every second one.
    pub(crate) fn absorb(&mut self, value: Felt) {
        self.state[self.lane] += value;
        if self.lane == 1 {
            permute(&mut self.state);
        }
        self.lane ^= 1;
    }

    /// Pads and squeezes.
    pub(crate) fn finish(mut self) -> Felt {
        self.absorb(Felt::ONE);
        if self.lane == 1 {
            permute(&mut self.state);
        }
        self.state[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn felt(text: &str) -> Felt {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_round_keys_are_the_published_ones() {
        assert_eq!(
            ROUND_KEYS[0][0],
            felt("0x6861759ea556a2339dd92f9562a30b9e58e2ad98109ae4780b7fd8eac77fe6f")
        );
        assert_eq!(
            ROUND_KEYS[0][1],
            felt("0x3827681995d5af9ffc8397a3d00425a3da43f76abf28a64e4ab1a22f27508c4")
        );
    }

    #[test]
    fn the_permutation_of_zeros_is_the_published_one() {
        let mut state = [Felt::ZERO; 3];
        permute(&mut state);
        assert_eq!(
            state,
            [
                felt("3446325744004048536138401612021367625846492093718951375866996507163446763827"),
                felt("1590252087433376791875644726012779423683501236913937337746052470473806035332"),
                felt("867921192302518434283879514999422690776342565400001269945778456016268852423"),
            ]
        );
    }

    #[test]
    fn the_sponge_pads_with_a_one_and_keeps_the_count_even() {
        let [a, b, c] = [3, 5, 7].map(Felt::from_u64);
        let mut state = [a, b, Felt::ZERO];
        permute(&mut state);
        state[0] += c;
        state[1] += Felt::ONE;
        permute(&mut state);
        assert_eq!(hash_many(&[a, b, c]), state[0]);
        let mut state = [a, b, Felt::ZERO];
        permute(&mut state);
        state[0] += Felt::ONE;
        permute(&mut state);
        assert_eq!(hash_many(&[a, b]), state[0]);
        let mut state = [Felt::ONE, Felt::ZERO, Felt::ZERO];
        permute(&mut state);
        assert_eq!(hash_many(&[]), state[0]);
    }
}
