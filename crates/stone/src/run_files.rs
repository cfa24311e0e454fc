//! The two binary files of a run: `trace.bin` and `memory.bin`, as Cairo runners write them for Stone.
//!
//! | file | record | content, little-endian |
//! |---|---|---|
//! | trace | 24 bytes | ap, fp, pc, each a u64 |
//! | memory | 40 bytes | address (u64), value (32 bytes, standard form, below p) |
//!
//! Memory records come in any order; the first record of an address counts.

use std::{
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use ashlar_cpu_air::input::{Memory, RegisterState};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;

use crate::files::{self, FileError};

const TRACE_RECORD: usize = 24;
const MEMORY_RECORD: usize = 40;
/// No prover input names more steps; it bounds what a trace file may make us allocate (1.5 GiB).
pub const MOST_STEPS: u64 = 1 << 26;
/// The most memory records, whatever the number of steps (5 GiB of file).
const MOST_MEMORY_RECORDS: u64 = 1 << 27;

/// A trace or memory file that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// The file itself cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file ends inside a record.
    #[error(
        "expected whole records of {record} bytes in {path:?}, got {got} bytes at the end of record {index}"
    )]
    TruncatedRecord {
        /// The file.
        path: PathBuf,
        /// Bytes of a record.
        record: usize,
        /// The number of the cut record, from 0.
        index: u64,
        /// Bytes of it that are there.
        got: usize,
    },
    /// The trace has another length than the public input says.
    #[error("expected {expected} trace entries in {path:?} (n_steps of the public input), got {got}")]
    WrongTraceLength {
        /// The file.
        path: PathBuf,
        /// n_steps.
        expected: u64,
        /// Entries in the file.
        got: u64,
    },
    /// A memory value that is not below p.
    #[error(
        "expected values below the field prime in {path:?}, got {value} at address {address} (record {index})"
    )]
    ValueNotReduced {
        /// The file.
        path: PathBuf,
        /// The number of the record, from 0.
        index: u64,
        /// The address.
        address: u64,
        /// The value, hexadecimal.
        value: String,
    },
    /// More steps than any trace file may hold.
    #[error("expected at most {MOST_STEPS} steps, got n_steps {got}")]
    TooManySteps {
        /// n_steps.
        got: u64,
    },
}

impl Fault for RunFileError {
    fn code(&self) -> Code {
        match self {
            RunFileError::File(error) => error.code(),
            RunFileError::TruncatedRecord { .. } => Code(1020),
            RunFileError::WrongTraceLength { .. } => Code(1021),
            RunFileError::ValueNotReduced { .. } => Code(1022),
            RunFileError::TooManySteps { .. } => Code(1023),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            RunFileError::File(error) => error.exit(),
            RunFileError::TooManySteps { .. } => Exit::Capacity,
            _ => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            RunFileError::File(error) => error.hint(),
            _ => None,
        }
    }
}

/// Reads a trace file of exactly `n_steps` records.
///
/// # Errors
/// If the file cannot be read, ends inside a record, or has another number of records.
pub fn read_trace(path: &Path, n_steps: u64) -> Result<Vec<RegisterState>, RunFileError> {
    if n_steps > MOST_STEPS {
        return Err(RunFileError::TooManySteps { got: n_steps });
    }
    let (file, size) = files::open(path, "trace")?;
    let wrong_length = |got| RunFileError::WrongTraceLength { path: path.into(), expected: n_steps, got };
    // A size that is no whole number of records is reported by where it ends, below.
    if size > n_steps * TRACE_RECORD as u64 && size.is_multiple_of(TRACE_RECORD as u64) {
        return Err(wrong_length(size / TRACE_RECORD as u64));
    }
    let mut trace = Vec::with_capacity((size / TRACE_RECORD as u64).min(n_steps) as usize);
    let mut reader = Records::<TRACE_RECORD> { reader: BufReader::new(file), path, role: "trace", read: 0 };
    while let Some(record) = reader.next()? {
        if trace.len() as u64 == n_steps {
            return Err(wrong_length((size / TRACE_RECORD as u64).max(n_steps + 1)));
        }
        trace.push(RegisterState { ap: word(&record, 0), fp: word(&record, 8), pc: word(&record, 16) });
    }
    if (trace.len() as u64) < n_steps { Err(wrong_length(trace.len() as u64)) } else { Ok(trace) }
}

/// Reads a memory file. `n_steps` bounds its size: at most 512 cells a step, and a million.
///
/// # Errors
/// If the file cannot be read, is larger than any run of that length needs, ends inside a record, or holds a value
/// that is not below p.
pub fn read_memory(path: &Path, n_steps: u64) -> Result<Memory, RunFileError> {
    let limit = (n_steps.saturating_mul(512)).saturating_add(1 << 20).min(MOST_MEMORY_RECORDS);
    let (file, size) = files::open(path, "memory")?;
    let too_large = |records: u64| FileError::TooLarge {
        role: "memory",
        path: path.into(),
        limit: limit * MEMORY_RECORD as u64,
        got: size.max(records * MEMORY_RECORD as u64),
    };
    if size > limit * MEMORY_RECORD as u64 {
        return Err(too_large(0).into());
    }
    let mut memory = Memory::new();
    let mut reader = Records::<MEMORY_RECORD> { reader: BufReader::new(file), path, role: "memory", read: 0 };
    while let Some(record) = reader.next()? {
        if reader.read > limit {
            return Err(too_large(reader.read).into());
        }
        let address = word(&record, 0);
        let limbs = [word(&record, 8), word(&record, 16), word(&record, 24), word(&record, 32)];
        let value = Felt::from_standard_limbs(limbs).ok_or_else(|| RunFileError::ValueNotReduced {
            path: path.into(),
            index: reader.read - 1,
            address,
            value: format!("0x{:016x}{:016x}{:016x}{:016x}", limbs[3], limbs[2], limbs[1], limbs[0]),
        })?;
        memory.insert(address, value);
    }
    Ok(memory)
}

/// The little-endian word at byte `offset` of a record.
fn word<const RECORD: usize>(record: &[u8; RECORD], offset: usize) -> u64 {
    record[offset..offset + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// A file read record by record.
struct Records<'p, const RECORD: usize> {
    reader: BufReader<std::fs::File>,
    path: &'p Path,
    role: &'static str,
    read: u64,
}

impl<const RECORD: usize> Records<'_, RECORD> {
    /// The next record, `None` at the end of the file.
    fn next(&mut self) -> Result<Option<[u8; RECORD]>, RunFileError> {
        let mut record = [0; RECORD];
        let mut filled = 0;
        while filled < RECORD {
            match self.reader.read(&mut record[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => {
                    return Err(RunFileError::TruncatedRecord {
                        path: self.path.into(),
                        record: RECORD,
                        index: self.read,
                        got: filled,
                    });
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(
                        FileError::Unreadable { role: self.role, path: self.path.into(), source }.into()
                    );
                }
            }
        }
        self.read += 1;
        Ok(Some(record))
    }
}

/// The bytes of a trace file.
pub fn trace_to_bytes(trace: &[RegisterState]) -> Vec<u8> {
    trace.iter().flat_map(|state| [state.ap, state.fp, state.pc]).flat_map(u64::to_le_bytes).collect()
}

/// The bytes of a memory file, by ascending address.
pub fn memory_to_bytes(memory: &Memory) -> Vec<u8> {
    memory
        .iter()
        .flat_map(|(address, value)| {
            let limbs = value.to_standard_limbs();
            [address, limbs[0], limbs[1], limbs[2], limbs[3]]
        })
        .flat_map(u64::to_le_bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ashlar-run-files-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn record(address: u64, limbs: [u64; 4]) -> Vec<u8> {
        [address, limbs[0], limbs[1], limbs[2], limbs[3]].into_iter().flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn traces_survive_the_file_and_must_have_the_announced_length() {
        let trace: Vec<RegisterState> =
            (0..8).map(|step| RegisterState { ap: step + 10, fp: u64::MAX - step, pc: 3 * step }).collect();
        let path = file("trace", &trace_to_bytes(&trace));
        assert_eq!(read_trace(&path, 8).unwrap(), trace);
        for (n_steps, entries) in [(7, 8), (9, 8), (0, 8)] {
            let error = read_trace(&path, n_steps).unwrap_err();
            let RunFileError::WrongTraceLength { expected, got, .. } = error else { panic!("{error}") };
            assert_eq!((expected, got), (n_steps, entries));
        }
        assert!(matches!(read_trace(&path, MOST_STEPS + 1), Err(RunFileError::TooManySteps { .. })));
    }

    #[test]
    fn a_file_that_ends_inside_a_record_is_refused() {
        let trace = file("cut-trace", &[0; 24 * 3 + 17]);
        let error = read_trace(&trace, 4).unwrap_err();
        assert!(matches!(error, RunFileError::TruncatedRecord { index: 3, got: 17, .. }), "{error}");
        let memory = file("cut-memory", &[0; 39]);
        let error = read_memory(&memory, 4).unwrap_err();
        assert!(matches!(error, RunFileError::TruncatedRecord { index: 0, got: 39, .. }), "{error}");
    }

    #[test]
    fn the_first_record_of_an_address_counts() {
        let bytes = [record(5, [1, 0, 0, 0]), record(3, [2, 0, 0, 0]), record(5, [9, 0, 0, 0])].concat();
        let memory = read_memory(&file("first", &bytes), 4).unwrap();
        assert_eq!(memory.get(5), Some(Felt::from_u64(1)));
        assert_eq!(memory.len(), 2);
        assert_eq!(memory_to_bytes(&memory), [record(3, [2, 0, 0, 0]), record(5, [1, 0, 0, 0])].concat());
    }

    #[test]
    fn a_value_not_below_the_prime_is_refused() {
        let error = read_memory(&file("prime", &record(7, Felt::PRIME_LIMBS)), 4).unwrap_err();
        assert!(matches!(error, RunFileError::ValueNotReduced { address: 7, index: 0, .. }), "{error}");
        let greatest = (Felt::ZERO - Felt::ONE).to_standard_limbs();
        assert!(read_memory(&file("greatest", &record(7, greatest)), 4).is_ok());
    }

    #[test]
    fn a_memory_file_beyond_any_run_is_refused_by_its_size() {
        let path = file("huge", &[]);
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10 << 30).unwrap();
        let error = read_memory(&path, 512).unwrap_err();
        assert_eq!((error.code(), error.exit()), (Code(1012), Exit::Capacity));
        let error = read_trace(&path, 512).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage, "{error}");
        std::fs::remove_file(path).unwrap();
    }
}
