//! No layer of any tile overflows, whatever the values and the coset are.

use ashlar_field::Group;
use ashlar_field::lanes::intervals::{Overflow, any_group, any_multiplier, any_reduced_group, prove};

use rayon::prelude::*;

use super::{row::*, tile::*, *};
use crate::strided::{Tile, tiles};

/// The twiddles of a transform on any coset.
fn any_twiddles(log: u32, with_tail: bool, direction: Direction) -> Result<Twiddles, Overflow> {
    let scales = vec![any_multiplier(); log as usize];
    let (layers, tails) = if with_tail { (log - 3, (1 << log) / 64) } else { (log, 0) };
    let mut twiddles = Twiddles::default();
    twiddles.broadcast.resize(layer_start(layers), Low52Group::ZERO);
    twiddles.tail.resize(7 * tails, Low52Group::ZERO);
    prove(Prepare { roots: roots(direction), scales: &scales, layers, twiddles: &mut twiddles })?;
    Ok(twiddles)
}

/// Rows of every size, on values as they are at the start and as another pass leaves them.
#[test]
fn no_row_overflows() {
    for log in 6..=MAX_TILE_LOG {
        let forward = any_twiddles(log, true, Direction::Forward).expect("no overflow in the twiddles");
        let backward = any_twiddles(log, true, Direction::Backward).expect("no overflow in the twiddles");
        for values in [any_group(), any_reduced_group()] {
            let mut scratch = vec![LazyGroup::ZERO; 1 << (log - 3)];
            let scratch = scratch.as_mut_slice();
            let groups = &mut vec![values; 1 << (log - 3)];
            assert_eq!(prove(ForwardRow { groups, twiddles: &forward, scratch }), Ok(()), "2^{log}");
            for divide in [None, Some(log), Some(52)] {
                let groups = &mut vec![values; 1 << (log - 3)];
                let task = BackwardRow { groups, twiddles: &backward, divide, scratch };
                assert_eq!(prove(task), Ok(()), "2^{log}");
            }
        }
    }
}

#[test]
fn no_strided_tile_overflows() {
    for log in 1..=MAX_TILE_LOG {
        let rows = 1 << log;
        let shape = Shape::new(rows);
        let mut scratch = Vec::new();
        shape.grow(&mut scratch);
        // What the intervals stand for is known to the thread that made them, so tiles are not sent to others.
        let tile_of = |groups: &mut [Group], check: &mut dyn FnMut(Tile<'_>)| {
            let mut tiles: Vec<Tile<'_>> = tiles(groups, rows).collect();
            check(tiles.remove(0));
        };
        let forward = any_twiddles(log, false, Direction::Forward).expect("no overflow in the twiddles");
        let backward = any_twiddles(log, false, Direction::Backward).expect("no overflow in the twiddles");
        for value in [any_group(), any_reduced_group()] {
            let source = vec![value; rows];
            for source in [None, Some(source.as_slice())] {
                tile_of(&mut vec![value; rows], &mut |mut tile| {
                    let (tile, twiddles, scratch) = (&mut tile, &forward, scratch.as_mut_slice());
                    let streams = source.is_some();
                    let task = ForwardTile { tile, rows, source, twiddles, shape, scratch, streams };
                    assert_eq!(prove(task), Ok(()), "2^{log}");
                });
            }
            for divide in [None, Some(3 * log), Some(52)] {
                tile_of(&mut vec![value; rows], &mut |mut tile| {
                    let (tile, twiddles, scratch) = (&mut tile, &backward, scratch.as_mut_slice());
                    let task = BackwardTile { tile, rows, twiddles, divide, shape, scratch };
                    assert_eq!(prove(task), Ok(()), "2^{log}");
                });
            }
        }
    }
}

#[test]
fn a_longer_chain_of_layers_than_a_tile_has_is_reported() {
    struct Chain(usize);
    impl LaneTask for Chain {
        type Output = ();
        fn run<L: Lanes>(self, l: L) {
            let w = any_multiplier().splat(l);
            let mut pair = [Stored::load(l, &any_reduced_group()).to_lazy(l).bias(l, 16); 2];
            for _ in 0..self.0 {
                let (a, b) = forward_butterfly(l, pair[0], pair[1], w);
                // Either output may be either input of the next layer; this way values fall the fastest.
                forward_butterfly(l, a, b, w);
                pair = [b, a];
            }
            pair[0].canonical(l);
        }
    }
    assert_eq!(prove(Chain(MAX_TILE_LOG as usize)), Ok(()));
    assert!(prove(Chain(30)).is_err());
}
