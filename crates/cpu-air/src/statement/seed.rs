//! The statement seed: the bytes that the channel absorbs before anything else (Stone v3: `CpuAirStatement`).
//!
//! Words of 32 bytes, big-endian: (stone6 only) friendly commitment layers; log₂ n_steps; rc_min; rc_max; layout
//! name; dynamic parameters; segments in the layout's order; padding cell; pages. The channel's hash is applied by
//! the protocol, not here.

use std::{collections::BTreeMap, fmt, str::FromStr};

use ashlar_field::{Felt, StandardBytes};
use ashlar_hash::{CommitmentHash, Digest};
use thiserror::Error;

use super::StatementError;
use crate::{
    input::{PublicInput, PublicMemoryCell},
    layout::{Layout, LayoutError},
};

/// The generation of Stone whose proofs are made or checked. They differ in one word of the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoneVersion {
    /// Stone v2: the seed does not bind the number of friendly commitment layers.
    Stone5,
    /// Stone v3: it does.
    Stone6,
}

impl fmt::Display for StoneVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoneVersion::Stone5 => "stone5",
            StoneVersion::Stone6 => "stone6",
        })
    }
}

/// A text that names no generation of Stone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected stone5 or stone6, got {0:?}")]
pub struct UnknownStoneVersion(pub String);

impl FromStr for StoneVersion {
    type Err = UnknownStoneVersion;

    fn from_str(text: &str) -> Result<StoneVersion, UnknownStoneVersion> {
        match text {
            "stone5" => Ok(StoneVersion::Stone5),
            "stone6" => Ok(StoneVersion::Stone6),
            _ => Err(UnknownStoneVersion(text.to_owned())),
        }
    }
}

/// The hash of public memory pages (Stone v3: `statement.page_hash`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PageHash {
    /// Keccak-256, Stone's default.
    #[default]
    Keccak256,
    /// Pedersen's hash chain.
    Pedersen,
}

impl PageHash {
    /// The hash of a page whose words are these.
    fn hash(self, words: &[u8]) -> Result<Digest, StatementError> {
        let hash = match self {
            PageHash::Keccak256 => CommitmentHash::Keccak256,
            PageHash::Pedersen => CommitmentHash::Pedersen,
        };
        hash.hash_bytes(words).map_err(StatementError::PageHash)
    }
}

impl fmt::Display for PageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PageHash::Keccak256 => "keccak256",
            PageHash::Pedersen => "pedersen",
        })
    }
}

/// A text that names no page hash.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected page_hash keccak256 or pedersen, got {0:?}")]
pub struct UnknownPageHash(pub String);

impl FromStr for PageHash {
    type Err = UnknownPageHash;

    fn from_str(text: &str) -> Result<PageHash, UnknownPageHash> {
        match text {
            "keccak256" => Ok(PageHash::Keccak256),
            "pedersen" => Ok(PageHash::Pedersen),
            _ => Err(UnknownPageHash(text.to_owned())),
        }
    }
}

/// The seed's bytes for this statement, before the channel's hash.
///
/// `friendly_layers` is `n_verifier_friendly_commitment_layers`; stone5 does not look at it.
///
/// # Errors
/// If n_steps is no power of two, the segments are not exactly the layout's, the public memory is empty, has no page 0,
/// or the addresses of another page are not consecutive.
pub fn seed(
    public: &PublicInput,
    layout: &Layout,
    version: StoneVersion,
    friendly_layers: u64,
    page_hash: PageHash,
) -> Result<Vec<u8>, StatementError> {
    let mut seed = Words::default();
    if version == StoneVersion::Stone6 {
        seed.integer(friendly_layers);
    }
    if !public.n_steps.is_power_of_two() {
        return Err(LayoutError::StepsNotPowerOfTwo { got: public.n_steps }.into());
    }
    seed.integer(u64::from(public.n_steps.ilog2()));
    seed.integer(public.rc_min);
    seed.integer(public.rc_max);
    seed.name(layout.name)?;
    // In alphabetical order: that of the map.
    public.dynamic_params.values().for_each(|&value| seed.integer(value));
    for segment in super::checks::segments(public, layout)? {
        seed.integer(segment.begin_addr);
        seed.integer(segment.stop_ptr);
    }
    let padding = public.public_memory.first().ok_or(StatementError::EmptyPublicMemory)?;
    seed.integer(padding.address);
    seed.felt(padding.value);

    let pages = pages(&public.public_memory)?;
    seed.integer(pages.len() as u64);
    for (&page, cells) in &pages {
        let mut words = Words::default();
        for cell in cells {
            if page == 0 {
                words.integer(cell.address);
            }
            words.felt(cell.value);
        }
        if let (1.., Some(first)) = (page, cells.first()) {
            seed.integer(first.address);
        }
        seed.integer(cells.len() as u64);
        seed.0.extend_from_slice(&page_hash.hash(&words.0)?.0);
    }
    Ok(seed.0)
}

/// The cells of every page, in the order of the public input: there is a page 0, and the addresses of others are
/// consecutive.
///
/// # Errors
/// [`StatementError::NoPageZero`] and [`StatementError::PageNotConsecutive`].
pub(super) fn pages(
    cells: &[PublicMemoryCell],
) -> Result<BTreeMap<u32, Vec<&PublicMemoryCell>>, StatementError> {
    let mut pages: BTreeMap<u32, Vec<&PublicMemoryCell>> = BTreeMap::new();
    for cell in cells {
        let page = pages.entry(cell.page).or_default();
        if let (1.., Some(last)) = (cell.page, page.last()) {
            // An address after u64::MAX does not exist.
            let expected = last.address.checked_add(1);
            if expected != Some(cell.address) {
                return Err(StatementError::PageNotConsecutive {
                    page: cell.page,
                    after: last.address,
                    got: cell.address,
                });
            }
        }
        page.push(cell);
    }
    // Stone sets room aside for one, and stops without it.
    if !pages.contains_key(&0) {
        return Err(StatementError::NoPageZero);
    }
    Ok(pages)
}

/// 32-byte big-endian words.
#[derive(Default)]
struct Words(Vec<u8>);

impl Words {
    fn integer(&mut self, value: u64) {
        self.0.extend_from_slice(&[0; 24]);
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn felt(&mut self, value: Felt) {
        self.0.extend_from_slice(&StandardBytes::from(value).0);
    }

    /// ASCII, right-aligned.
    fn name(&mut self, name: &'static str) -> Result<(), StatementError> {
        let padding = 32usize.checked_sub(name.len()).ok_or(StatementError::LongLayoutName { name })?;
        self.0.extend(std::iter::repeat_n(0, padding));
        self.0.extend_from_slice(name.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_name_of_more_than_a_word_is_refused() {
        let (fits, long) = ("a_name_of_thirty_two_characters_", "a_name_of_thirty_three_characters");
        let mut words = Words::default();
        words.name(fits).unwrap();
        assert_eq!(words.0, fits.as_bytes());
        assert_eq!(words.name(long), Err(StatementError::LongLayoutName { name: long }));
    }
}
