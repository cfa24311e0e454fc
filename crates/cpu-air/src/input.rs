//! What a statement about a Cairo execution is made of, free of any file format.
//!
//! The public input is the statement itself, known to the verifier; trace, memory and private input are the
//! witness. Formats: `stone` reads and writes these as Stone's JSON and binary files; `cairo` hands them over in
//! memory.

use std::collections::BTreeMap;

use ashlar_field::Felt;

/// A segment of the Cairo memory: addresses `begin_addr .. `, of which the run ended at `stop_ptr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySegment {
    /// First address.
    pub begin_addr: u64,
    /// The address after the last one used, as the program's final builtin pointer claims.
    pub stop_ptr: u64,
}

/// One public memory cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicMemoryCell {
    /// Cairo memory address.
    pub address: u64,
    /// The value there.
    pub value: Felt,
    /// The memory page it belongs to; 0 is the main page.
    pub page: u32,
}

/// The statement: "this program ran n_steps steps with this public memory".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicInput {
    /// The layout's name, such as `small`.
    pub layout: String,
    /// Steps including padding; a power of two.
    pub n_steps: u64,
    /// Smallest 16-bit value in the range-check pool.
    pub rc_min: u64,
    /// Largest 16-bit value in the range-check pool.
    pub rc_max: u64,
    /// By segment name (`program`, `execution`, `output`, builtins). Exactly the layout's.
    pub memory_segments: BTreeMap<String, MemorySegment>,
    /// In the order of the file; the first cell is also the padding cell.
    pub public_memory: Vec<PublicMemoryCell>,
    /// The 340 parameters of the `dynamic` layout; empty for static ones.
    pub dynamic_params: BTreeMap<String, u64>,
}

/// The registers at one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterState {
    /// Allocation pointer.
    pub ap: u64,
    /// Frame pointer.
    pub fp: u64,
    /// Program counter.
    pub pc: u64,
}

/// The Cairo memory after relocation. First write of an address wins, as in Stone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Dense for low addresses: `cells[address]`.
    cells: Vec<Option<Felt>>,
    /// Addresses too far out for the dense part.
    far: BTreeMap<u64, Felt>,
    /// Number of written cells.
    written: u64,
}

impl Memory {
    /// An empty memory.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// From cells indexed by address.
    pub fn from_dense(cells: Vec<Option<Felt>>) -> Memory {
        let written = cells.iter().flatten().count() as u64;
        Memory { cells, far: BTreeMap::new(), written }
    }

    /// Addresses below this may live in the dense part. It grows with the number of cells actually written, so that
    /// memory stays proportional to the input whatever addresses it names.
    fn dense_limit(&self) -> u64 {
        8 * (self.written + 4096)
    }

    /// The number of written cells.
    pub fn len(&self) -> u64 {
        self.written
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.written == 0
    }

    /// The value at an address, if it was written.
    #[inline]
    pub fn get(&self, address: u64) -> Option<Felt> {
        match usize::try_from(address).ok().and_then(|index| self.cells.get(index)) {
            Some(cell) => *cell,
            None => self.far.get(&address).copied(),
        }
    }

    /// Writes an address unless it was written before; returns whether it was written now.
    pub fn insert(&mut self, address: u64, value: Felt) -> bool {
        let length = self.cells.len() as u64;
        if address >= length && address < self.dense_limit() {
            // Grow the dense part to the address and take over what was far until now.
            self.cells.resize(address as usize + 1, None);
            let beyond = self.far.split_off(&(address + 1));
            for (far_address, far_value) in std::mem::replace(&mut self.far, beyond) {
                self.cells[far_address as usize] = Some(far_value);
            }
        }
        let written = if address < self.cells.len() as u64 {
            let cell = &mut self.cells[address as usize];
            let vacant = cell.is_none();
            cell.get_or_insert(value);
            vacant
        } else {
            let vacant = !self.far.contains_key(&address);
            self.far.entry(address).or_insert(value);
            vacant
        };
        self.written += u64::from(written);
        written
    }

    /// All written cells, by ascending address.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Felt)> + '_ {
        let dense = self
            .cells
            .iter()
            .enumerate()
            .filter_map(|(address, cell)| cell.map(|value| (address as u64, value)));
        dense.chain(self.far.iter().map(|(&address, &value)| (address, value)))
    }
}

/// A Pedersen instance: hash(x, y).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PedersenInstance {
    /// Position in the builtin's segment, in instances.
    pub index: u64,
    /// First input.
    pub x: Felt,
    /// Second input.
    pub y: Felt,
}

/// A range-check (or range-check-96) instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeCheckInstance {
    /// Position in the builtin's segment, in instances.
    pub index: u64,
    /// The checked value.
    pub value: Felt,
}

/// An ECDSA instance, with the signature as (r, w = s⁻¹ modulo the curve order), both as integers below p.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcdsaInstance {
    /// Position in the builtin's segment, in instances.
    pub index: u64,
    /// x coordinate of the public key.
    pub pubkey: Felt,
    /// The message hash.
    pub msg: Felt,
    /// Signature part r.
    pub r: Felt,
    /// Inverse of signature part s.
    pub w: Felt,
}

/// A bitwise instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitwiseInstance {
    /// Position in the builtin's segment, in instances.
    pub index: u64,
    /// First input, below 2²⁵¹.
    pub x: Felt,
    /// Second input, below 2²⁵¹.
    pub y: Felt,
}

/// An elliptic-curve operation instance: P + m·Q.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcOpInstance {
    /// Position in the builtin's segment, in instances.
    pub index: u64,
    /// P.
    pub p: [Felt; 2],
    /// Q.
    pub q: [Felt; 2],
    /// m.
    pub m: Felt,
}

/// A Keccak-f\[1600\] invocation on a state of eight 200-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeccakInstance {
    /// Position in the builtin's segment, in invocations.
    pub index: u64,
    /// The input words.
    pub input: [Felt; 8],
}

/// A Poseidon (Hades) permutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoseidonInstance {
    /// Position in the builtin's segment, in instances.
    pub index: u64,
    /// The input state.
    pub input: [Felt; 3],
}

/// One modular operation of a batch-1 `add_mod` or `mul_mod` instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModInstance {
    /// Position in the builtin's segment, in instances.
    pub index: u64,
    /// The modulus, four 96-bit words, least significant first.
    pub p: [Felt; 4],
    /// Address of the values.
    pub values_ptr: u64,
    /// Address of the offsets.
    pub offsets_ptr: u64,
    /// Remaining operations.
    pub n: u64,
    /// Offsets of a, b and c.
    pub offsets: [u64; 3],
    /// Values a, b and c, four words each.
    pub values: [[Felt; 4]; 3],
}

/// All instances of a modular builtin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModInput {
    /// An address that holds zeros, used by filler instances.
    pub zero_value_address: u64,
    /// The instances.
    pub instances: Vec<ModInstance>,
}

/// The builtin instances of a run. A builtin that the layout lacks stays empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateInput {
    /// Pedersen hashes.
    pub pedersen: Vec<PedersenInstance>,
    /// 128-bit range checks.
    pub range_check: Vec<RangeCheckInstance>,
    /// ECDSA signatures.
    pub ecdsa: Vec<EcdsaInstance>,
    /// Bitwise operations.
    pub bitwise: Vec<BitwiseInstance>,
    /// Elliptic-curve operations.
    pub ec_op: Vec<EcOpInstance>,
    /// Keccak permutations.
    pub keccak: Vec<KeccakInstance>,
    /// Poseidon permutations.
    pub poseidon: Vec<PoseidonInstance>,
    /// 96-bit range checks.
    pub range_check96: Vec<RangeCheckInstance>,
    /// Modular additions.
    pub add_mod: ModInput,
    /// Modular multiplications.
    pub mul_mod: ModInput,
}

/// A complete run: the statement and its witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The statement.
    pub public_input: PublicInput,
    /// `n_steps` register states.
    pub trace: Vec<RegisterState>,
    /// The relocated memory.
    pub memory: Memory,
    /// Builtin instances.
    pub private_input: PrivateInput,
}
