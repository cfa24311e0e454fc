//! Finished runs, proven inside StarkWare's simple bootloader by whole commands. The bootloader is no part of this repository:
//! `cargo xtask pie` gets it and a finished run of others, and names both; without them these tests say that they were
//! skipped.

use std::{
    fs,
    io::{Cursor, Read as _, Write as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use ashlar_atlantic::{
    Address, Attachment, Client, Form, Goal, JobSize, Polling, QueryStatus, Settings, ZIP,
};
use ashlar_cairo::{
    Bootloader, CairoError, FinishedRun, FinishedRunError, LayoutChoice, Limits, PROVABLE_LAYOUTS,
};
use ashlar_cpu_air::{layout, statement};
use ashlar_field::Felt;
use ashlar_risk::{execute_model, parse_proposals};
use ashlar_store::{Evidence, GatePolicy, Moment, examine};
use serde_json::{Value, json};
use zip::{ZipArchive, ZipWriter, write::FileOptions};

use crate::support::{Served, example, files, jobs, json, run, status, stderr, stdout};

/// The program hash of the simple bootloader of `cairo-program-runner-lib` 1.3.1.
const BOOTLOADER: &str = "0x0164bade0edcec66dae24b4b3fe211b559c04b1f780060f4a8cf04bb9526c1f2";

/// The hash of the program of the finished run of others, as the bootloader's own instructions compute it, and what it puts
/// out.
const TASK: (&str, [&str; 2]) =
    ("0x00931813b5c14b9b8b8d9f44bc542445105de0c7e1c7a5a83b7e40ca0b096975", ["0x1", "0x59"]);

/// Bootloader and finished run, as files.
fn given() -> Option<(PathBuf, PathBuf)> {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let found = path("ASHLAR_TEST_BOOTLOADER").zip(path("ASHLAR_TEST_PIE"));
    if found.is_none() {
        eprintln!("skipped: no bootloader (cargo xtask pie)");
    }
    found
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The archive with its memory changed.
fn with_memory(archive: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut change = Some(change);
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        if file.name() == "memory.bin" {
            change.take().unwrap()(&mut bytes);
        }
        writer.start_file(file.name(), FileOptions::default()).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Bytes of a cell of memory.
const CELL: usize = 40;

/// The archive with 1 more in the so-manieth cell, and how many cells it has.
fn with_another_cell(archive: &[u8], index: usize) -> (Vec<u8>, usize) {
    let mut cells = 0;
    let changed = with_memory(archive, |bytes| {
        cells = bytes.len() / CELL;
        bytes[index % cells * CELL + 8] ^= 1;
    });
    (changed, cells)
}

#[test]
fn a_finished_run_is_proven_and_verified_and_the_proof_says_what_it_was() {
    let Some((bootloader, pie)) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--pie", text(&pie), "--bootloader", text(&bootloader)];
    let proven = run(folder.path(), &[&["prove", "--json", "--out", "proof.json"], &flags[..]].concat());
    assert_eq!(status(&proven), 0, "{}", stderr(&proven));
    let proof = json(&proven);
    let task = json!({ "program_hash": TASK.0, "output": TASK.1 });
    assert_eq!((&proof["program_hash"], &proof["task"]), (&json!(BOOTLOADER), &task));
    let job = &jobs(folder.path())[0];
    assert_eq!((&job["program_hash"], &job["proof_status"]), (&json!(BOOTLOADER), &json!("verified")));

    for accepted in [text(&bootloader), BOOTLOADER] {
        let verified = run(folder.path(), &["verify", "proof.json", "--json", "--bootloader", accepted]);
        assert_eq!(status(&verified), 0, "{}", stderr(&verified));
        assert_eq!(json(&verified)["task"], task);
    }
    let other = run(folder.path(), &["verify", "proof.json", "--bootloader", "0x123"]);
    assert_eq!(status(&other), 1);
    assert!(stderr(&other).contains("error[ASH-5023]"), "{}", stderr(&other));
    // Without a word about bootloaders the strict form is demanded, which it has not.
    let strict = run(folder.path(), &["verify", "proof.json"]);
    assert_eq!(status(&strict), 1);
    assert!(stderr(&strict).contains("error[ASH-1511]"), "{}", stderr(&strict));

    let planned = run(folder.path(), &[&["plan"], &flags[..]].concat());
    assert_eq!(status(&planned), 0, "{}", stderr(&planned));
    assert!(stdout(&planned).contains("starknet_with_keccak"), "{}", stdout(&planned));
    let without = run(folder.path(), &["prove", "--pie", text(&pie)]);
    assert!(status(&without) == 2 && stderr(&without).contains("error[ASH-5022]"), "{}", stderr(&without));
}

#[test]
fn in_every_layout_that_holds_it_the_run_has_the_form_and_states_the_task() {
    let Some((bootloader, pie)) = given() else { return };
    let limits = Limits::default();
    let bootloader = Bootloader::from_bytes(&fs::read(bootloader).unwrap()).unwrap();
    let finished = FinishedRun::from_archive(&fs::read(pie).unwrap(), &limits).unwrap();
    let plan = bootloader.plan(&finished, &limits).unwrap();
    let mut held = Vec::new();
    for planned in &plan.layouts {
        let run = bootloader.run(&finished, &LayoutChoice::Named(planned.layout.to_owned()), &limits);
        let Ok(sizing) = planned.outcome else {
            assert!(run.is_err(), "{}", planned.layout);
            continue;
        };
        let run = run.unwrap();
        let public = &run.run.execution.public_input;
        assert_eq!(public.n_steps, sizing.n_steps, "{}", planned.layout);
        let air = layout::by_name(planned.layout).unwrap();
        assert_eq!(statement::bootloaded(public, air).unwrap().1, *finished.task());
        statement::check_segments(public, air).unwrap();
        // One word of the frame, the output or a pointer changed, and it is no such statement any more: all but the program.
        let words = run.claim.program.0.len();
        for cell in words..public.public_memory.len() {
            let mut changed = public.clone();
            changed.public_memory[cell].value += Felt::ONE;
            let said = statement::bootloaded(&changed, air);
            assert!(said.is_err() || said.unwrap().1 != *finished.task(), "{}: cell {cell}", planned.layout);
        }
        held.push(planned.layout);
    }
    assert!(held.contains(&"recursive") && held.contains(&"starknet"), "{held:?}");
    assert!(held.len() < PROVABLE_LAYOUTS.len());
}

#[test]
fn a_memory_that_no_run_of_the_program_leaves_never_becomes_a_proof() {
    let Some((bootloader, pie)) = given() else { return };
    let limits = Limits::default();
    let archive = fs::read(pie).unwrap();
    let honest = FinishedRun::from_archive(&archive, &limits).unwrap();
    let bootloader_file = bootloader;
    let bootloader = Bootloader::from_bytes(&fs::read(&bootloader_file).unwrap()).unwrap();
    let (_, cells) = with_another_cell(&archive, 0);
    let (mut inconsistent, mut no_runs) = (0, 0);
    let mut liar = None;
    for index in 0..cells {
        let (changed, _) = with_another_cell(&archive, index);
        let finished = match FinishedRun::from_archive(&changed, &limits) {
            Ok(finished) => finished,
            Err(error) => {
                assert!(matches!(error, FinishedRunError::Inconsistent { .. }), "cell {index}: {error}");
                inconsistent += 1;
                continue;
            }
        };
        let another = finished.task() != honest.task();
        match bootloader.plan(&finished, &limits) {
            Err(CairoError::Finished(FinishedRunError::NotARun { .. })) => no_runs += 1,
            Err(error) => panic!("cell {index}: {error}"),
            Ok(_) => assert!(!another, "cell {index} is believed"),
        }
        if another {
            liar = Some(changed);
        }
    }
    assert!(inconsistent > 0 && no_runs > cells / 3, "{inconsistent} and {no_runs} of {cells}");

    // With another output, by the whole command.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("liar.zip"), liar.unwrap()).unwrap();
    let refused =
        run(folder.path(), &["prove", "--json", "--pie", "liar.zip", "--bootloader", text(&bootloader_file)]);
    assert_eq!(status(&refused), 1, "{}", stderr(&refused));
    assert_eq!(json(&refused)["code"], "ASH-2024");
    assert_eq!(jobs(folder.path())[0]["proof_status"], "failed");
    assert_eq!(files(&folder.path().join("ashlar-data/artefacts")), Vec::<PathBuf>::new());
}

#[test]
fn the_gate_stays_shut_for_the_right_decision_inside_a_bootloader() {
    let Some((bootloader, _)) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let proposals = parse_proposals(&fs::read(example("allocation.json")).unwrap()).unwrap();
    let pie = folder.path().join("model.zip");
    let made = execute_model(&proposals, &pie).unwrap();
    let proven = run(
        folder.path(),
        &["prove", "--json", "--out", "proof.json", "--pie", "model.zip", "--bootloader", text(&bootloader)],
    );
    assert_eq!(status(&proven), 0, "{}", stderr(&proven));
    assert_eq!(json(&proven)["task"]["output"].as_array().unwrap().len(), made.output.len());
    let now = Moment::now();
    let evidence = Evidence::local_proof(fs::read(folder.path().join("proof.json")).unwrap(), now);
    let refused = examine(&proposals[0], Some(&evidence), &GatePolicy::default(), now).unwrap_err();
    assert!(!refused.to_string().is_empty());
    assert_eq!(jobs(folder.path())[0]["allocations"], Value::Null, "a job of no allocation");
}

/// A client of the service, with nothing changed but the address.
fn client(served: &Served) -> Client {
    let address = Address::parse(&format!("http://{}", served.address)).unwrap();
    Client::new(Settings::new(address, None, "a test"))
}

fn form(archive: &[u8]) -> Form {
    Form {
        pie_file: Some(Attachment::from_bytes(archive.to_vec(), "pie.cairo0.zip", ZIP).unwrap()),
        declared_job_size: Some(JobSize::Xs),
        result: Some(Goal::ProofGeneration),
        external_id: Some("finished-run".to_owned()),
        ..Form::default()
    }
}

#[test]
fn a_client_of_the_service_submits_a_finished_run_and_gets_its_proof() {
    let Some((bootloader, pie)) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let archive = fs::read(pie).unwrap();
    let served = Served::start(folder.path(), &["--open-on-loopback", "--bootloader", text(&bootloader)]);
    let client = client(&served);
    let (liar, _) = with_another_cell(&archive, 100);
    let honest = client.submit(&form(&archive), 0).unwrap();
    let lying = client.submit(&form(&liar), 0).unwrap();
    let end = |query| {
        let polling = Polling::until(Duration::from_secs(500));
        client.wait(query, polling, &mut |_| ControlFlow::Continue(())).unwrap().answer
    };
    let answer = end(&honest.query);
    assert_eq!(answer.atlantic_query.status, QueryStatus::Done, "{:?}", answer.atlantic_query.error_reason);
    let metadata = client.metadata(&client.artefact(&answer, "metadata.json").unwrap()).unwrap();
    assert_eq!(metadata.program_hash.as_deref(), Some(BOOTLOADER));
    assert_eq!(metadata.child_program_hash.as_deref(), Some(TASK.0));
    let words: Vec<Felt> = metadata.output.unwrap().iter().map(|word| word.parse().unwrap()).collect();
    let expected = ["0x1", "0x4", TASK.0, TASK.1[0], TASK.1[1]].map(|word| word.parse().unwrap());
    assert_eq!(words, expected);
    let to = folder.path().join("proof.json");
    client.download(&client.artefact(&answer, "proof.json").unwrap(), &to).unwrap();
    let verified = run(folder.path(), &["verify", "proof.json", "--json", "--bootloader", BOOTLOADER]);
    assert_eq!(status(&verified), 0, "{}", stderr(&verified));
    assert_eq!(json(&verified)["fact_hash"], answer.atlantic_query.integrity_fact_hash.unwrap());

    let answer = end(&lying.query);
    assert_eq!(answer.atlantic_query.status, QueryStatus::Failed);
    let reason = answer.atlantic_query.error_reason.unwrap();
    assert!(reason.starts_with("ASH-2022") || reason.starts_with("ASH-2024"), "{reason}");
}
