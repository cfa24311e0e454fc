use std::sync::atomic::{AtomicBool, AtomicU64};

use super::*;

const STATE: [u8; 32] = [0x5a; 32];

fn find(hash: ProofOfWorkHash, bits: u32, kernels: Kernels) -> Option<u64> {
    find_nonce(hash, &STATE, bits, kernels, &|| false, &|_| ())
}

#[test]
fn the_smallest_nonce_is_found_on_all_kernels_and_any_number_of_threads() {
    for hash in ProofOfWorkHash::ALL {
        for bits in [0, 1, 7, 12, 16] {
            let smallest = (0..).find(|&nonce| verify_nonce(hash, &STATE, bits, nonce));
            for kernels in Kernels::supported() {
                for threads in [1, 2, 5] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    assert_eq!(
                        pool.install(|| find(hash, bits, kernels)),
                        smallest,
                        "{hash} {bits} {kernels}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_puzzle_is_the_one_of_the_protocol() {
    let mut message = vec![0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xed];
    message.extend(STATE);
    message.push(9);
    let mut candidate = keccak256(&message).0.to_vec();
    let nonce = find(ProofOfWorkHash::Keccak256, 9, Kernels::Scalar).unwrap();
    candidate.extend(nonce.to_be_bytes());
    let digest = keccak256(&candidate).0;
    assert_eq!((digest[0], digest[1] & 0x80), (0, 0));
}

#[test]
fn a_nonce_of_another_state_or_more_bits_is_rejected() {
    let hash = ProofOfWorkHash::Blake256;
    let nonce = find(hash, 12, Kernels::Scalar).unwrap();
    assert!(verify_nonce(hash, &STATE, 12, nonce));
    assert!(!verify_nonce(hash, &[0; 32], 12, nonce));
    assert!(!verify_nonce(hash, &STATE, 40, nonce));
    assert!(!verify_nonce(ProofOfWorkHash::Keccak256, &STATE, 12, nonce));
}

#[test]
fn the_extremes_of_the_bit_count_do_not_overflow() {
    for hash in ProofOfWorkHash::ALL {
        assert!(verify_nonce(hash, &STATE, 0, u64::MAX));
        assert!(!verify_nonce(hash, &STATE, 64, u64::MAX));
        assert!(!verify_nonce(hash, &STATE, 65, 0));
        assert!(!verify_nonce(hash, &STATE, u32::MAX, 0));
        assert_eq!(find(hash, 65, Kernels::Scalar), None);
    }
}

#[test]
fn a_cancelled_search_ends_without_a_nonce() {
    let cancelled = AtomicBool::new(false);
    let last = AtomicU64::new(0);
    let found = find_nonce(
        ProofOfWorkHash::Keccak256,
        &STATE,
        64,
        Kernels::fastest(),
        &|| cancelled.load(Ordering::Relaxed),
        &|tried| {
            last.fetch_max(tried, Ordering::Relaxed);
            cancelled.store(tried >= 2 * BLOCK, Ordering::Relaxed);
        },
    );
    assert_eq!(found, None);
    assert!(last.into_inner() >= 2 * BLOCK);
}
