//! The files of a Cairo PIE, out of its ZIP archive and within bounds.
//!
//! Nothing is written to a disk, no name is followed, and nothing is read beyond what a run of the allowed size can have:
//! an archive that claims more, or turns out to hold more than it claims, is refused.

use std::io::{BufReader, Cursor, Read};

use cairo_vm::{
    Felt252,
    vm::runners::{
        cairo_pie::{CairoPieAdditionalData, CairoPieMetadata},
        cairo_runner::ExecutionResources,
    },
};
use serde::de::DeserializeOwned;
use zip::{ZipArchive, result::ZipError};

use super::{Address, Cell, Value};
use crate::{FinishedRunError, Limits};

/// The largest archive that is taken, in bytes.
pub const MOST_ARCHIVE_BYTES: u64 = 64 << 20;

/// The largest JSON file of an archive, in bytes.
const MOST_JSON_BYTES: u64 = 32 << 20;

/// How much more there may be in an archive than it has bytes. Memory of real runs is packed to a tenth.
const MOST_RATIO: u64 = 100;

/// What may be in an archive whatever its size, in bytes.
const FREE_BYTES: u64 = 1 << 20;

/// Bytes of an address, and of a cell: address and value.
const ADDRESS_BYTES: usize = 8;
const CELL_BYTES: usize = 40;

/// The files of a Cairo PIE.
const NAMES: [&str; 5] =
    ["version.json", "metadata.json", "memory.bin", "additional_data.json", "execution_resources.json"];

/// What an archive holds, without any word about whether it fits together.
pub(super) struct Contents {
    pub(super) metadata: CairoPieMetadata,
    /// By address, each once.
    pub(super) memory: Vec<Cell>,
    pub(super) additional: CairoPieAdditionalData,
    pub(super) resources: ExecutionResources,
}

/// Unpacks an archive.
pub(super) fn unpack(bytes: &[u8], limits: &Limits) -> Result<Contents, FinishedRunError> {
    let too_large = |what: &'static str, limit: u64, got: u64| {
        if got > limit { Err(FinishedRunError::TooLarge { what, limit, got }) } else { Ok(()) }
    };
    too_large("the archive's bytes", MOST_ARCHIVE_BYTES, bytes.len() as u64)?;
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    too_large("the archive's files", NAMES.len() as u64, archive.len() as u64)?;
    let most_memory = limits.memory_cells.saturating_mul(CELL_BYTES as u64);
    let mut claimed: u64 = 0;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(broken)?;
        let Some(name) = NAMES.into_iter().find(|name| file.name() == *name) else {
            let detail = format!("a file is called {:?}", shortened(file.name()));
            return Err(FinishedRunError::NotAnArchive { detail });
        };
        let limit = if name == "memory.bin" { most_memory } else { MOST_JSON_BYTES };
        too_large(name, limit, file.size())?;
        claimed = claimed.saturating_add(file.size());
    }
    let most = (bytes.len() as u64).saturating_mul(MOST_RATIO).saturating_add(FREE_BYTES);
    too_large("the unpacked bytes of an archive of this size", most, claimed)?;
    let memory = {
        let file = archive.by_name("memory.bin").map_err(broken)?;
        let claimed = file.size();
        cells(BufReader::with_capacity(64 << 10, file.take(claimed.saturating_add(1))), claimed)?
    };
    Ok(Contents {
        metadata: json(&mut archive, "metadata.json")?,
        memory,
        additional: json(&mut archive, "additional_data.json")?,
        resources: json(&mut archive, "execution_resources.json")?,
    })
}

fn broken(error: ZipError) -> FinishedRunError {
    FinishedRunError::NotAnArchive { detail: error.to_string() }
}

fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

fn json<T: DeserializeOwned>(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &'static str,
) -> Result<T, FinishedRunError> {
    let malformed = |detail: String| FinishedRunError::Malformed { file: name, detail };
    let file = archive.by_name(name).map_err(broken)?;
    let claimed = file.size();
    let mut bytes = Vec::new();
    // One byte more than it claims shows that it lies; its own limit was checked before.
    let read = file.take(claimed.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| malformed(error.to_string()))?;
    if bytes.len() as u64 > claimed {
        return Err(malformed(format!("it has more than the {claimed} bytes that the archive says")));
    }
    serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))
}

/// Memory cells, sorted by address.
fn cells(mut from: impl Read, claimed: u64) -> Result<Vec<Cell>, FinishedRunError> {
    let malformed = |detail: String| FinishedRunError::Malformed { file: "memory.bin", detail };
    let mut cells: Vec<Cell> = Vec::new();
    let mut bytes = [0; CELL_BYTES];
    let mut read = 0u64;
    loop {
        let mut filled = 0;
        while filled < CELL_BYTES {
            let rest = bytes.get_mut(filled..).unwrap_or_default();
            match from.read(rest).map_err(|error| malformed(error.to_string()))? {
                0 => break,
                length => filled += length,
            }
        }
        read += filled as u64;
        if read > claimed {
            return Err(malformed(format!("it has more than the {claimed} bytes that the archive says")));
        }
        match filled {
            0 => break,
            CELL_BYTES => {}
            _ => return Err(malformed(format!("its {read} bytes are no whole number of cells"))),
        }
        let index = cells.len();
        cells.push(cell(&bytes).ok_or_else(|| malformed(format!("cell {index} is none")))?);
    }
    cells.sort_unstable_by_key(|cell| cell.address);
    let twice = cells.windows(2).find(|pair| matches!(pair, [a, b] if a.address == b.address));
    match twice {
        Some(pair) => {
            let Address { segment, offset } = pair.first().map(|cell| cell.address).unwrap_or_default();
            Err(malformed(format!("cell {segment}:{offset} stands there twice")))
        }
        None => Ok(cells),
    }
}

/// A cell: its address, then its value, the top bit of which tells an address from a number; all little-endian.
fn cell(bytes: &[u8; CELL_BYTES]) -> Option<Cell> {
    let (address, value) = bytes.split_first_chunk::<ADDRESS_BYTES>()?;
    let value: [u8; 32] = value.try_into().ok()?;
    let is_address = value[31] >> 7 == 1;
    let value = if is_address {
        let mut rest = value;
        rest[31] &= 0x7f;
        let (low, high) = rest.split_first_chunk::<ADDRESS_BYTES>()?;
        if high.iter().any(|byte| *byte != 0) || low[7] >> 7 != 0 {
            return None;
        }
        Value::Address(of_word(u64::from_le_bytes(*low)))
    } else {
        let number = Felt252::from_bytes_le(&value);
        // Only the smallest representative of a number is one.
        (number.to_bytes_le() == value).then_some(Value::Number(number))?
    };
    let address = u64::from_le_bytes(*address);
    (address >> 63 == 1).then(|| Cell { address: of_word(address), value })
}

/// 16 bits of segment over 47 bits of offset.
fn of_word(word: u64) -> Address {
    Address { segment: (word >> 47 & 0xffff) as u16, offset: word & ((1 << 47) - 1) }
}
