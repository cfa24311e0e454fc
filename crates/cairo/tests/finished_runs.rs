//! Finished runs of somebody else's: what is read of an archive, and what is refused before anything runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read as _, Write as _},
    path::PathBuf,
};

use ashlar_cairo::{
    Arguments, Bootloader, CairoError, FinishedRun, FinishedRunError, Limits, PositionIndependentExecution,
    Program, execute_position_independently,
};
use serde_json::{Value, json};
use zip::{ZipArchive, ZipWriter, write::FileOptions};

/// The files of an archive, by name.
type Files = BTreeMap<String, Vec<u8>>;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/stone/small_512_fib").join(name)
}

/// A finished run of the Fibonacci program, as this program hands runs to others.
fn finished() -> (PositionIndependentExecution, Vec<u8>) {
    let program = Program::from_bytes(&fs::read(fixture("program.json")).unwrap()).unwrap();
    let arguments = Arguments::from_json(&fs::read(fixture("program_input.json")).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.zip");
    let made = execute_position_independently(&program, &arguments, &Limits::default(), &path).unwrap();
    (made, fs::read(path).unwrap())
}

fn unpacked(archive: &[u8]) -> Files {
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut files = Files::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.insert(file.name().to_owned(), bytes);
    }
    files
}

fn packed(files: &Files) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = FileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in files {
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn read(files: &Files) -> Result<FinishedRun, FinishedRunError> {
    FinishedRun::from_archive(&packed(files), &Limits::default())
}

/// The same files with one JSON file changed.
fn with_json(files: &Files, name: &str, change: impl FnOnce(&mut Value)) -> Files {
    let mut files = files.clone();
    let mut json: Value = serde_json::from_slice(&files[name]).unwrap();
    change(&mut json);
    files.insert(name.to_owned(), serde_json::to_vec(&json).unwrap());
    files
}

/// The same files with the memory changed.
fn with_memory(files: &Files, change: impl FnOnce(&mut Vec<u8>)) -> Files {
    let mut files = files.clone();
    change(files.get_mut("memory.bin").unwrap());
    files
}

const CELL: usize = 40;

/// A cell of the memory file.
fn cell(segment: u64, offset: u64, value: u64) -> Vec<u8> {
    let mut bytes = (1 << 63 | segment << 47 | offset).to_le_bytes().to_vec();
    bytes.extend(value.to_le_bytes());
    bytes.resize(CELL, 0);
    bytes
}

#[test]
fn what_was_handed_to_others_is_read_back() {
    let (made, archive) = finished();
    let run = FinishedRun::from_archive(&archive, &Limits::default()).unwrap();
    assert_eq!((run.task().program_hash, &run.task().output), (made.program_hash, &made.output));
    assert_eq!(
        (run.steps(), run.builtins()),
        (made.steps, vec!["output", "pedersen", "range_check", "ecdsa"])
    );
    assert!(!made.output.is_empty());
    // A version is said by some writers only.
    let mut files = unpacked(&archive);
    files.remove("version.json");
    assert_eq!(read(&files).unwrap().task(), run.task());
}

#[test]
fn what_is_no_archive_of_a_run_is_refused_before_it_is_unpacked() {
    let (_, archive) = finished();
    let files = unpacked(&archive);
    let refused = |archive: &[u8]| FinishedRun::from_archive(archive, &Limits::default()).unwrap_err();
    for bytes in [&b""[..], b"PK\x03\x04", b"PK\x05\x06", &archive[..archive.len() / 2], &[0; 1000]] {
        assert!(matches!(refused(bytes), FinishedRunError::NotAnArchive { .. }), "{bytes:.10?}");
    }
    for name in ["../../etc/passwd", "/etc/passwd", "memory.bin/", "folder/metadata.json", "memory.bin\0"] {
        let mut more = files.clone();
        more.remove("version.json");
        more.insert(name.to_owned(), b"x".to_vec());
        let error = read(&more).unwrap_err();
        assert!(matches!(error, FinishedRunError::NotAnArchive { .. }), "{name}: {error}");
    }
    for name in ["metadata.json", "memory.bin", "additional_data.json", "execution_resources.json"] {
        let mut fewer = files.clone();
        fewer.remove(name);
        assert!(matches!(read(&fewer).unwrap_err(), FinishedRunError::NotAnArchive { .. }), "{name}");
    }
    let mut many = files.clone();
    (0..10).for_each(|index| drop(many.insert(format!("{index}"), Vec::new())));
    assert!(matches!(read(&many).unwrap_err(), FinishedRunError::TooLarge { .. }));
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused_by_what_it_says_and_by_what_it_holds() {
    let (_, archive) = finished();
    let files = unpacked(&archive);
    let bomb = |name: &str, length: usize| {
        let mut files = files.clone();
        files.insert(name.to_owned(), vec![b' '; length]);
        packed(&files)
    };
    let limits = Limits::default();
    for (archive, because) in [
        (bomb("metadata.json", 40 << 20), "metadata.json"),
        (bomb("memory.bin", CELL << 20), "unpacked bytes"),
    ] {
        assert!(archive.len() < 1 << 20, "{}", archive.len());
        let error = FinishedRun::from_archive(&archive, &limits).unwrap_err();
        assert!(
            matches!(&error, FinishedRunError::TooLarge { what, .. } if what.contains(because)),
            "{error}"
        );
    }
    let small = Limits { memory_cells: 10, ..limits };
    let error = FinishedRun::from_archive(&archive, &small).unwrap_err();
    assert!(matches!(error, FinishedRunError::TooLarge { what: "memory.bin", .. }), "{error}");
    let short = Limits { steps: 10, ..limits };
    let error = FinishedRun::from_archive(&archive, &short).unwrap_err();
    assert!(matches!(error, FinishedRunError::TooLarge { what: "the steps of the run", .. }), "{error}");

    // Directory and file say that they are shorter than they are.
    let mut lying = packed(&files);
    let length = u32::try_from(files["memory.bin"].len()).unwrap().to_le_bytes();
    let places: Vec<usize> =
        lying.windows(4).enumerate().filter(|(_, window)| *window == length).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        lying[at..at + 4].copy_from_slice(&(CELL as u32).to_le_bytes());
    }
    let error = FinishedRun::from_archive(&lying, &limits).unwrap_err();
    assert!(matches!(error, FinishedRunError::Malformed { file: "memory.bin", .. }), "{error}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let (_, archive) = finished();
    let files = unpacked(&archive);
    for name in ["metadata.json", "additional_data.json", "execution_resources.json"] {
        for text in ["", "[]", "null", "{}}", &"[".repeat(100_000)] {
            let mut changed = files.clone();
            changed.insert(name.to_owned(), text.as_bytes().to_vec());
            let error = read(&changed).unwrap_err();
            assert!(
                matches!(error, FinishedRunError::Malformed { file, .. } if file == name),
                "{text:.20}: {error}"
            );
        }
    }
    let too_large = |bytes: &mut Vec<u8>| bytes[CELL - 1] = 0x7f;
    for changed in [
        with_memory(&files, |bytes| bytes.truncate(bytes.len() - 1)),
        with_memory(&files, |bytes| bytes.truncate(CELL + 1)),
        // Twice the same cell, an address without its mark, a number above the prime, an address that is too long.
        with_memory(&files, |bytes| bytes.extend_from_within(..CELL)),
        with_memory(&files, |bytes| bytes[7] &= 0x7f),
        with_memory(&files, too_large),
        with_memory(&files, |bytes| bytes[CELL - 1] = 0xff),
    ] {
        let error = read(&changed).unwrap_err();
        assert!(matches!(error, FinishedRunError::Malformed { file: "memory.bin", .. }), "{error}");
    }
}

#[test]
fn files_that_contradict_each_other_are_refused() {
    let (_, archive) = finished();
    let files = unpacked(&archive);
    let metadata = |change: fn(&mut Value)| with_json(&files, "metadata.json", change);
    for (changed, what) in [
        (metadata(|json| json["program"]["data"][1] = json!(7)), "another program"),
        (metadata(|json| drop(json["program"]["data"].as_array_mut().unwrap().pop())), "a shorter program"),
        (metadata(|json| json["program"]["main"] = json!(1_000_000)), "no main"),
        (metadata(|json| json["program_segment"]["index"] = json!(1)), "two first segments"),
        (metadata(|json| json["program_segment"]["index"] = json!(-1)), "a segment below the first"),
        (metadata(|json| json["ret_pc_segment"]["size"] = json!(3)), "a return segment with cells"),
        (metadata(|json| json["execution_segment"]["size"] = json!(1)), "a stack that is too small"),
        (metadata(|json| json["builtin_segments"] = json!({})), "builtins without segments"),
        (metadata(|json| json["program"]["builtins"] = json!(["output"])), "segments without builtins"),
        (
            metadata(|json| json["builtin_segments"]["output"]["size"] = json!(1000)),
            "an output that is not there",
        ),
        (metadata(|json| json["extra_segments"] = json!([{ "index": 100, "size": 1 }])), "a segment too far"),
        (with_memory(&files, |bytes| bytes.extend(cell(60, 0, 1))), "a cell without a segment"),
        (with_memory(&files, |bytes| drop(bytes.drain(..CELL))), "a program with a hole"),
    ] {
        let error = read(&changed).unwrap_err();
        assert!(matches!(error, FinishedRunError::Inconsistent { .. }), "{what}: {error}");
    }
    let huge = metadata(|json| json["execution_segment"]["size"] = json!(1u64 << 60));
    assert!(matches!(read(&huge).unwrap_err(), FinishedRunError::TooLarge { .. }));
}

#[test]
fn no_change_of_one_byte_makes_the_reader_break() {
    let (_, archive) = finished();
    let limits = Limits::default();
    let whole = FinishedRun::from_archive(&archive, &limits).unwrap();
    let (mut refused, mut other) = (0, 0);
    for at in (0..archive.len()).step_by(7) {
        let mut changed = archive.clone();
        changed[at] ^= 0x41;
        match FinishedRun::from_archive(&changed, &limits) {
            Err(_) => refused += 1,
            Ok(run) if run.task() != whole.task() => other += 1,
            Ok(_) => {}
        }
    }
    assert!(refused > 0);
    // The archive's own checksums: a changed file is never read as another one.
    assert_eq!(other, 0);
}

#[test]
fn a_program_that_is_no_bootloader_is_refused() {
    let error = Bootloader::from_bytes(&fs::read(fixture("program.json")).unwrap()).unwrap_err();
    assert!(matches!(error, CairoError::Finished(FinishedRunError::NotABootloader { .. })), "{error}");
    assert!(matches!(Bootloader::from_bytes(b"{}").unwrap_err(), CairoError::NotAProgram { .. }));
}
