//! The stand-in programs as processes, as Stone's user runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod programs;
mod vectors;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use ashlar_stone::Json;
use programs::{INPUTS, SETTINGS, ask_for_endless_work, prover_to, verifier, working_folder};
use vectors::{Variant, fixtures, folders, larger_set, scratch, variants};

/// A folder with the files of a variant, those of `overlay` over them.
fn overlaid_folder(name: &str, variant: &Variant, overlay: &Path) -> PathBuf {
    let folder = working_folder(name, variant);
    for file in INPUTS.iter().chain(&SETTINGS).filter(|file| overlay.join(file).is_file()) {
        fs::copy(overlay.join(file), folder.join(file)).unwrap();
    }
    folder
}

fn prover(folder: &Path) -> Command {
    prover_to(folder, "proof.json")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The code in `error[ASH-1234]: …`.
fn code(output: &Output) -> Option<u16> {
    said(output).lines().find_map(|line| line.strip_prefix("error[ASH-")?.get(..4)?.parse().ok())
}

/// Proves a variant in a process and compares the file; then verifies it in another.
fn assert_same_file(variant: &Variant) {
    let folder = working_folder(&variant.name().replace('/', "-"), variant);
    let mut prover = prover(&folder);
    if variant.is_annotated() {
        prover.arg("--generate_annotations");
    }
    let version = if variant.is_stone5() { "--stone_version=stone5" } else { "--stone_version=stone6" };
    let output = prover.arg(version).output().unwrap();
    assert!(output.status.success(), "{}: {}", variant.name(), said(&output));
    let made = fs::read(folder.join("proof.json")).unwrap();
    assert!(made == variant.proof(), "{}: the file differs", variant.name());
    let output = verifier(&folder, "proof.json").arg(version).output().unwrap();
    assert!(output.status.success(), "{}: {}", variant.name(), said(&output));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn every_fixture_comes_out_of_the_process_byte_for_byte() {
    for variant in variants(&fixtures(), &["plain", "small"]) {
        assert_same_file(&variant);
    }
}

#[test]
fn the_larger_set_comes_out_of_the_process_byte_for_byte() {
    let Some(root) = larger_set() else {
        eprintln!("skipped: the larger set of vectors is absent");
        return;
    };
    let here: Vec<String> = variants(&fixtures(), &[]).iter().map(Variant::name).collect();
    for variant in variants(&root, &["plain", "small"]) {
        if !here.contains(&variant.name()) {
            assert_same_file(&variant);
        }
    }
}

/// The documented codes of the bad inputs: by class, and by case where a class has several causes.
fn expected_codes(case: &str, class: &str) -> &'static [u16] {
    match (case, class) {
        ("unknown_field", _) => &[1131],
        ("unknown_layout", _) => &[1160],
        ("vf_3", _) => &[1111],
        ("n_queries_0", _) => &[1106],
        ("pow_65", _) => &[1107],
        ("log_n_cosets_0", _) => &[1101],
        ("config_tasks_33" | "config_task_size_0", _) => &[1130],
        ("extension_field", _) => &[1131],
        ("negative_number", _) => &[1005],
        ("string_number", _) => &[1004],
        ("memory_value_not_reduced", _) => &[1022],
        ("public_value_no_0x", _) => &[1006],
        // The run is looked at before the memory is sorted, so its own contradictions are named first.
        ("memory_bitflip_public" | "trace_far_address", _) => &[1213],
        ("segment_begin" | "segment_stop_ptr", _) => &[1214],
        ("rc_full_range", _) => &[1216],
        ("rc_max_too_big" | "rc_swapped", _) => &[1502],
        (_, "range_check_bounds") => &[1215],
        (_, "inconsistent_execution") => &[1213],
        (_, "inconsistent_memory") => &[1217],
        (_, "missing_address") => &[1211],
        (_, "missing_file") => &[1010],
        (_, "missing_key") => &[1003],
        (_, "broken_json") => &[1001],
        (_, "unknown_name") => &[1007],
        (_, "truncated_record") => &[1020],
        (_, "wrong_length") => &[1021],
        (_, "bad_n_steps") => &[1166],
        (_, "bad_fri_step") => &[1103, 1104],
        (_, "params_mismatch") => &[1105],
        (_, "bad_segments" | "layout_mismatch") => &[1503],
        (_, "empty_public_memory") => &[1504],
        (_, "bad_dynamic_params") => &[1161],
        (_, "root_not_a_field_element") => &[1108],
        (_, "page_hash_not_a_field_element") => &[1181],
        other => panic!("no code is documented for {other:?}"),
    }
}

fn text<'a>(entries: &'a std::collections::BTreeMap<String, Json>, key: &str) -> &'a str {
    let Json::String(text) = &entries[key] else { panic!("{key}: {entries:?}") };
    text
}

#[test]
fn every_bad_input_is_refused_with_its_code_and_leaves_no_file() {
    let mut cases = 0;
    for overlay in folders(&fixtures().join("bad")) {
        let case = overlay.file_name().unwrap().to_string_lossy().into_owned();
        if case == "proofs" {
            continue;
        }
        let expectation = fs::read(overlay.join("expect.json")).unwrap();
        let Json::Object(expectation) = Json::from_slice(&expectation, "expect.json").unwrap() else {
            panic!("{case}: an object")
        };
        let base = fixtures().join(text(&expectation, "base"));
        let variant = Variant { folder: base.join(text(&expectation, "variant")), case: base };
        let class = text(&expectation, "class");
        let folder = overlaid_folder(&format!("bad-{case}"), &variant, &overlay);
        let before = fs::read_dir(&folder).unwrap().count();
        let output = prover(&folder).output().unwrap();
        let status = output.status.code();
        let after = fs::read_dir(&folder).unwrap().count();
        if class == "accept" {
            assert_eq!(status, Some(0), "{case}: {}", said(&output));
            assert!(verifier(&folder, "proof.json").output().unwrap().status.success(), "{case}");
        } else {
            let exit = if class == "missing_file" { 3 } else { 2 };
            assert_eq!(status, Some(exit), "{case}: {}", said(&output));
            let got = code(&output).unwrap_or_else(|| panic!("{case}: no code: {}", said(&output)));
            assert!(expected_codes(&case, class).contains(&got), "{case} ({class}): {}", said(&output));
            assert_eq!(after, before, "{case}: a file was left behind");
        }
        fs::remove_dir_all(folder).unwrap();
        cases += 1;
    }
    assert!(cases >= 66, "expected all bad inputs, found {cases}");
}

/// Stone writes a proof of each of these, which its verifier rejects.
#[test]
fn an_inconsistent_run_gives_a_proof_that_is_rejected_only_where_verification_is_skipped() {
    let base = fixtures().join("plain_512_fib");
    let variant = Variant { folder: base.join("keccak_vf10_pow1"), case: base };
    for case in [
        "trace_bitflip_ap",
        "trace_bitflip_fp",
        "trace_bitflip_pc",
        "memory_bitflip",
        "memory_duplicate_bad_first",
        "segment_stop_ptr",
        "segment_begin",
    ] {
        let overlay = fixtures().join("bad").join(case);
        let folder = overlaid_folder(&format!("skipped-{case}"), &variant, &overlay);
        let output = prover(&folder).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{case}: {}", said(&output));
        assert!(!folder.join("proof.json").exists(), "{case}");
        let output = prover(&folder).arg("--skip_self_verification").output().unwrap();
        assert!(output.status.success(), "{case}: {}", said(&output));
        assert!(said(&output).contains("without verifying"), "{case}: {}", said(&output));
        // Out of domain: the proof is one, but of a trace that breaks a constraint.
        assert_refused(&verifier(&folder, "proof.json").output().unwrap(), 1, 1406);
        fs::remove_dir_all(folder).unwrap();
    }
}

/// What cannot be written into a trace is refused either way.
#[test]
fn a_run_without_a_trace_is_refused_also_where_verification_is_skipped() {
    let base = fixtures().join("plain_512_fib");
    let variant = Variant { folder: base.join("keccak_vf10_pow1"), case: base };
    for (case, expected) in [
        ("trace_far_address", 1211),
        ("memory_missing_one", 1211),
        ("memory_bitflip_public", 1217),
        ("public_value_changed", 1217),
        ("rc_max_minus_1", 1215),
        ("rc_full_range", 1216),
        ("trace_short", 1021),
        ("memory_value_not_reduced", 1022),
    ] {
        let overlay = fixtures().join("bad").join(case);
        let folder = overlaid_folder(&format!("no-trace-{case}"), &variant, &overlay);
        let output = prover(&folder).arg("--skip_self_verification").output().unwrap();
        assert_refused(&output, 2, expected);
        assert!(!folder.join("proof.json").exists(), "{case}");
        fs::remove_dir_all(folder).unwrap();
    }
}

/// An honest run gives the same file either way.
#[test]
fn skipping_verification_does_not_change_the_proof() {
    let folder = smallest("skipped-honest");
    let output = prover(&folder).arg("--skip_self_verification").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let expected = fs::read(fixtures().join("plain_512_fib/keccak_vf10_noann/proof.json")).unwrap();
    assert!(fs::read(folder.join("proof.json")).unwrap() == expected, "the file differs");
}

#[test]
fn every_manipulated_proof_makes_the_verifier_exit_with_one() {
    let folder = fixtures().join("bad/proofs");
    let cases = fs::read(folder.join("expect.json")).unwrap();
    let Json::Array(cases) = Json::from_slice(&cases, "expect.json").unwrap() else { panic!("a list") };
    for case in cases {
        let Json::Object(case) = case else { panic!("an object") };
        let file = text(&case, "file");
        let version = format!("--stone_version={}", text(&case, "verifier"));
        let output = verifier(&folder, file).arg(version).output().unwrap();
        // Stone accepts bytes after the proof; here they are refused.
        let accepted = case["exit"] == Json::Unsigned(0) && file != "extended.json";
        assert_eq!(output.status.code(), Some(i32::from(!accepted)), "{file}: {}", said(&output));
        assert_eq!(code(&output).is_none(), accepted, "{file}: {}", said(&output));
    }
}

/// The smallest case, for tests of the program around it.
fn smallest(name: &str) -> PathBuf {
    working_folder(name, &programs::smallest())
}

fn assert_refused(output: &Output, exit: i32, expected: u16) {
    assert_eq!((output.status.code(), code(output)), (Some(exit), Some(expected)), "{}", said(output));
    assert!(said(output).contains(&format!("see: ashlar explain ASH-{expected:04}")));
}

#[test]
fn a_wrong_command_line_is_refused() {
    let folder = smallest("command-line");
    assert_refused(&prover(&folder).arg("--no_such_flag").output().unwrap(), 2, 5050);
    assert_refused(&prover(&folder).arg("--fix_public_input").output().unwrap(), 2, 5050);
    assert_refused(&prover(&folder).arg("--stone_version=stone7").output().unwrap(), 2, 5050);
    assert_refused(&prover(&folder).arg("--n_threads=-1").output().unwrap(), 2, 5050);
    assert_refused(&prover(&folder).arg("stray").output().unwrap(), 2, 5050);
    let bare = Command::new(env!("CARGO_BIN_EXE_cpu_air_prover")).output().unwrap();
    assert_refused(&bare, 2, 5050);
    let help = Command::new(env!("CARGO_BIN_EXE_cpu_air_verifier")).arg("--help").output().unwrap();
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--in_file"));
}

#[test]
fn single_dashes_and_separate_values_work_as_in_gflags() {
    let folder = smallest("spelling");
    let output = Command::new(env!("CARGO_BIN_EXE_cpu_air_prover"))
        .current_dir(&folder)
        .args([
            "-parameter_file",
            "cpu_air_params.json",
            "--prover_config_file",
            "cpu_air_prover_config.json",
        ])
        .args(["-public_input_file=air_public_input.json", "--private_input_file", "air_private_input.json"])
        .args(["--out_file", "proof.json", "--nogenerate_annotations", "-n_threads=1", "--logtostderr"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(!fs::read(folder.join("proof.json")).unwrap().starts_with(b"{\n\t\"annotations\""));
}

#[test]
fn a_proof_predicted_to_need_more_memory_than_allowed_is_refused_unless_forced() {
    let folder = smallest("memory_limit");
    assert_refused(&prover(&folder).arg("--memory_limit=9MiB").output().unwrap(), 4, 2104);
    assert_refused(&prover(&folder).env("ASHLAR_MEMORY_LIMIT", "9MiB").output().unwrap(), 4, 2104);
    assert_refused(&prover(&folder).env("ASHLAR_MEMORY_LIMIT", "plenty").output().unwrap(), 3, 5054);
    assert_refused(&prover(&folder).arg("--memory_limit=plenty").output().unwrap(), 2, 5050);
    assert!(!folder.join("proof.json").exists());
    let forced =
        prover(&folder).env("ASHLAR_MEMORY_LIMIT", "9MiB").arg("--memory_limit=none").output().unwrap();
    assert_eq!(forced.status.code(), Some(0), "{}", said(&forced));
}

#[test]
fn kernels_that_do_not_exist_are_refused() {
    let folder = smallest("kernels");
    let output = prover(&folder).env("ASHLAR_KERNELS", "quantum").output().unwrap();
    assert_refused(&output, 3, 5051);
}

#[test]
fn every_kernel_family_gives_the_same_file_through_the_environment() {
    let folder = smallest("families");
    let expected = fs::read(fixtures().join("plain_512_fib/keccak_vf10_noann/proof.json")).unwrap();
    for kernels in ashlar_field::Kernels::supported() {
        let output = prover(&folder).env("ASHLAR_KERNELS", kernels.to_string()).output().unwrap();
        assert!(output.status.success(), "{kernels}: {}", said(&output));
        assert!(fs::read(folder.join("proof.json")).unwrap() == expected, "{kernels}: the file differs");
    }
}

#[test]
fn an_unwritable_output_is_found_before_the_work() {
    let folder = smallest("unwritable");
    // Proving would take for ever.
    ask_for_endless_work(&folder);
    for place in ["no/such/folder/proof.json", "."] {
        assert_refused(&prover_to(&folder, place).output().unwrap(), 3, 1013);
    }
}

#[test]
fn a_full_disk_leaves_no_proof() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        eprintln!("skipped: this system has no /dev/full");
        return;
    }
    let folder = smallest("full-disk");
    assert_refused(&prover_to(&folder, "/dev/full").output().unwrap(), 3, 1013);
    assert!(!folder.join("proof.json").exists());
}

#[test]
fn huge_inputs_are_refused_by_their_size() {
    for (file, exit, expected) in [
        ("air_public_input.json", 4, 1012),
        ("air_private_input.json", 4, 1012),
        ("cpu_air_params.json", 4, 1012),
        ("cpu_air_prover_config.json", 4, 1012),
        ("memory.bin", 4, 1012),
        ("trace.bin", 2, 1021),
    ] {
        let folder = smallest(&format!("huge-{file}"));
        // Sparse: ten gigabytes that need no disk.
        let sparse = fs::OpenOptions::new().write(true).open(folder.join(file)).unwrap();
        sparse.set_len(10 << 30).unwrap();
        assert_refused(&prover(&folder).output().unwrap(), exit, expected);
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_key_given_twice_is_refused() {
    let folder = smallest("twice");
    let path = folder.join("air_public_input.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen('{', "{\"n_steps\": 512,", 1)).unwrap();
    assert_refused(&prover(&folder).output().unwrap(), 2, 1002);
}

#[test]
fn a_broken_or_missing_proof_file_is_no_proof() {
    let folder = smallest("broken-proof");
    fs::write(folder.join("broken.json"), "{\"proof_hex\": \"0x").unwrap();
    assert_refused(&verifier(&folder, "broken.json").output().unwrap(), 1, 1001);
    fs::write(folder.join("empty.json"), "{}").unwrap();
    assert_refused(&verifier(&folder, "empty.json").output().unwrap(), 1, 1003);
    assert_refused(&verifier(&folder, "absent.json").output().unwrap(), 3, 1010);
}

#[test]
fn the_verifier_writes_the_annotations_of_stones_prover() {
    let case = fixtures().join("plain_512_fib");
    let variant = Variant { folder: case.join("keccak_vf10_pow1"), case };
    let folder = scratch("annotation-file");
    let path = variant.folder.join("proof.json");
    let output =
        verifier(&folder, &path.to_string_lossy()).arg("--annotation_file=lines.txt").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let Json::Object(file) = Json::from_slice(&variant.proof(), "proof.json").unwrap() else {
        panic!("an object")
    };
    let Json::Array(lines) = &file["annotations"] else { panic!("a list") };
    let expected: String = lines
        .iter()
        .map(|line| match line {
            Json::String(line) => format!("{line}\n"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(fs::read_to_string(folder.join("lines.txt")).unwrap() == expected);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_prover_and_leaves_no_file() {
    let folder = smallest("interrupt");
    ask_for_endless_work(&folder);
    let before = fs::read_dir(&folder).unwrap().count();
    let mut child = prover(&folder).arg("--logtostderr").stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("proof of work")), "the search never began");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest.iter().any(|line| line.starts_with("error[ASH-5053]")), "{rest:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), before, "a file was left behind");
}

#[test]
fn timings_name_every_phase_and_the_timeline_is_a_picture_of_them() {
    let folder = smallest("timings");
    let output = prover(&folder).args(["--timings", "--timeline_file=timeline.svg"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let picture = fs::read_to_string(folder.join("timeline.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
    for phase in ["input", "trace commitment", "constraints", "low-degree test", "verification", "output"] {
        assert!(said(&output).lines().any(|line| line.starts_with(phase)), "{phase}: {}", said(&output));
        assert!(picture.contains(phase), "{phase}");
    }
    assert!(fs::read(folder.join("proof.json")).unwrap() == programs::smallest().proof(), "the file differs");
}

#[test]
fn a_timeline_that_cannot_be_written_is_found_before_the_work() {
    let folder = smallest("timeline-unwritable");
    ask_for_endless_work(&folder);
    assert_refused(&prover(&folder).arg("--timeline_file=no/such/folder/t.svg").output().unwrap(), 3, 1013);
    assert!(!folder.join("proof.json").exists());
}
