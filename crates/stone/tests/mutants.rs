//! Valid proofs with one thing changed: whatever it is, the verifier rejects it, and does not panic. Here the reference
//! proofs, of `plain` and `small`; every layout is in `layout_mutants.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod mutant;
mod vectors;

use mutant::{Numbers, Parts, mutate, of_another_statement, reject_all, under_other_parameters};

#[test]
fn a_changed_bit_anywhere_in_a_proof_is_rejected() {
    // Two bits of every byte of the quick proof.
    let quick = Parts::quick();
    let mut numbers = Numbers(1);
    let mut bits = Vec::new();
    for byte in 0..quick.proof.len() {
        let bit = numbers.next() % 8;
        bits.extend([(byte, bit), (byte, (bit + 1 + numbers.next() % 7) % 8)]);
    }
    let flip = |parts: &Parts, byte: usize, bit: u64| {
        mutate(parts, format!("bit {bit} of byte {byte} flipped"), |mutant| mutant.proof[byte] ^= 1 << bit)
    };
    let mut rejected = reject_all(bits.into_iter().map(|(byte, bit)| flip(&quick, byte, bit)).collect());
    // A bit of every sixteenth word of every reference proof.
    for parts in Parts::all() {
        let mutants = (0..parts.proof.len() / 512)
            .map(|chunk| flip(&parts, 512 * chunk + numbers.next() as usize % 512, numbers.next() % 8));
        rejected += reject_all(mutants.collect());
    }
    assert!(rejected >= 10_000, "expected at least 10000 mutants, made {rejected}");
}

#[test]
fn a_word_that_is_not_below_the_prime_is_rejected() {
    // p itself, and 2²⁵⁶ − 1.
    let mut prime = [0; 32];
    prime[..8].copy_from_slice(&[0x08, 0, 0, 0, 0, 0, 0, 0x11]);
    prime[31] = 1;
    for parts in Parts::some() {
        let mutants = (0..parts.proof.len() / 32).step_by(41).flat_map(|word| {
            [prime, [0xff; 32]].map(|value| {
                mutate(&parts, format!("word {word} set to {value:02x?}"), |mutant| {
                    mutant.proof[32 * word..32 * word + 32].copy_from_slice(&value);
                })
            })
        });
        reject_all(mutants.collect());
    }
}

#[test]
fn a_second_form_of_the_same_element_is_rejected() {
    // x + p where that still fits in 32 bytes: the same field element, other bytes.
    for parts in Parts::some() {
        let mutants = (0..parts.proof.len() / 32).step_by(43).map(|word| {
            mutate(&parts, format!("p added to word {word}"), |mutant| {
                let bytes = &mut mutant.proof[32 * word..32 * word + 32];
                let mut addend = [0u8; 32];
                addend[..8].copy_from_slice(&[0x08, 0, 0, 0, 0, 0, 0, 0x11]);
                addend[31] = 1;
                let mut carry = 0;
                for (byte, added) in bytes.iter_mut().zip(addend).rev() {
                    let sum = u16::from(*byte) + u16::from(added) + carry;
                    (*byte, carry) = (sum as u8, sum >> 8);
                }
            })
        });
        reject_all(mutants.collect());
    }
}

#[test]
fn a_proof_cut_or_extended_anywhere_is_rejected() {
    for parts in Parts::some() {
        let length = parts.proof.len();
        let cuts = (0..length)
            .step_by(length / 20)
            .chain((length - 33..length).step_by(4))
            .map(|cut| mutate(&parts, format!("cut to {cut} bytes"), |mutant| mutant.proof.truncate(cut)));
        let extensions = [1, 8, 31, 32, 64, 4096].into_iter().flat_map(|more| {
            [0u8, 0xff].map(|byte| {
                mutate(&parts, format!("{more} bytes {byte} appended"), |mutant| {
                    mutant.proof.extend(std::iter::repeat_n(byte, more));
                })
            })
        });
        let doubled = mutate(&parts, "sent twice", |mutant| mutant.proof.extend_from_within(..));
        // A word left out, or put in twice, in the middle.
        let shifts = (1..length / 32).step_by(97).flat_map(|word| {
            let at = 32 * word;
            [
                mutate(&parts, format!("word {word} left out"), |mutant| {
                    drop(mutant.proof.drain(at..at + 32))
                }),
                mutate(&parts, format!("word {word} repeated"), |mutant| {
                    let copy: Vec<u8> = mutant.proof[at..at + 32].to_vec();
                    mutant.proof.splice(at..at, copy);
                }),
            ]
        });
        reject_all(cuts.chain(extensions).chain([doubled]).chain(shifts).collect());
    }
}

#[test]
fn two_words_exchanged_are_rejected() {
    for parts in Parts::some() {
        let words = parts.proof.len() / 32;
        let mutants = (0..words - 1).step_by(61).filter_map(|word| {
            let (a, b) = (32 * word, 32 * word + 32);
            (parts.proof[a..a + 32] != parts.proof[b..b + 32]).then(|| {
                mutate(&parts, format!("words {word} and {} exchanged", word + 1), |mutant| {
                    let (left, right) = mutant.proof.split_at_mut(b);
                    left[a..].swap_with_slice(&mut right[..32]);
                })
            })
        });
        reject_all(mutants.collect());
    }
}

#[test]
fn a_proof_of_another_statement_is_rejected() {
    Parts::some().iter().for_each(|parts| assert!(reject_all(of_another_statement(parts)) > 50));
}

#[test]
fn a_proof_under_other_parameters_is_rejected() {
    Parts::some().iter().for_each(|parts| assert!(reject_all(under_other_parameters(parts)) > 50));
}

#[test]
fn a_proof_replayed_for_another_is_rejected() {
    let all = Parts::all();
    let mut mutants = Vec::new();
    for parts in &all {
        for other in all.iter().filter(|other| other.proof != parts.proof) {
            mutants.push(mutate(parts, format!("the proof of {}", other.name), |mutant| {
                mutant.proof.clone_from(&other.proof);
            }));
        }
    }
    reject_all(mutants);
}

#[test]
fn random_bytes_and_nothing_are_rejected() {
    for parts in Parts::some() {
        let mut numbers = Numbers(7);
        let mut mutants = vec![mutate(&parts, "an empty proof", |mutant| mutant.proof.clear())];
        for value in [0u8, 1, 0xff] {
            mutants.push(mutate(&parts, format!("all bytes {value}"), |mutant| mutant.proof.fill(value)));
        }
        mutants.push(mutate(&parts, "random bytes", |mutant| {
            mutant.proof.iter_mut().for_each(|byte| *byte = numbers.next() as u8);
        }));
        reject_all(mutants);
    }
}

#[test]
fn the_unchanged_proofs_are_accepted() {
    for parts in Parts::all().into_iter().chain([Parts::quick()]) {
        assert!(parts.accepts(), "{}", parts.name);
    }
}
