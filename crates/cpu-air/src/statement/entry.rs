//! The form of page 0: where program and output stand in the public memory, by the three rules of Integrity's
//! verifier contract (`strict`, `relaxed`, `cairo1`).
//!
//! Only the strict form pins down entry and exit of the program and the builtin pointers on its stack, so only it
//! says what ran. The other two say what a foreign verifier would extract.

use std::{fmt, str::FromStr};

use ashlar_field::Felt;
use thiserror::Error;

use super::{FactHash, Output, Program};
use crate::{
    input::{MemorySegment, PublicInput, PublicMemoryCell},
    layout::Layout,
};

/// A rule by which program and output are read from page 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryForm {
    /// Program, frame cells, all builtin pointers, output, nothing else; standard prologue.
    Strict,
    /// Program and output contiguous, the rest unchecked.
    Relaxed,
    /// The last cells are the output, all others the program; addresses unchecked.
    Cairo1,
}

impl EntryForm {
    /// All forms, strictest first.
    pub const ALL: [EntryForm; 3] = [EntryForm::Strict, EntryForm::Relaxed, EntryForm::Cairo1];
}

impl fmt::Display for EntryForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EntryForm::Strict => "strict",
            EntryForm::Relaxed => "relaxed",
            EntryForm::Cairo1 => "cairo1",
        })
    }
}

/// A text that names no entry form.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected strict, relaxed or cairo1, got {0:?}")]
pub struct UnknownEntryForm(pub String);

impl FromStr for EntryForm {
    type Err = UnknownEntryForm;

    fn from_str(text: &str) -> Result<EntryForm, UnknownEntryForm> {
        let form = EntryForm::ALL.into_iter().find(|form| form.to_string() == text);
        form.ok_or_else(|| UnknownEntryForm(text.to_owned()))
    }
}

/// What a public memory says under one entry form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The rule by which it was read.
    pub form: EntryForm,
    /// The program.
    pub program: Program,
    /// The output.
    pub output: Output,
}

impl Claim {
    /// The fact under which a verifier contract registers this claim.
    pub fn fact_hash(&self) -> FactHash {
        FactHash::new(self.program.hash(), self.output.hash())
    }
}

/// Whether a pointer is the begin address or the stop pointer of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerSide {
    /// The begin address, passed to the program.
    Begin,
    /// The stop pointer, returned by the program.
    Stop,
}

impl fmt::Display for PointerSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PointerSide::Begin => "begin",
            PointerSide::Stop => "stop",
        })
    }
}

/// Why page 0 does not have an entry form.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EntryRefusal {
    /// A segment is missing.
    #[error("segment {segment} is missing")]
    MissingSegment {
        /// The segment.
        segment: &'static str,
    },
    /// There are pages other than page 0.
    #[error("expected page 0 only, {cells} cells lie in other pages")]
    OtherPages {
        /// Cells of other pages.
        cells: usize,
    },
    /// The program does not start where it must.
    #[error("initial pc must be 1, got {got}")]
    InitialPc {
        /// Begin of the program segment.
        got: u64,
    },
    /// The program does not end where it must.
    #[error("final pc must be 5, got {got}")]
    FinalPc {
        /// Stop pointer of the program segment.
        got: u64,
    },
    /// An address that the contract's integers cannot hold.
    #[error("{name} must be below {limit}, got {got}")]
    AddressTooLarge {
        /// Which address.
        name: &'static str,
        /// The limit.
        limit: u64,
        /// The address.
        got: u64,
    },
    /// An address below what precedes it.
    #[error("{name} must be at least {minimum}, got {got}")]
    AddressTooSmall {
        /// Which address.
        name: &'static str,
        /// The smallest possible.
        minimum: u64,
        /// The address.
        got: u64,
    },
    /// Fewer cells than the form needs.
    #[error("page 0 has {got} cells, {part} needs at least {expected}")]
    TooShort {
        /// What does not fit.
        part: &'static str,
        /// Cells needed so far.
        expected: u64,
        /// Cells there are.
        got: u64,
    },
    /// A cell at another address than the form demands.
    #[error("{part}: cell {index} of page 0 must have address {expected}, got {got}")]
    Address {
        /// What the cell belongs to.
        part: &'static str,
        /// Its index in page 0.
        index: usize,
        /// The address demanded.
        expected: u64,
        /// The address found.
        got: u64,
    },
    /// A word of the prologue differs.
    #[error("program word {index} must be {expected}, got {got}")]
    ProgramWord {
        /// The word's index.
        index: usize,
        /// The word demanded.
        expected: Felt,
        /// The word found.
        got: Felt,
    },
    /// A cell below the initial frame pointer has another value than the form demands.
    #[error("cell {address} below the initial frame must be {expected}, got {got}")]
    FrameCell {
        /// The cell's address.
        address: u64,
        /// The value demanded.
        expected: Felt,
        /// The value found.
        got: Felt,
    },
    /// A builtin pointer on the stack is not that of the segment.
    #[error("{side} pointer of {segment} on the stack must be {expected}, got {got}")]
    BuiltinPointer {
        /// The segment.
        segment: &'static str,
        /// Begin or stop.
        side: PointerSide,
        /// The address of the segment table.
        expected: u64,
        /// The value on the stack.
        got: Felt,
    },
    /// Cells after the end.
    #[error("expected {expected} cells in page 0, got {got}")]
    TrailingCells {
        /// Cells of the form.
        expected: u64,
        /// Cells there are.
        got: u64,
    },
    /// The output is not that of a bootloader that ran one task.
    #[error(
        "expected the output of one task: 1, its length, program hash, words; got {words} words: {detail}"
    )]
    TaskOutput {
        /// Words of the output.
        words: usize,
        /// What is wrong.
        detail: &'static str,
    },
    /// No cell at or after the begin of the output segment, where the contract's search runs out of bounds.
    #[error("no cell of page 0 has address {begin_addr} (output) or above")]
    NoOutputCell {
        /// Begin of the output segment.
        begin_addr: u64,
    },
}

/// Which forms page 0 has, and why not the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryForms {
    /// By the strict rule.
    pub strict: Result<Claim, EntryRefusal>,
    /// By the relaxed rule.
    pub relaxed: Result<Claim, EntryRefusal>,
    /// By the cairo1 rule.
    pub cairo1: Result<Claim, EntryRefusal>,
}

impl EntryForms {
    /// What page 0 says by the strictest form that it has.
    ///
    /// # Errors
    /// Why it has not even the strict form, if it has none.
    pub fn strictest(&self) -> Result<&Claim, &EntryRefusal> {
        match (&self.strict, &self.relaxed, &self.cairo1) {
            (Ok(claim), _, _) | (_, Ok(claim), _) | (_, _, Ok(claim)) => Ok(claim),
            (Err(refusal), _, _) => Err(refusal),
        }
    }

    /// What page 0 says by this form.
    ///
    /// # Errors
    /// Why it does not have it.
    pub fn of(&self, form: EntryForm) -> Result<&Claim, &EntryRefusal> {
        match form {
            EntryForm::Strict => self.strict.as_ref(),
            EntryForm::Relaxed => self.relaxed.as_ref(),
            EntryForm::Cairo1 => self.cairo1.as_ref(),
        }
    }
}

/// Tries all three forms.
pub fn classify(public: &PublicInput, layout: &Layout) -> EntryForms {
    EntryForms {
        strict: claim(public, layout, EntryForm::Strict),
        relaxed: claim(public, layout, EntryForm::Relaxed),
        cairo1: claim(public, layout, EntryForm::Cairo1),
    }
}

/// What the public memory says under one entry form.
///
/// # Errors
/// Why it does not have that form.
pub fn claim(public: &PublicInput, layout: &Layout, form: EntryForm) -> Result<Claim, EntryRefusal> {
    check_page(public)?;
    match form {
        EntryForm::Strict => strict(public, layout),
        EntryForm::Relaxed => relaxed(public),
        EntryForm::Cairo1 => cairo1(public),
    }
}

/// Refuses what no form can have: other pages, and addresses at the very end.
pub(super) fn check_page(public: &PublicInput) -> Result<(), EntryRefusal> {
    let other = public.public_memory.iter().filter(|cell| cell.page != 0).count();
    if other != 0 {
        return Err(EntryRefusal::OtherPages { cells: other });
    }
    let execution = segment(public, "execution")?;
    for (name, got) in [("initial ap", execution.begin_addr), ("final ap", execution.stop_ptr)] {
        if got == u64::MAX {
            return Err(EntryRefusal::AddressTooLarge { name, limit: u64::MAX, got });
        }
    }
    Ok(())
}

fn segment(public: &PublicInput, name: &'static str) -> Result<MemorySegment, EntryRefusal> {
    public.memory_segments.get(name).copied().ok_or(EntryRefusal::MissingSegment { segment: name })
}

/// The output segment; a layout without one (`plain`) has an empty output at the end of the run.
fn output_segment(public: &PublicInput) -> Result<MemorySegment, EntryRefusal> {
    match segment(public, "output") {
        Err(_) if public.layout == "plain" => {
            let stop = segment(public, "execution")?.stop_ptr;
            Ok(MemorySegment { begin_addr: stop, stop_ptr: stop })
        }
        found => found,
    }
}

fn length(segment: MemorySegment, name: &'static str) -> Result<u64, EntryRefusal> {
    let MemorySegment { begin_addr: minimum, stop_ptr: got } = segment;
    got.checked_sub(minimum).ok_or(EntryRefusal::AddressTooSmall { name, minimum, got })
}

/// Reads page 0 from front to back.
struct Reader<'a> {
    cells: &'a [PublicMemoryCell],
    index: usize,
}

impl<'a> Reader<'a> {
    /// The next `count` cells, which must have the addresses `from`, `from + 1`, ….
    fn take(
        &mut self,
        part: &'static str,
        from: u64,
        count: u64,
    ) -> Result<&'a [PublicMemoryCell], EntryRefusal> {
        let got = self.cells.len() as u64;
        let expected = (self.index as u64).saturating_add(count);
        if expected > got {
            return Err(EntryRefusal::TooShort { part, expected, got });
        }
        // `count` is at most the number of cells, so it fits in usize and sums of it do not wrap.
        let taken = &self.cells[self.index..self.index + count as usize];
        for (position, cell) in taken.iter().enumerate() {
            let expected = from.wrapping_add(position as u64);
            if cell.address != expected {
                let index = self.index + position;
                return Err(EntryRefusal::Address { part, index, expected, got: cell.address });
            }
        }
        self.index += taken.len();
        Ok(taken)
    }
}

fn values(cells: &[PublicMemoryCell]) -> Vec<Felt> {
    cells.iter().map(|cell| cell.value).collect()
}

/// `ap += immediate`.
const ADVANCE_AP: u64 = 0x0407_8001_7fff_7fff;
/// `call rel immediate`.
const CALL: u64 = 0x1104_8001_8001_8000;
/// `jmp rel immediate`.
const JUMP: u64 = 0x0107_8001_7fff_7fff;

fn strict(public: &PublicInput, layout: &Layout) -> Result<Claim, EntryRefusal> {
    let pointers = layout.segments.iter().copied();
    let pointers: Vec<&'static str> =
        pointers.filter(|name| !matches!(*name, "program" | "execution")).collect();
    let (program, output) = standard(public, layout, &pointers)?;
    Ok(Claim { form: EntryForm::Strict, program, output })
}

/// Program and output of a run from the standard prologue to its end, with exactly these builtin pointers on the stack
/// at both; one that the layout does not have is 0.
pub(super) fn standard(
    public: &PublicInput,
    layout: &Layout,
    pointers: &[&'static str],
) -> Result<(Program, Output), EntryRefusal> {
    let MemorySegment { begin_addr: initial_pc, stop_ptr: final_pc } = segment(public, "program")?;
    if initial_pc != 1 {
        return Err(EntryRefusal::InitialPc { got: initial_pc });
    }
    if final_pc != 5 {
        return Err(EntryRefusal::FinalPc { got: final_pc });
    }
    let MemorySegment { begin_addr: frame, stop_ptr: final_ap } = segment(public, "execution")?;
    // The prologue has six words; the program and two cells precede the frame; addresses start at 1.
    let minimum = 6 + 3;
    if frame < minimum {
        return Err(EntryRefusal::AddressTooSmall { name: "initial ap", minimum, got: frame });
    }

    let mut page = Reader { cells: &public.public_memory, index: 0 };
    let program = values(page.take("program", 1, frame - 3)?);
    let count = pointers.len() as u64;
    // Word 3, the offset of the call, is free.
    for (index, expected) in [(0, ADVANCE_AP), (1, count), (2, CALL), (4, JUMP), (5, 0)] {
        let (expected, got) = (Felt::from_u64(expected), program[index]);
        if got != expected {
            return Err(EntryRefusal::ProgramWord { index, expected, got });
        }
    }
    let cells = page.take("initial frame", frame - 2, 2)?;
    for (cell, expected) in cells.iter().zip([frame, 0]) {
        let expected = Felt::from_u64(expected);
        if cell.value != expected {
            return Err(EntryRefusal::FrameCell { address: cell.address, expected, got: cell.value });
        }
    }
    let after_run = final_ap.checked_sub(count).filter(|&stack| stack >= frame);
    let minimum = frame.saturating_add(count);
    let after_run =
        after_run.ok_or(EntryRefusal::AddressTooSmall { name: "final ap", minimum, got: final_ap })?;
    for (side, from) in [(PointerSide::Begin, frame), (PointerSide::Stop, after_run)] {
        for (cell, &name) in page.take("builtin pointers", from, count)?.iter().zip(pointers) {
            let MemorySegment { begin_addr, stop_ptr } = match layout.segments.contains(&name) {
                true => segment(public, name)?,
                false => MemorySegment { begin_addr: 0, stop_ptr: 0 },
            };
            let expected = if side == PointerSide::Begin { begin_addr } else { stop_ptr };
            if cell.value != Felt::from_u64(expected) {
                return Err(EntryRefusal::BuiltinPointer { segment: name, side, expected, got: cell.value });
            }
        }
    }
    let output = output_segment(public)?;
    let output = values(page.take("output", output.begin_addr, length(output, "output stop pointer")?)?);
    if page.index != page.cells.len() {
        let (expected, got) = (page.index as u64, page.cells.len() as u64);
        return Err(EntryRefusal::TrailingCells { expected, got });
    }
    Ok((Program(program), Output(output)))
}

fn relaxed(public: &PublicInput) -> Result<Claim, EntryRefusal> {
    let program = segment(public, "program")?;
    let execution = segment(public, "execution")?;
    let output = output_segment(public)?;
    let addresses = [
        ("initial pc", program.begin_addr),
        ("initial ap", execution.begin_addr),
        ("final ap", execution.stop_ptr),
        ("output begin", output.begin_addr),
        ("output stop pointer", output.stop_ptr),
    ];
    for (name, got) in addresses {
        let limit = 1 << 32;
        if got >= limit {
            return Err(EntryRefusal::AddressTooLarge { name, limit, got });
        }
    }
    let words =
        MemorySegment { begin_addr: program.begin_addr.saturating_add(2), stop_ptr: execution.begin_addr };
    let mut page = Reader { cells: &public.public_memory, index: 0 };
    let words = values(page.take("program", program.begin_addr, length(words, "initial ap")?)?);
    let skipped = page.cells[page.index..].iter().position(|cell| cell.address >= output.begin_addr);
    page.index += skipped.ok_or(EntryRefusal::NoOutputCell { begin_addr: output.begin_addr })?;
    let output = values(page.take("output", output.begin_addr, length(output, "output stop pointer")?)?);
    Ok(Claim { form: EntryForm::Relaxed, program: Program(words), output: Output(output) })
}

fn cairo1(public: &PublicInput) -> Result<Claim, EntryRefusal> {
    let program = segment(public, "program")?;
    if program.begin_addr != 1 {
        return Err(EntryRefusal::InitialPc { got: program.begin_addr });
    }
    let cells = &public.public_memory;
    let expected = length(output_segment(public)?, "output stop pointer")?;
    let too_short = EntryRefusal::TooShort { part: "output", expected, got: cells.len() as u64 };
    let split =
        usize::try_from(expected).ok().and_then(|length| cells.len().checked_sub(length)).ok_or(too_short)?;
    let (program, output) = cells.split_at(split);
    Ok(Claim { form: EntryForm::Cairo1, program: Program(values(program)), output: Output(values(output)) })
}
