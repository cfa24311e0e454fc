//! Ashlar's kernels beside those of other libraries, in one run and on one thread: Markdown on standard output.
//!
//! | module | what it computes |
//! |---|---|
//! | [`field`] | products, sums, inverses, dot products |
//! | [`transforms`] | number-theoretic transforms |
//! | [`hashes`] | two-to-one hashes and nonces |
//! | [`timing`] | times of several pieces of work in turn |
//! | [`table`] | the times as a table with ratios |

mod field;
mod hashes;
mod table;
mod timing;
mod transforms;

use ashlar_field::Kernels;

fn main() {
    // What is measured is a kernel. Inside a pool of one thread everything runs on the thread that is timed.
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(run),
        Err(error) => eprintln!("cannot make a pool of one thread: {error}"),
    }
}

fn run() {
    println!("{}\n", table::machine(timing::cycle()));
    for table in field::tables().into_iter().chain(transforms::tables()).chain(hashes::tables()) {
        println!("{}", table::markdown(table));
    }
    println!("{}", table::machine(timing::cycle()));
}

/// The families of kernels that this machine runs, without the emulated one, slowest first.
fn families() -> impl Iterator<Item = Kernels> {
    Kernels::supported().into_iter().filter(|&kernels| kernels != Kernels::Portable)
}
