//! The record of a proof: Stone's annotations, word for word, and its statistics.

use std::{
    fmt::{self, Write},
    ops::Range,
};

use ashlar_field::Felt;
use ashlar_hash::Digest;

use super::scope::Scope;

/// What a proof is made of (Stone v3: the block `Proof Statistics`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProofStatistics {
    /// Bytes of the proof.
    pub bytes: u64,
    /// Roots and authentication nodes.
    pub hashes: u64,
    /// Roots.
    pub commitments: u64,
    /// Out-of-domain values, last-layer coefficients and opened cells.
    pub field_elements: u64,
    /// The nonce and raw sibling cells of single-column tables.
    pub data: u64,
}

/// What a message carries.
pub(crate) enum Payload<'a> {
    Commitment(Printed),
    Node(Printed),
    Element(Felt),
    Elements(&'a [Felt]),
    Data(&'a [u8]),
}

/// A digest as Stone prints it.
#[derive(Clone, Copy)]
pub(crate) struct Printed {
    pub(crate) digest: Digest,
    /// All 64 digits, as of a hash that keeps the least significant bits; else leading zeros are dropped.
    pub(crate) in_full: bool,
}

/// `0x` and hexadecimal digits without leading zeros.
struct Trimmed<'a>(&'a [u8]);

impl fmt::Display for Trimmed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.iter().position(|&byte| byte != 0) {
            None => f.write_str("0x0"),
            Some(first) => {
                write!(f, "0x{:x}", self.0[first])?;
                self.0[first + 1..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_full { self.digest.fmt(f) } else { Trimmed(&self.digest.0).fmt(f) }
    }
}

impl fmt::Display for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Commitment(digest) | Payload::Node(digest) => write!(f, "Hash({digest})"),
            Payload::Element(value) => write!(f, "Field Element({value})"),
            Payload::Elements(values) => {
                f.write_str("Field Elements(")?;
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    value.fmt(f)?;
                }
                f.write_char(')')
            }
            Payload::Data(bytes) => write!(f, "Data({})", Trimmed(bytes)),
        }
    }
}

/// Counts always, and writes annotations if asked to.
#[derive(Debug, Default)]
pub(crate) struct Record {
    statistics: ProofStatistics,
    annotations: Option<Annotations>,
}

#[derive(Debug)]
struct Annotations {
    /// The protocol's name, such as `cpu air`.
    title: String,
    lines: Vec<String>,
    /// What the verifier computed, also a line each.
    derived: Vec<String>,
}

impl Record {
    /// With annotations if there is a title.
    pub(crate) fn new(title: Option<&str>) -> Record {
        let annotations =
            title.map(|title| Annotations { title: title.into(), lines: Vec::new(), derived: Vec::new() });
        Record { statistics: ProofStatistics::default(), annotations }
    }

    pub(crate) fn sent(
        &mut self,
        bytes: Range<usize>,
        scope: Scope,
        label: fmt::Arguments<'_>,
        payload: &Payload<'_>,
    ) {
        let statistics = &mut self.statistics;
        statistics.bytes += bytes.len() as u64;
        match payload {
            Payload::Commitment(_) => {
                statistics.commitments += 1;
                statistics.hashes += 1;
            }
            Payload::Node(_) => statistics.hashes += 1,
            Payload::Element(_) => statistics.field_elements += 1,
            Payload::Elements(values) => statistics.field_elements += values.len() as u64,
            Payload::Data(_) => statistics.data += 1,
        }
        if let Some(Annotations { title, lines, .. }) = &mut self.annotations {
            lines.push(format!("P->V[{}:{}]: /{title}/{scope}: {label}: {payload}", bytes.start, bytes.end));
        }
    }

    pub(crate) fn drawn(&mut self, scope: Scope, label: fmt::Arguments<'_>, value: fmt::Arguments<'_>) {
        if let Some(Annotations { title, lines, .. }) = &mut self.annotations {
            lines.push(format!("V->P: /{title}/{scope}: {label}: {value}"));
        }
    }

    /// A value that no message carries, because the verifier computes it.
    pub(crate) fn derived(&mut self, scope: Scope, label: fmt::Arguments<'_>, payload: &Payload<'_>) {
        if let Some(Annotations { title, derived, .. }) = &mut self.annotations {
            derived.push(format!("/{title}/{scope}: {label}: {payload}"));
        }
    }

    /// Whether annotations were asked for.
    pub(crate) fn is_annotated(&self) -> bool {
        self.annotations.is_some()
    }

    /// Stone's extra annotations, if annotations were asked for.
    pub(crate) fn take_derived(&mut self) -> Option<Vec<String>> {
        self.annotations.as_mut().map(|annotations| std::mem::take(&mut annotations.derived))
    }

    /// The complete array `annotations` of Stone's proof files, if annotations were asked for.
    pub(crate) fn finish(self) -> (ProofStatistics, Option<Vec<String>>) {
        let ProofStatistics { bytes, hashes, commitments, field_elements, data } = self.statistics;
        let annotations = self.annotations.map(|Annotations { title, lines, .. }| {
            let mut all = vec![format!("title {title} Proof Protocol"), String::new()];
            all.extend(lines);
            all.extend([
                String::new(),
                "Proof Statistics:".into(),
                String::new(),
                format!("Byte count: {bytes}"),
                format!("Hash count: {hashes}"),
                format!("Commitment count: {commitments}"),
                format!("Field element count: {field_elements}"),
                format!("Data count: {data}"),
            ]);
            all
        });
        (self.statistics, annotations)
    }
}
