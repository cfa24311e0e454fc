//! Every instance against the meaning of each operation, written out one lane at a time.

use super::*;

/// What a register holds. Inlined, so that it is compiled for the instructions of its caller.
#[inline(always)]
fn stored<L: WordLanes>(l: L, v: L::V) -> [u64; 8] {
    let mut words = [0; 8];
    l.store(v, &mut words);
    words
}

/// Words with interesting bit patterns among random ones.
fn words(seed: u64) -> [u64; 8] {
    const EDGES: [u64; 8] =
        [0, 1, u64::MAX, 1 << 63, (1 << 52) - 1, 1 << 52, 0x0123_4567_89ab_cdef, (1 << 51) + 1];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::array::from_fn(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state.is_multiple_of(3) { EDGES[(state >> 8) as usize % 8] } else { state }
    })
}

fn halves(a: [u64; 8]) -> [u32; 16] {
    std::array::from_fn(|i| (a[i / 2] >> (32 * (i % 2))) as u32)
}

fn joined(a: [u32; 16]) -> [u64; 8] {
    std::array::from_fn(|i| u64::from(a[2 * i]) | u64::from(a[2 * i + 1]) << 32)
}

/// Runs the check on every instance that this processor has.
fn on_every_instance<T: WordTask<Output = ()> + Copy>(task: T) {
    for kernels in Kernels::supported() {
        assert_eq!(dispatch_words(kernels, task).is_ok(), kernels != Kernels::Scalar);
    }
}

/// Runs the check on every instance with field arithmetic that this processor has.
fn on_every_field_instance<T: LaneTask<Output = ()> + Copy>(task: T) {
    for kernels in Kernels::supported() {
        assert_eq!(dispatch(kernels, task).is_ok(), kernels.has_field_vectors());
    }
}

#[test]
fn a_family_without_vectors_gives_the_task_back() {
    #[derive(Debug, PartialEq)]
    struct Name(u32);
    impl LaneTask for Name {
        type Output = ();
        fn run<L: Lanes>(self, _: L) {}
    }
    impl WordTask for Name {
        type Output = ();
        fn run<L: WordLanes>(self, _: L) {}
    }
    assert_eq!(dispatch(Kernels::Scalar, Name(7)), Err(Name(7)));
    assert_eq!(dispatch(Kernels::Avx2, Name(7)), Err(Name(7)));
    assert_eq!(dispatch_words(Kernels::Scalar, Name(7)), Err(Name(7)));
}

#[test]
fn arithmetic_and_logic_on_words_have_their_meaning_in_every_lane() {
    #[derive(Clone, Copy)]
    struct Check;
    impl WordTask for Check {
        type Output = ();
        #[inline(always)]
        fn run<L: WordLanes>(self, l: L) {
            let out = |v: L::V| stored(l, v);
            for round in 0..200 {
                let (x, y, z) = (words(3 * round), words(3 * round + 1), words(3 * round + 2));
                let (a, b, c) = (l.load(&x), l.load(&y), l.load(&z));
                let each = |f: &dyn Fn(u64, u64, u64) -> u64| -> [u64; 8] {
                    std::array::from_fn(|i| f(x[i], y[i], z[i]))
                };
                assert_eq!(out(l.add(a, b)), each(&|x, y, _| x.wrapping_add(y)));
                assert_eq!(out(l.and(a, b)), each(&|x, y, _| x & y));
                assert_eq!(out(l.xor(a, b)), each(&|x, y, _| x ^ y));
                assert_eq!(out(l.not(a)), each(&|x, _, _| !x));
                assert_eq!(out(l.xor3(a, b, c)), each(&|x, y, z| x ^ y ^ z));
                assert_eq!(out(l.chi(a, b, c)), each(&|x, y, z| x ^ (!y & z)));
                assert_eq!(out(l.shift_left::<13>(a)), each(&|x, _, _| x << 13));
                assert_eq!(out(l.rotate_left::<0>(a)), x);
                assert_eq!(out(l.rotate_left::<21>(a)), each(&|x, _, _| x.rotate_left(21)));
                assert_eq!(out(l.swap_bytes(a)), each(&|x, _, _| x.swap_bytes()));
                let below = (0..8).filter(|&i| x[i] < y[i]).fold(0, |mask, i| mask | 1 << i);
                assert_eq!(l.less_than(a, b), below);

                let (s, t) = (halves(x), halves(y));
                let sum = joined(std::array::from_fn(|i| s[i].wrapping_add(t[i])));
                assert_eq!(out(l.add32(a, b)), sum);
                assert_eq!(out(l.rotate_right32::<7>(a)), joined(s.map(|x| x.rotate_right(7))));
                assert_eq!(out(l.rotate_right32::<8>(a)), joined(s.map(|x| x.rotate_right(8))));
                assert_eq!(out(l.rotate_right32::<12>(a)), joined(s.map(|x| x.rotate_right(12))));
                assert_eq!(out(l.rotate_right32::<16>(a)), joined(s.map(|x| x.rotate_right(16))));
                assert_eq!(out(l.swap_bytes32(a)), joined(s.map(u32::swap_bytes)));
            }
            assert_eq!(out(l.splat(5)), [5; 8]);
            assert_eq!(out(l.splat32(9)), joined([9; 16]));
            assert_eq!(out(l.zero()), [0; 8]);
        }
    }
    on_every_instance(Check);
}

#[test]
fn the_operations_of_field_arithmetic_have_their_meaning_in_every_lane() {
    #[derive(Clone, Copy)]
    struct Check;
    impl LaneTask for Check {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, l: L) {
            let out = |v: L::V| stored(l, v);
            const MASK: u64 = (1 << 52) - 1;
            for round in 0..200 {
                let (x, y, z) = (words(3 * round), words(3 * round + 1), words(3 * round + 2));
                let (a, b, c) = (l.load(&x), l.load(&y), l.load(&z));
                let each = |f: &dyn Fn(u64, u64, u64) -> u64| -> [u64; 8] {
                    std::array::from_fn(|i| f(x[i], y[i], z[i]))
                };
                let product = |y: u64, z: u64| u128::from(y & MASK) * u128::from(z & MASK);
                assert_eq!(out(l.sub(a, b)), each(&|x, y, _| x.wrapping_sub(y)));
                let low = each(&|x, y, z| x.wrapping_add(product(y, z) as u64 & MASK));
                assert_eq!(out(l.madd52lo(a, b, c)), low);
                let high = each(&|x, y, z| x.wrapping_add((product(y, z) >> 52) as u64));
                assert_eq!(out(l.madd52hi(a, b, c)), high);
                assert_eq!(out(l.or(a, b)), each(&|x, y, _| x | y));
                assert_eq!(out(l.shift_right::<52>(a)), each(&|x, _, _| x >> 52));
                assert_eq!(out(l.shift_right_signed::<43>(a)), each(&|x, _, _| (x as i64 >> 43) as u64));
                let funnel = each(&|x, y, _| ((u128::from(y) << 64 | u128::from(x)) >> 28) as u64);
                assert_eq!(out(l.funnel_right::<28>(a, b)), funnel);
                let same = (0..8).filter(|&i| x[i] == y[i]).fold(0, |mask, i| mask | 1 << i);
                assert_eq!(l.equal(a, b), same);
                let mask = z[0] as u8;
                let selected: [u64; 8] =
                    std::array::from_fn(|i| if mask >> i & 1 == 1 { x[i] } else { y[i] });
                assert_eq!(out(l.select(mask, a, b)), selected);
                assert_eq!(out(l.permute(a, b)), y.map(|i| x[i as usize % 8]));
                l.prefetch(&x);
            }
        }
    }
    on_every_field_instance(Check);
}

#[test]
fn movements_between_lanes_have_their_meaning() {
    #[derive(Clone, Copy)]
    struct Check;
    impl WordTask for Check {
        type Output = ();
        #[inline(always)]
        fn run<L: WordLanes>(self, l: L) {
            let out = |v: L::V| stored(l, v);
            for round in 0..50 {
                let (x, y, z) = (words(3 * round), words(3 * round + 1), words(3 * round + 2));
                let (a, b, indices) = (l.load(&x), l.load(&y), l.load(&z));
                let pair: Vec<u64> = x.iter().chain(&y).copied().collect();
                assert_eq!(out(l.permute_pair(a, b, indices)), z.map(|i| pair[i as usize % 16]));
                let pair32: Vec<u32> = halves(x).into_iter().chain(halves(y)).collect();
                let want = joined(halves(z).map(|i| pair32[i as usize % 32]));
                assert_eq!(out(l.permute_pair32(a, b, indices)), want);
                let matrix: [[u64; 8]; 8] = std::array::from_fn(|i| words(round * 8 + i as u64));
                let transposed = l.transpose(matrix.map(|row| l.load(&row))).map(out);
                for i in 0..8 {
                    assert_eq!(transposed[i], matrix.map(|row| row[i]));
                }
                let matrix: [[u32; 16]; 16] = std::array::from_fn(|i| halves(words(round * 16 + i as u64)));
                let transposed = l.transpose32(matrix.map(|row| l.load32(&row)));
                for i in 0..16 {
                    let mut row = [0; 16];
                    l.store32(transposed[i], &mut row);
                    assert_eq!(row, matrix.map(|row| row[i]));
                }
                let mut bytes = [0; 64];
                l.store_bytes(a, &mut bytes);
                assert_eq!(bytes.as_chunks::<8>().0, x.map(u64::to_le_bytes));
                assert_eq!(out(l.load_bytes(&bytes)), x);
            }
        }
    }
    on_every_instance(Check);
}
