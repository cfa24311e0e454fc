//! From a form to a task of the engine, and what cannot be taken here.

use std::collections::BTreeMap;

use ashlar_atlantic::{
    Attachment, CairoVersion, CairoVm, ErrorCode, Form, Goal, JobSize, Layout, Network, SharpProver, TEXT,
};
use ashlar_engine::{CompiledProgram, FinishedRunTask, ProgramTask, Task};
use ashlar_store::StoredContent;
use serde_json::{Map, Value, json};

use super::{
    multipart::{BEGINNING, File, Keep, Parts},
    refusal::AtlanticRefusal,
};
use crate::body::Upload;

/// The longest input, in bytes: what the engine takes as arguments.
const LONGEST_INPUT: usize = 1 << 20;

/// Every archive of files begins so.
const ARCHIVE: &[u8; BEGINNING] = b"PK\x03\x04";

/// The most steps that the engine takes.
const MOST_STEPS: u64 = 1 << 24;

/// What is to be proven, as the form names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Program,
    FinishedRun,
}

/// A form that can be served.
#[derive(Debug)]
pub(super) struct Asked {
    source: Source,
    /// The program or the finished run, which is on the disk without a name as yet.
    pub(super) upload: Option<Upload>,
    arguments: Option<String>,
    layout: Option<String>,
    /// The most that the declared size has.
    pub(super) steps: u64,
    /// The sender's deduplication id.
    pub(super) dedup_id: Option<String>,
    /// The form's fields, for the answers about it.
    pub(super) note: Value,
}

impl Asked {
    /// What the engine is to prove of so many steps, once the file has a name; a finished run inside this bootloader.
    ///
    /// # Errors
    /// Without a bootloader finished runs are refused.
    pub(super) fn task(
        &self,
        content: StoredContent,
        bootloader: Option<&CompiledProgram>,
        steps: u64,
    ) -> Result<Task, AtlanticRefusal> {
        let (arguments, layout) = (self.arguments.clone(), self.layout.clone());
        Ok(match self.source {
            Source::Program => Task::Program(ProgramTask {
                program: content.into(),
                arguments,
                layout,
                as_built: false,
                steps,
            }),
            Source::FinishedRun => {
                let bootloader = bootloader.ok_or_else(no_bootloader)?.clone();
                Task::FinishedRun(FinishedRunTask { archive: content, bootloader, layout, steps })
            }
        })
    }
}

fn no_bootloader() -> AtlanticRefusal {
    AtlanticRefusal::unsupported(
        "pieFile",
        "finished runs are proven inside a bootloader, and this server was given none (ashlar serve --bootloader \
         FILE): send the program as programFile",
    )
}

/// What of a file is kept. An archive is never unpacked here: without a bootloader only its beginning is looked at, and
/// with one it is opened by the process that proves it.
pub(super) fn keep(name: &str, most_program_bytes: usize, has_bootloader: bool) -> Option<Keep> {
    match name {
        "programFile" => Some(Keep::Stored(most_program_bytes)),
        "inputFile" => Some(Keep::Whole(LONGEST_INPUT)),
        "pieFile" if has_bootloader => Some(Keep::Stored(most_program_bytes)),
        "pieFile" => Some(Keep::Beginning),
        _ => None,
    }
}

/// Checks a form by the service's rules, then by what can be done here.
pub(super) fn read(mut parts: Parts, has_bootloader: bool) -> Result<Asked, AtlanticRefusal> {
    let form = typed(&parts)?;
    form.check()?;
    if parts.files.get("pieFile").is_some_and(|file| !file.bytes.starts_with(ARCHIVE)) {
        let detail = "pieFile: expected a ZIP archive, got another file";
        return Err(AtlanticRefusal::form(ErrorCode::PieFileShouldBeZip, detail));
    }
    refuse_unsupported(&form, has_bootloader)?;
    if form.program_hash.is_some() {
        let detail = "programHash: programs are not kept for later queries here: send programFile";
        return Err(AtlanticRefusal::form(ErrorCode::ProgramNotFound, detail));
    }
    let (source, field) = match form.pie_file {
        Some(_) => (Source::FinishedRun, "pieFile"),
        None => (Source::Program, "programFile"),
    };
    let upload = parts.files.remove(field).and_then(|file| file.upload);
    let arguments = arguments(parts.files.remove("inputFile"))?;
    let layout = form
        .layout
        .as_ref()
        .filter(|layout| **layout != Layout::Auto)
        .map(|layout| layout.as_str().to_owned());
    let steps = most_steps(form.declared_job_size.as_ref());
    let (dedup_id, note) = (form.dedup_id.clone(), note(&form));
    Ok(Asked { source, upload, arguments, layout, steps, dedup_id, note })
}

/// The fields as types, with the media types of the files.
fn typed(parts: &Parts) -> Result<Form, AtlanticRefusal> {
    let Parts { fields, files, .. } = parts;
    let known = [
        "declaredJobSize",
        "layout",
        "cairoVersion",
        "cairoVm",
        "result",
        "network",
        "mockFactHash",
        "sharpProver",
        "programHash",
        "externalId",
        "dedupId",
        "client",
        "projectId",
    ];
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(AtlanticRefusal::unsupported(&crate::call::shortened(name), "not offered here"));
    }
    let word = |name: &str| fields.get(name).map(String::as_str);
    let file = |name: &str| attachment(name, files);
    let mock_fact_hash = match word("mockFactHash") {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(AtlanticRefusal::unsupported("mockFactHash", "expected true or false")),
    };
    Ok(Form {
        program_file: file("programFile")?,
        pie_file: file("pieFile")?,
        input_file: file("inputFile")?,
        program_hash: word("programHash").map(str::to_owned),
        declared_job_size: word("declaredJobSize").map(JobSize::from_word),
        layout: word("layout").map(Layout::from_word),
        cairo_version: word("cairoVersion").map(CairoVersion::from_word),
        cairo_vm: word("cairoVm").map(CairoVm::from_word),
        result: word("result").map(Goal::from_word),
        network: word("network").map(Network::from_word),
        sharp_prover: word("sharpProver").map(SharpProver::from_word),
        mock_fact_hash,
        external_id: word("externalId").map(str::to_owned),
        dedup_id: word("dedupId").map(str::to_owned),
    })
}

/// A file for the rules on fields and media types, which do not look into it.
fn attachment(name: &str, files: &BTreeMap<String, File>) -> Result<Option<Attachment>, AtlanticRefusal> {
    let Some(file) = files.get(name) else { return Ok(None) };
    let beginning = file.bytes.get(..BEGINNING.min(file.bytes.len())).unwrap_or_default().to_vec();
    Attachment::from_bytes(beginning, name, &file.media_type)
        .map(Some)
        .map_err(|_| AtlanticRefusal::unsupported(name, "expected a file that is not empty"))
}

/// What the service offers and this server does not.
fn refuse_unsupported(form: &Form, has_bootloader: bool) -> Result<(), AtlanticRefusal> {
    let refused = |field: &str, detail: &str| Err(AtlanticRefusal::unsupported(field, detail));
    if form.pie_file.is_some() && !has_bootloader {
        return Err(no_bootloader());
    }
    if form.input_file.as_ref().is_some_and(|input| input.media_type() != TEXT) {
        return refused(
            "inputFile",
            "expected text/plain: inputs in JSON are for a machine that is not here",
        );
    }
    match &form.result {
        None | Some(Goal::ProofGeneration) => {}
        Some(_) => {
            return refused("result", "expected PROOF_GENERATION: this server proves, and registers nothing");
        }
    }
    match &form.sharp_prover {
        None | Some(SharpProver::Stone) => {}
        Some(_) => return refused("sharpProver", "expected stone or nothing"),
    }
    if form.mock_fact_hash == Some(true) {
        return refused("mockFactHash", "nothing is pretended here");
    }
    if form.cairo_vm == Some(CairoVm::Python) {
        return refused("cairoVm", "expected rust");
    }
    Ok(())
}

fn arguments(input: Option<File>) -> Result<Option<String>, AtlanticRefusal> {
    let Some(input) = input else { return Ok(None) };
    let text = String::from_utf8(input.bytes)
        .map_err(|_| AtlanticRefusal::unsupported("inputFile", "expected text"))?;
    Ok(Some(text))
}

/// The most steps of a declared size, as far as the engine goes.
fn most_steps(size: Option<&JobSize>) -> u64 {
    let documented = match size {
        Some(JobSize::Xs) => 6_500_000,
        Some(JobSize::S) => 13_000_000,
        _ => MOST_STEPS,
    };
    documented.min(MOST_STEPS)
}

/// The size that a run of so many steps has.
pub(super) fn size_of(steps: u64) -> JobSize {
    match steps {
        0..6_500_000 => JobSize::Xs,
        6_500_000..=13_000_000 => JobSize::S,
        13_000_001..=30_000_000 => JobSize::M,
        _ => JobSize::L,
    }
}

fn note(form: &Form) -> Value {
    let fields = form.fields().into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
    Value::Object(fields.collect::<Map<String, Value>>())
}

#[cfg(test)]
mod tests {
    use ashlar_store::ContentHash;

    use super::*;

    fn parts(fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Parts {
        Parts {
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            files: files
                .iter()
                .map(|(name, media_type, bytes)| {
                    let file =
                        File { media_type: (*media_type).to_owned(), bytes: bytes.to_vec(), upload: None };
                    ((*name).to_owned(), file)
                })
                .collect(),
            share: None,
        }
    }

    const PROGRAM: (&str, &str, &[u8]) = ("programFile", "application/json", b"{\"a\": 1}");

    #[test]
    fn a_program_with_its_input_is_a_task() {
        let fields = [
            ("declaredJobSize", "S"),
            ("cairoVersion", "cairo1"),
            ("layout", "recursive"),
            ("dedupId", "d-1"),
            ("externalId", "label"),
            ("result", "PROOF_GENERATION"),
            ("network", "TESTNET"),
        ];
        let files = [PROGRAM, ("inputFile", "text/plain", &b"[1 2]"[..])];
        let asked = read(parts(&fields, &files), false).unwrap();
        let content = StoredContent { sha256: ContentHash::of(PROGRAM.2), size: PROGRAM.2.len() as u64 };
        let Task::Program(task) = asked.task(content, None, asked.steps).unwrap() else {
            panic!("{asked:?}")
        };
        assert_eq!((task.steps, task.layout.as_deref()), (13_000_000, Some("recursive")));
        assert_eq!((task.arguments.as_deref(), asked.dedup_id.as_deref()), (Some("[1 2]"), Some("d-1")));
        assert_eq!((task.program.sha256(), task.program.size()), (content.sha256, content.size));
        assert_eq!((&asked.note["externalId"], &asked.note["network"]), (&json!("label"), &json!("TESTNET")));
        let fields = [("declaredJobSize", "L"), ("layout", "auto")];
        let automatic = read(parts(&fields, &[PROGRAM]), false).unwrap();
        assert_eq!((automatic.steps, automatic.layout), (MOST_STEPS, None));
    }

    #[test]
    fn a_finished_run_is_a_task_where_there_is_a_bootloader() {
        let fields = [("declaredJobSize", "S"), ("layout", "starknet"), ("result", "PROOF_GENERATION")];
        let zip = ("pieFile", "application/zip", &b"PK\x03\x04 and more"[..]);
        let content = StoredContent { sha256: ContentHash::of(zip.2), size: zip.2.len() as u64 };
        let bootloader = CompiledProgram::Bytes(b"a bootloader".to_vec());
        let asked = read(parts(&fields, &[zip]), true).unwrap();
        let task = asked.task(content, Some(&bootloader), 1 << 20).unwrap();
        let Task::FinishedRun(task) = task else { panic!("{task:?}") };
        assert_eq!((task.archive.sha256, task.steps), (content.sha256, 1 << 20));
        assert_eq!(task.bootloader.sha256(), ContentHash::of(b"a bootloader"));
        assert_eq!((asked.steps, task.layout.as_deref()), (13_000_000, Some("starknet")));

        for refused in [
            read(parts(&fields, &[zip]), false).unwrap_err(),
            asked.task(content, None, asked.steps).unwrap_err(),
        ] {
            assert_eq!(refused.code, ErrorCode::ZodInvalidBodyString);
            assert!(refused.detail.contains("--bootloader"), "{refused}");
        }
        assert_eq!(keep("pieFile", 100, true), Some(Keep::Stored(100)));
        assert_eq!(keep("pieFile", 100, false), Some(Keep::Beginning));
    }

    #[test]
    fn the_service_s_rules_are_kept_with_its_codes() {
        let size = ("declaredJobSize", "S");
        let zip = ("pieFile", "application/zip", &b"PK\x03\x04"[..]);
        for (fields, files, code) in [
            (vec![], vec![PROGRAM], ErrorCode::ZodInvalidBodyString),
            (vec![("declaredJobSize", "XXL")], vec![PROGRAM], ErrorCode::ZodInvalidBodyString),
            (vec![size], vec![], ErrorCode::SourceIsRequired),
            (vec![size], vec![PROGRAM, zip], ErrorCode::SourceIsRequired),
            (vec![size], vec![("programFile", "text/plain", &b"{}"[..])], ErrorCode::ProgramFileShouldBeJson),
            (
                vec![size],
                vec![("pieFile", "application/json", &b"PK\x03\x04"[..])],
                ErrorCode::PieFileShouldBeZip,
            ),
            (vec![size], vec![("pieFile", "application/zip", &b"MZ"[..])], ErrorCode::PieFileShouldBeZip),
            (vec![size, ("programHash", "0x1")], vec![], ErrorCode::ProgramNotFound),
            (
                vec![size, ("cairoVersion", "cairo1"), ("cairoVm", "python")],
                vec![PROGRAM],
                ErrorCode::Cairo1NotForPython,
            ),
            (vec![size, ("result", "PROOF_VERIFICATION_ON_L2")], vec![PROGRAM], ErrorCode::ChainIsRequired),
            (
                vec![size, ("cairoVersion", "cairo0"), ("cairoVm", "rust")],
                vec![PROGRAM, ("inputFile", "application/json", &b"{}"[..])],
                ErrorCode::InputNotForCairo0Rust,
            ),
        ] {
            for has_bootloader in [false, true] {
                let refused = read(parts(&fields, &files), has_bootloader).unwrap_err();
                assert_eq!(refused.code, code, "{fields:?}");
            }
        }
    }

    #[test]
    fn what_only_the_service_can_do_is_refused_as_something_it_has_retired() {
        let size = ("declaredJobSize", "S");
        let zip = ("pieFile", "application/zip", &b"PK\x03\x04"[..]);
        for (more, files) in [
            (vec![], vec![zip]),
            (vec![("result", "TRACE_GENERATION")], vec![PROGRAM]),
            (vec![("result", "PROOF_VERIFICATION_ON_L1"), ("network", "TESTNET")], vec![PROGRAM]),
            (vec![("sharpProver", "stwo")], vec![PROGRAM]),
            (vec![("mockFactHash", "true")], vec![PROGRAM]),
            (vec![("cairoVm", "python"), ("cairoVersion", "cairo0")], vec![PROGRAM]),
            (vec![("bucketId", "b")], vec![PROGRAM]),
            (vec![], vec![PROGRAM, ("inputFile", "application/json", &b"{}"[..])]),
        ] {
            let fields: Vec<_> = std::iter::once(size).chain(more).collect();
            let refusal = read(parts(&fields, &files), false).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::ZodInvalidBodyString, "{fields:?}: {refusal}");
        }
    }
}
