//! The memory pool: every access of the run as a cell (address, value), in the order of the trace and sorted.
//!
//! Addresses must be contiguous and single-valued: cells that nobody writes take the addresses nobody uses, with
//! value 0, then repeat the address after the last. Public memory occupies cells that the trace shows as (0, 0).

use ashlar_field::Felt;
use rayon::prelude::*;

use super::{
    columns::Columns,
    error::{Place, Pool, TraceError},
    value_pool::PoolCells,
};
use crate::{
    input::{Memory, PublicMemoryCell},
    layout::{LayoutError, VirtualColumn},
};

/// A cell that nobody wrote. An access of this address is refused: no trace is that long.
const UNWRITTEN: u64 = u64::MAX;

/// A value that a builtin or the public memory states, rather than the run's memory.
struct StatedValue {
    address: u64,
    value: Felt,
    place: Place,
}

/// The pool under construction.
pub(super) struct MemoryPool {
    pool: VirtualColumn,
    addresses: Vec<u64>,
    stated: Vec<StatedValue>,
    /// Virtual columns whose cells hold what the run's memory says, with their number of cells.
    reads: Vec<(PoolCells, usize)>,
    public: PoolCells,
}

/// The pool with every cell filled. Addresses are relative to the lowest.
pub(super) struct FilledMemory {
    pool: VirtualColumn,
    /// The lowest address.
    lowest: u64,
    /// Relative address by position.
    pub(super) cells: Vec<u32>,
    /// Relative addresses in ascending order.
    pub(super) sorted: Vec<u32>,
    /// Value by relative address.
    pub(super) values: Vec<Felt>,
    /// The cells of the public memory.
    pub(super) public: PoolCells,
}

impl MemoryPool {
    /// A pool of `length` unwritten cells; `public` is the virtual column of public addresses.
    pub(super) fn new(
        pool: VirtualColumn,
        public: VirtualColumn,
        length: usize,
    ) -> Result<MemoryPool, LayoutError> {
        let public = PoolCells::new(public, pool, length)?;
        Ok(MemoryPool {
            pool,
            addresses: vec![UNWRITTEN; length],
            stated: Vec::new(),
            reads: Vec::new(),
            public,
        })
    }

    /// The positions of a virtual column's cells.
    pub(super) fn cells_of(&self, column: VirtualColumn) -> Result<PoolCells, LayoutError> {
        PoolCells::new(column, self.pool, self.addresses.len())
    }

    /// Writes the cells of a virtual column that read the run's memory.
    pub(super) fn read(&mut self, cells: PoolCells, addresses: impl ExactSizeIterator<Item = u64>) {
        self.reads.push((cells, addresses.len()));
        for (index, address) in addresses.enumerate() {
            self.addresses[cells.position(index)] = address;
        }
    }

    /// Writes a cell whose value is stated.
    pub(super) fn state(&mut self, position: usize, address: u64, value: Felt, place: Place) {
        self.addresses[position] = address;
        self.stated.push(StatedValue { address, value, place });
    }

    /// Writes the public memory; cells to spare repeat its first entry.
    pub(super) fn state_public(&mut self, cells: &[PublicMemoryCell]) {
        let Some(&padding) = cells.first() else { return };
        let padded = cells.iter().copied().chain(std::iter::repeat(padding)).take(self.public.count());
        for (index, cell) in padded.enumerate() {
            self.addresses[self.public.position(index)] = cell.address;
        }
        let stated = cells.iter().map(|cell| StatedValue {
            address: cell.address,
            value: cell.value,
            place: Place::PublicMemory,
        });
        self.stated.extend(stated);
    }

    /// Fills the unwritten cells and finds every address its one value.
    pub(super) fn fill(self, memory: &Memory) -> Result<FilledMemory, TraceError> {
        let written = || self.addresses.iter().copied().filter(|&address| address != UNWRITTEN);
        let reads =
            self.reads.iter().flat_map(|&(cells, count)| (0..count).map(move |index| cells.position(index)));
        let read_last = reads.into_iter().any(|position| self.addresses[position] == UNWRITTEN);
        if read_last || self.stated.iter().any(|cell| cell.address == UNWRITTEN) {
            let free = self.addresses.len() as u64;
            return Err(TraceError::HolesDoNotFit { pool: Pool::Memory, holes: u64::MAX - free, free });
        }
        let (lowest, highest) =
            written().fold((u64::MAX, 0), |(low, high), address| (low.min(address), high.max(address)));
        if lowest != 1 {
            return Err(TraceError::LowestAddress { got: lowest });
        }
        let used = written().count() as u64;
        let free = self.addresses.len() as u64 - used;
        // Every address from 1 to the highest needs a cell.
        if highest > self.addresses.len() as u64 {
            return Err(TraceError::HolesDoNotFit {
                pool: Pool::Memory,
                holes: highest - used.min(highest),
                free,
            });
        }
        let range = highest as usize;
        let relative = |address: u64| (address - lowest) as usize;

        let mut counts = vec![0u32; range + 1];
        written().for_each(|address| counts[relative(address)] += 1);
        let holes = counts[..range].iter().filter(|&&count| count == 0).count() as u64;
        if holes > free {
            return Err(TraceError::HolesDoNotFit { pool: Pool::Memory, holes, free });
        }
        let values = self.values(memory, range, relative)?;

        let missing: Vec<u32> = (0..range as u32).filter(|&address| counts[address as usize] == 0).collect();
        let mut fillers = missing.into_iter();
        let cells = self.addresses.iter().map(|&address| {
            if address != UNWRITTEN {
                return relative(address) as u32;
            }
            let filler = fillers.next().unwrap_or(range as u32);
            counts[filler as usize] += 1;
            filler
        });
        let cells: Vec<u32> = cells.collect();
        let mut sorted = Vec::with_capacity(cells.len());
        for (address, &count) in (0u32..).zip(&counts) {
            sorted.resize(sorted.len() + count as usize, address);
        }
        Ok(FilledMemory { pool: self.pool, lowest, cells, sorted, values, public: self.public })
    }

    /// The value of every relative address up to the one after the last; unknown ones are zero.
    fn values(
        &self,
        memory: &Memory,
        range: usize,
        relative: impl Fn(u64) -> usize,
    ) -> Result<Vec<Felt>, TraceError> {
        let mut values = vec![Felt::ZERO; range + 1];
        let mut known = vec![false; range + 1];
        for &(cells, count) in &self.reads {
            for index in 0..count {
                let address = self.addresses[cells.position(index)];
                let at = relative(address);
                if let (false, Some(value)) = (known[at], memory.get(address)) {
                    values[at] = value;
                    known[at] = true;
                }
            }
        }
        for &StatedValue { address, value, place } in &self.stated {
            let at = relative(address);
            if known[at] && values[at] != value {
                return Err(TraceError::MemoryConflict { address, place, expected: values[at], got: value });
            }
            values[at] = value;
            known[at] = true;
        }
        Ok(values)
    }
}

impl FilledMemory {
    /// The element of a relative address.
    pub(super) fn address(&self, relative: u32) -> Felt {
        Felt::from_u64(self.lowest + u64::from(relative))
    }

    /// Writes pool and sorted columns. Public cells are zero in the pool.
    pub(super) fn write(
        &self,
        columns: &mut Columns,
        value: VirtualColumn,
        [sorted_address, sorted_value]: [VirtualColumn; 2],
    ) {
        let addresses: Vec<Felt> =
            (0..self.values.len() as u32).into_par_iter().map(|relative| self.address(relative)).collect();
        let shown = |table: &[Felt], position: usize| {
            if self.public.contains(position) { Felt::ZERO } else { table[self.cells[position] as usize] }
        };
        let length = self.cells.len();
        columns.fill(self.pool, length, |position| shown(&addresses, position));
        columns.fill(value, length, |position| shown(&self.values, position));
        columns.fill(sorted_address, length, |position| addresses[self.sorted[position] as usize]);
        columns.fill(sorted_value, length, |position| self.values[self.sorted[position] as usize]);
    }
}
