//! A submission: its fields, its files, and every rule that the service is known to check, before anything is uploaded.
//!
//! The same rules serve a server that takes such forms: a [`FormFault`] knows the code with which the service answers.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use crate::{
    error::Error,
    quoted::quoted,
    sierra,
    vocabulary::{CairoVersion, CairoVm, ErrorCode, Goal, JobSize, Layout, Network, SharpProver},
};

/// The media type of programs and JSON inputs.
pub const JSON: &str = "application/json";
/// The media type of text inputs.
pub const TEXT: &str = "text/plain";
/// The media type of position-independent executions.
pub const ZIP: &str = "application/zip";

/// The largest file that is uploaded: recorded runs uploaded up to 90 MB.
pub const MOST_UPLOAD_BYTES: u64 = 512 << 20;

/// The most characters of a label or a deduplication id.
const MOST_LABEL: usize = 128;

/// The layouts that Integrity verifies.
const INTEGRITY_LAYOUTS: [Layout; 2] = [Layout::Recursive, Layout::RecursiveWithPoseidon];

/// What is wrong with a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form's {field} cannot be sent: expected {expected}, got {got}")]
pub struct FormFault {
    /// The field.
    pub field: &'static str,
    /// What would be right.
    pub expected: &'static str,
    /// What it is.
    pub got: String,
    /// The code with which the service answers.
    pub code: ErrorCode,
}

/// A file of a form, with the digest that it had when it was attached.
#[derive(Clone, Debug)]
pub struct Attachment {
    media_type: String,
    file_name: String,
    content: Content,
    length: u64,
    sha256: [u8; 32],
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Arc<[u8]>),
    File(PathBuf),
}

impl Attachment {
    /// A file on disk, read once for its digest. It is read again when it is sent, and must not have changed.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Form`] if it has more than [`MOST_UPLOAD_BYTES`].
    pub fn from_file(path: &Path, media_type: &str) -> Result<Attachment, Error> {
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut hasher = Sha256::new();
        let mut bounded = (&mut file).take(MOST_UPLOAD_BYTES + 1);
        let length = io::copy(&mut bounded, &mut hasher).map_err(unreadable)?;
        let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file").to_owned();
        let content = Content::File(path.to_owned());
        Attachment::checked(media_type, file_name, content, length, hasher.finalize().into())
    }

    /// Bytes in memory.
    ///
    /// # Errors
    /// [`Error::Form`] if there are more than [`MOST_UPLOAD_BYTES`].
    pub fn from_bytes(bytes: Vec<u8>, file_name: &str, media_type: &str) -> Result<Attachment, Error> {
        let (length, sha256) = (bytes.len() as u64, Sha256::digest(&bytes).into());
        Attachment::checked(media_type, file_name.to_owned(), Content::Bytes(bytes.into()), length, sha256)
    }

    fn checked(
        media_type: &str,
        file_name: String,
        content: Content,
        length: u64,
        sha256: [u8; 32],
    ) -> Result<Attachment, Error> {
        if length == 0 || length > MOST_UPLOAD_BYTES {
            return Err(FormFault {
                field: "file",
                expected: "1 byte to 512 MiB",
                got: format!("{length} bytes of {}", quoted(&file_name)),
                code: ErrorCode::ZodInvalidBodyString,
            }
            .into());
        }
        Ok(Attachment { media_type: media_type.to_owned(), file_name, content, length, sha256 })
    }

    /// Its media type.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Its file name, without folders.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The SHA-256 of its bytes.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// Opens the content from its beginning.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match &self.content {
            Content::Bytes(bytes) => Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
            Content::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(0))?;
                Ok(Box::new(file))
            }
        }
    }

    /// The first bytes.
    fn beginning(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.take(64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A submission. `Default` is an empty form, which [`Form::check`] refuses.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// A program: Sierra JSON or compiled Cairo 0 JSON.
    pub program_file: Option<Attachment>,
    /// A position-independent execution, made by a run here. The recommended way: no compiler of the service is involved.
    pub pie_file: Option<Attachment>,
    /// What a program is called with.
    pub input_file: Option<Attachment>,
    /// A program that the service has seen before.
    pub program_hash: Option<String>,
    /// How large the job is; see [`crate::declared_size`].
    pub declared_job_size: Option<JobSize>,
    /// The layout.
    pub layout: Option<Layout>,
    /// The language.
    pub cairo_version: Option<CairoVersion>,
    /// The virtual machine.
    pub cairo_vm: Option<CairoVm>,
    /// What the query is to end with.
    pub result: Option<Goal>,
    /// The network of the fact.
    pub network: Option<Network>,
    /// The prover; leave it out unless configured.
    pub sharp_prover: Option<SharpProver>,
    /// Registers a pretended fact, which [`crate::examine`] never counts.
    pub mock_fact_hash: Option<bool>,
    /// A label, neither unique nor idempotent.
    pub external_id: Option<String>,
    /// The deduplication id; the client sets it.
    pub dedup_id: Option<String>,
}

impl Form {
    /// The form's text fields as they stand on the wire, in the order in which they are sent.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let word = |name, word: Option<&str>| word.map(|word| (name, word.to_owned()));
        [
            word("declaredJobSize", self.declared_job_size.as_ref().map(JobSize::as_str)),
            word("programHash", self.program_hash.as_deref()),
            word("layout", self.layout.as_ref().map(Layout::as_str)),
            word("cairoVersion", self.cairo_version.as_ref().map(CairoVersion::as_str)),
            word("cairoVm", self.cairo_vm.as_ref().map(CairoVm::as_str)),
            word("result", self.result.as_ref().map(Goal::as_str)),
            word("network", self.network.as_ref().map(Network::as_str)),
            word("sharpProver", self.sharp_prover.as_ref().map(SharpProver::as_str)),
            word("mockFactHash", self.mock_fact_hash.map(|mock| if mock { "true" } else { "false" })),
            word("externalId", self.external_id.as_deref()),
            word("dedupId", self.dedup_id.as_deref()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The form's files with the names of their fields.
    pub fn files(&self) -> Vec<(&'static str, &Attachment)> {
        [
            ("programFile", self.program_file.as_ref()),
            ("pieFile", self.pie_file.as_ref()),
            ("inputFile", self.input_file.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, file)| Some((name, file?)))
        .collect()
    }

    /// The same job with the next larger size, after it ran out of memory; `None` if there is none. Its deduplication id
    /// is another.
    pub fn with_larger_size(&self) -> Option<Form> {
        let larger = self.declared_job_size.as_ref()?.larger()?;
        Some(Form { declared_job_size: Some(larger), dedup_id: None, ..self.clone() })
    }

    /// Checks every rule on fields and media types. Contents are looked at by [`Form::check_contents`].
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), FormFault> {
        self.check_source()?;
        self.check_words()?;
        self.check_input()?;
        if self.cairo_version == Some(CairoVersion::Cairo1) && self.cairo_vm == Some(CairoVm::Python) {
            return fault("cairoVm", "rust for cairo1", "python".to_owned(), ErrorCode::Cairo1NotForPython);
        }
        let verified = self.result.as_ref().filter(|goal| goal.is_verification());
        if let (Some(goal), None) = (verified, &self.network) {
            return fault("network", "a network for a fact", goal.to_string(), ErrorCode::ChainIsRequired);
        }
        self.check_layout()
    }

    fn check_source(&self) -> Result<(), FormFault> {
        let sources = [self.program_file.is_some(), self.pie_file.is_some(), self.program_hash.is_some()];
        let count = sources.into_iter().filter(|given| *given).count();
        if count != 1 {
            let expected = "one of programFile, pieFile and programHash";
            return fault("source", expected, format!("{count} of them"), ErrorCode::SourceIsRequired);
        }
        let typed = |file: &Option<Attachment>, media_type| {
            file.as_ref().map_or(Ok(()), |file| {
                if file.media_type == media_type { Ok(()) } else { Err(quoted(&file.media_type)) }
            })
        };
        typed(&self.program_file, JSON)
            .or_else(|got| fault("programFile", JSON, got, ErrorCode::ProgramFileShouldBeJson))?;
        typed(&self.pie_file, ZIP)
            .or_else(|got| fault("pieFile", ZIP, got, ErrorCode::PieFileShouldBeZip))?;
        let hash = self.program_hash.as_deref();
        if let Some(hash) = hash.filter(|hash| hash.parse::<ashlar_field::Felt>().is_err()) {
            let expected = "a field element";
            return fault("programHash", expected, quoted(hash), ErrorCode::ZodInvalidBodyString);
        }
        Ok(())
    }

    fn check_words(&self) -> Result<(), FormFault> {
        let Some(size) = &self.declared_job_size else {
            let expected = "a job size, which is mandatory";
            return fault("declaredJobSize", expected, "none".to_owned(), ErrorCode::ZodInvalidBodyString);
        };
        let words = [
            ("declaredJobSize", size.is_known()),
            ("layout", self.layout.as_ref().is_none_or(Layout::is_known)),
            ("cairoVersion", self.cairo_version.as_ref().is_none_or(CairoVersion::is_known)),
            ("cairoVm", self.cairo_vm.as_ref().is_none_or(CairoVm::is_known)),
            ("result", self.result.as_ref().is_none_or(Goal::is_known)),
            ("network", self.network.as_ref().is_none_or(Network::is_known)),
            ("sharpProver", self.sharp_prover.as_ref().is_none_or(SharpProver::is_known)),
        ];
        if let Some((field, _)) = words.into_iter().find(|(_, known)| !known) {
            let got = self.fields().into_iter().find(|(name, _)| *name == field);
            let got = got.map_or_else(String::new, |(_, word)| quoted(&word));
            return fault(field, "a word on record", got, ErrorCode::ZodInvalidBodyString);
        }
        for (field, label) in [("externalId", &self.external_id), ("dedupId", &self.dedup_id)] {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
            let fits = |label: &String| (1..=MOST_LABEL).contains(&label.len()) && label.bytes().all(plain);
            if let Some(label) = label.as_ref().filter(|label| !fits(label)) {
                let expected = "1 to 128 ASCII letters, digits and -_.:";
                return fault(field, expected, quoted(label), ErrorCode::ZodInvalidBodyString);
            }
        }
        Ok(())
    }

    fn check_input(&self) -> Result<(), FormFault> {
        let Some(input) = &self.input_file else { return Ok(()) };
        let got = quoted(&input.media_type);
        if self.pie_file.is_some() {
            let expected = "no input: a position-independent execution holds its own";
            return fault("inputFile", expected, got, ErrorCode::InvalidFileMimeType);
        }
        match (&self.cairo_version, &self.cairo_vm, input.media_type.as_str()) {
            (Some(CairoVersion::Cairo0), Some(CairoVm::Rust), _) => {
                fault("inputFile", "none for cairo0 on rust", got, ErrorCode::InputNotForCairo0Rust)
            }
            (Some(CairoVersion::Cairo1), _, TEXT)
            | (Some(CairoVersion::Cairo0), _, JSON)
            | (None, _, TEXT | JSON) => Ok(()),
            (Some(CairoVersion::Cairo1), ..) => {
                fault("inputFile", "text/plain for cairo1", got, ErrorCode::InputFileForCairo1ShouldBeTxt)
            }
            (Some(CairoVersion::Cairo0), ..) => fault(
                "inputFile",
                "application/json for cairo0",
                got,
                ErrorCode::InputFileForCairo0ShouldBeJson,
            ),
            _ => fault(
                "inputFile",
                "application/json or text/plain",
                got,
                ErrorCode::InputFileShouldBeJsonOrTxt,
            ),
        }
    }

    /// Stone proofs for Starknet go to Integrity, which verifies two layouts. The shared Stwo prover takes any.
    fn check_layout(&self) -> Result<(), FormFault> {
        let to_integrity = self.sharp_prover == Some(SharpProver::Stone)
            && matches!(
                self.result,
                Some(Goal::ProofVerificationOnL2 | Goal::ProofVerificationOnL2WithTranslation)
            );
        match &self.layout {
            Some(layout)
                if to_integrity && *layout != Layout::Auto && !INTEGRITY_LAYOUTS.contains(layout) =>
            {
                let expected = "recursive or recursive_with_poseidon, which Integrity verifies";
                fault("layout", expected, layout.to_string(), ErrorCode::LayoutNotForIntegrity)
            }
            _ => Ok(()),
        }
    }

    /// Checks [`Form::check`], and that the files are what their media types say: an archive, JSON, numbers in brackets,
    /// an entry point that the service can call.
    ///
    /// # Errors
    /// [`Error::Form`], [`Error::Unreadable`].
    pub fn check_contents(&self) -> Result<(), Error> {
        self.check()?;
        if let Some(pie) = &self.pie_file
            && !read(pie, Attachment::beginning)?.starts_with(b"PK\x03\x04")
        {
            let expected = "a ZIP archive with files in it";
            return Ok(fault("pieFile", expected, "another file".to_owned(), ErrorCode::PieFileShouldBeZip)?);
        }
        if let Some(program) = &self.program_file {
            sierra::check(program, self.cairo_version.as_ref())?;
        }
        if let Some(input) = &self.input_file {
            let well_formed = match input.media_type.as_str() {
                TEXT => is_argument_text(&read(input, whole_input)?),
                _ => serde_json::from_slice::<serde::de::IgnoredAny>(&read(input, whole_input)?).is_ok(),
            };
            if !well_formed {
                let expected = "JSON, or for cairo1 numbers and [brackets] between spaces";
                let got = "something else".to_owned();
                return Ok(fault("inputFile", expected, got, ErrorCode::InputFileShouldBeJsonOrTxt)?);
            }
        }
        Ok(())
    }
}

fn fault<T>(
    field: &'static str,
    expected: &'static str,
    got: String,
    code: ErrorCode,
) -> Result<T, FormFault> {
    Err(FormFault { field, expected, got, code })
}

pub(crate) fn read<T>(file: &Attachment, how: impl FnOnce(&Attachment) -> io::Result<T>) -> Result<T, Error> {
    how(file).map_err(|source| Error::Unreadable { path: file.file_name.clone().into(), source })
}

/// An input is arguments, not data by the megabyte.
const MOST_INPUT_BYTES: u64 = 16 << 20;

fn whole_input(file: &Attachment) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.open()?.take(MOST_INPUT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Decimal or hexadecimal numbers between spaces, with brackets that match.
fn is_argument_text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut depth = 0usize;
    for word in text.split_ascii_whitespace() {
        let opened = word.bytes().take_while(|byte| *byte == b'[').count();
        let rest = word.get(opened..).unwrap_or_default();
        let closed = rest.bytes().rev().take_while(|byte| *byte == b']').count();
        let number = rest.get(..rest.len() - closed).unwrap_or_default();
        if !number.is_empty()
            && number.strip_prefix('-').unwrap_or(number).parse::<ashlar_field::Felt>().is_err()
        {
            return false;
        }
        match (depth + opened).checked_sub(closed) {
            Some(left) => depth = left,
            None => return false,
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(media_type: &str, bytes: &[u8]) -> Attachment {
        Attachment::from_bytes(bytes.to_vec(), "file", media_type).unwrap()
    }

    fn pie() -> Form {
        Form {
            pie_file: Some(file(ZIP, b"PK\x03\x04rest")),
            declared_job_size: Some(JobSize::S),
            ..Form::default()
        }
    }

    fn program(version: CairoVersion, vm: CairoVm) -> Form {
        Form {
            program_file: Some(file(JSON, b"{}")),
            declared_job_size: Some(JobSize::S),
            cairo_version: Some(version),
            cairo_vm: Some(vm),
            ..Form::default()
        }
    }

    #[test]
    fn each_rule_of_the_service_is_known_by_its_code() {
        use CairoVersion::{Cairo0, Cairo1};
        use CairoVm::{Python, Rust};
        let cases = [
            (Form { pie_file: None, ..pie() }, ErrorCode::SourceIsRequired),
            (Form { program_hash: Some("0x1".to_owned()), ..pie() }, ErrorCode::SourceIsRequired),
            (Form { pie_file: Some(file(JSON, b"PK")), ..pie() }, ErrorCode::PieFileShouldBeZip),
            (
                Form { program_file: Some(file(TEXT, b"{}")), ..program(Cairo1, Rust) },
                ErrorCode::ProgramFileShouldBeJson,
            ),
            (Form { declared_job_size: None, ..pie() }, ErrorCode::ZodInvalidBodyString),
            (
                Form { layout: Some(Layout::Unknown("huge".to_owned())), ..pie() },
                ErrorCode::ZodInvalidBodyString,
            ),
            (Form { external_id: Some("a\r\nb".to_owned()), ..pie() }, ErrorCode::ZodInvalidBodyString),
            (Form { dedup_id: Some(String::new()), ..pie() }, ErrorCode::ZodInvalidBodyString),
            (program(Cairo1, Python), ErrorCode::Cairo1NotForPython),
            (
                Form { input_file: Some(file(JSON, b"{}")), ..program(Cairo0, Rust) },
                ErrorCode::InputNotForCairo0Rust,
            ),
            (
                Form { input_file: Some(file(TEXT, b"1")), ..program(Cairo0, Python) },
                ErrorCode::InputFileForCairo0ShouldBeJson,
            ),
            (
                Form { input_file: Some(file(JSON, b"1")), ..program(Cairo1, Rust) },
                ErrorCode::InputFileForCairo1ShouldBeTxt,
            ),
            (
                Form { input_file: Some(file(ZIP, b"1")), cairo_version: None, ..program(Cairo1, Rust) },
                ErrorCode::InputFileShouldBeJsonOrTxt,
            ),
            (Form { input_file: Some(file(TEXT, b"1")), ..pie() }, ErrorCode::InvalidFileMimeType),
            (Form { result: Some(Goal::ProofVerificationOnL2), ..pie() }, ErrorCode::ChainIsRequired),
            (
                Form {
                    result: Some(Goal::ProofVerificationOnL2),
                    network: Some(Network::Testnet),
                    sharp_prover: Some(SharpProver::Stone),
                    layout: Some(Layout::AllCairo),
                    ..pie()
                },
                ErrorCode::LayoutNotForIntegrity,
            ),
        ];
        for (form, code) in cases {
            assert_eq!(form.check().unwrap_err().code, code, "{form:?}");
        }
    }

    #[test]
    fn good_forms_pass() {
        pie().check_contents().unwrap();
        let recorded = Form {
            layout: Some(Layout::Auto),
            result: Some(Goal::ProofVerificationOnL2),
            network: Some(Network::Testnet),
            cairo_version: Some(CairoVersion::Cairo1),
            cairo_vm: Some(CairoVm::Rust),
            mock_fact_hash: Some(false),
            external_id: Some("pile10-reference-b".to_owned()),
            ..pie()
        };
        recorded.check_contents().unwrap();
        let hash = Form { pie_file: None, program_hash: Some("0x12".to_owned()), ..pie() };
        hash.check().unwrap();
    }

    #[test]
    fn files_must_be_what_they_are_called() {
        for (form, code) in [
            (Form { pie_file: Some(file(ZIP, b"{}")), ..pie() }, ErrorCode::PieFileShouldBeZip),
            (
                Form {
                    input_file: Some(file(TEXT, b"[1 2")),
                    program_file: Some(file(JSON, br#"{"program":{"funcs":[]}}"#)),
                    ..program(CairoVersion::Cairo1, CairoVm::Rust)
                },
                ErrorCode::InputFileShouldBeJsonOrTxt,
            ),
        ] {
            let Err(Error::Form(fault)) = form.check_contents() else { panic!("{form:?} passed") };
            assert_eq!(fault.code, code);
        }
        assert!(Attachment::from_bytes(Vec::new(), "empty", ZIP).is_err());
    }

    #[test]
    fn arguments_are_numbers_in_brackets() {
        for right in ["", "1", "[1 2 [3 4]]", "0x12 -5\n[ ]", "[[1] [2]]"] {
            assert!(is_argument_text(right.as_bytes()), "{right}");
        }
        for wrong in ["[1", "1]", "] [", "a", "1,2", "{}", "[1]2"] {
            assert!(!is_argument_text(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_larger_size_is_another_submission() {
        let larger = Form { dedup_id: Some("d".to_owned()), ..pie() }.with_larger_size().unwrap();
        assert_eq!((larger.declared_job_size, larger.dedup_id), (Some(JobSize::M), None));
        assert!(Form { declared_job_size: Some(JobSize::L), ..pie() }.with_larger_size().is_none());
    }
}
