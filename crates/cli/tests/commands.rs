//! What commands print and how they end, where nothing is proven.

use std::{fs, process::Command};

use crate::support::{
    ashlar, echo_program, example, fixture, json, repository, run, status, stderr, stdout, transcript,
};

#[test]
fn help_names_every_command_and_fits_a_screen() {
    let folder = tempfile::tempdir().unwrap();
    let help = transcript(folder.path(), &["--help"]);
    insta::assert_snapshot!(help);
    for command in [
        "allocate",
        "prove",
        "verify",
        "plan",
        "jobs",
        "atlantic",
        "serve",
        "keys",
        "worker",
        "doctor",
        "explain",
        "completions",
        "man",
    ] {
        let help = stdout(&run(folder.path(), &[command, "--help"]));
        assert!(help.lines().count() <= 100, "{command} --help has {} lines", help.lines().count());
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("wrong_flag", transcript(folder.path(), &["allocate", "x.json", "--fast"]));
    insta::assert_snapshot!("wrong_command", transcript(folder.path(), &["alocate"]));
    for arguments in [
        &["allocate"][..],
        &["allocate", "x.json", "--optimize", "speed"],
        &["allocate", "x.json", "--minimum-bits", "many"],
        &["allocate", "x.json", "--execute", "webhook"],
        &["jobs", "list", "--status", "done"],
        &["--json", "--json-stream", "doctor"],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(status(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error[ASH-5001]: "), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_missing_file_ends_with_3_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(transcript(folder.path(), &["allocate", "nowhere.json"]));
    assert_eq!(status(&run(folder.path(), &["verify", "nowhere.json"])), 3);
    assert_eq!(status(&run(folder.path(), &["prove", "nowhere.json"])), 3);
    assert_eq!(status(&run(folder.path(), &["plan", "nowhere.json"])), 3);
    assert!(!folder.path().join("ashlar-data").exists(), "a command that did nothing left records");
}

#[test]
fn a_proposal_that_is_no_proposal_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read_to_string(example("allocation.json")).unwrap();
    let cases = [
        ("broken", good.replacen('{', "", 1)),
        ("empty", String::new()),
        ("doubled", good.replacen("\"nonce\": 1,", "\"nonce\": 1, \"nonce\": 2,", 1)),
        ("missing", good.replacen("\"nonce\": 1,", "", 1)),
        ("unknown", good.replacen("\"nonce\": 1,", "\"nonce\": 1, \"noncense\": 1,", 1)),
        ("negative", good.replacen("\"nonce\": 1,", "\"nonce\": -1,", 1)),
        ("fraction", good.replacen("\"nonce\": 1,", "\"nonce\": 1.5,", 1)),
        ("too_large", good.replacen("\"nonce\": 1,", "\"nonce\": 18446744073709551616,", 1)),
        ("beyond_the_prime", good.replacen("0x534e5f5345504f4c4941", &format!("0x{}", "f".repeat(64)), 1)),
        ("unknown_model", good.replacen("\"model_version\": 1", "\"model_version\": 7", 1)),
    ];
    for (name, text) in cases {
        assert_ne!(text, good, "{name}");
        let file = format!("{name}.json");
        fs::write(folder.path().join(&file), text).unwrap();
        let output = run(folder.path(), &["allocate", &file]);
        assert_eq!(status(&output), 2, "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains("see: ashlar explain ASH-30"), "{name}: {}", stderr(&output));
    }
    assert!(!folder.path().join("ashlar-data").exists(), "a refused proposal left records");
}

#[test]
fn several_proposals_need_batch() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["allocate", &example("batch.json")]);
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("--batch"), "{}", stderr(&output));
}

#[test]
fn records_that_cannot_be_written_end_with_3() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "in the way").unwrap();
    insta::assert_snapshot!(transcript(folder.path(), &["jobs", "list", "--data-dir", "file/data"]));
    let garbage = folder.path().join("garbage");
    fs::create_dir(&garbage).unwrap();
    fs::write(garbage.join("ashlar.sqlite"), "no database".repeat(100)).unwrap();
    let output = run(folder.path(), &["jobs", "list", "--data-dir", "garbage"]);
    assert_eq!(status(&output), 3);
    assert!(stderr(&output).starts_with("error[ASH-4005]"), "{}", stderr(&output));
}

#[test]
fn a_full_disk_ends_with_4() {
    let folder = tempfile::tempdir().unwrap();
    // A limit on file sizes below that of any database stands for a disk without space.
    let script = format!(
        "trap '' XFSZ; ulimit -f 4; exec {:?} jobs list --data-dir {:?}",
        env!("CARGO_BIN_EXE_ashlar"),
        folder.path().join("data")
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(status(&output), 4, "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error[ASH-4003]"), "{}", stderr(&output));
}

#[test]
fn every_page_of_the_catalogue_is_explained_as_text_and_as_data() {
    let folder = tempfile::tempdir().unwrap();
    let codes = json(&run(folder.path(), &["explain", "--json"]));
    for entry in fs::read_dir(repository().join("docs/errors")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let code = name.strip_suffix(".md").unwrap();
        assert!(codes["codes"].as_array().unwrap().iter().any(|known| known["code"] == code), "{code}");
        let data = json(&run(folder.path(), &["explain", code, "--json"]));
        assert!(data["page"].as_str().unwrap().starts_with(&format!("# {code}: ")), "{code}");
    }
}

#[test]
fn explain_prints_the_page_of_every_code() {
    let folder = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(repository().join("docs/errors/ASH-4043.md")).unwrap();
    for code in ["ASH-4043", "ash-4043", "4043"] {
        assert_eq!(stdout(&run(folder.path(), &["explain", code])), page);
    }
    let list = stdout(&run(folder.path(), &["explain"]));
    assert!(list.lines().any(|line| line == "ASH-4043  The proposal is rejected"), "{list}");
    let output = run(folder.path(), &["explain", "ASH-0001"]);
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).starts_with("error[ASH-5006]"));
}

#[test]
fn completions_know_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = run(folder.path(), &["completions", shell]);
        assert_eq!(status(&output), 0);
        assert!(stdout(&output).contains("allocate"), "{shell}");
    }
}

#[test]
fn manual_pages_come_from_the_same_definition() {
    let folder = tempfile::tempdir().unwrap();
    let page = stdout(&run(folder.path(), &["man"]));
    assert!(page.starts_with(".ie") && page.contains(".TH ashlar 1") && page.contains("allocate"), "{page}");
    let page = stdout(&run(folder.path(), &["man", "prove"]));
    assert!(page.contains(".TH ashlar-prove 1") && page.contains("compare"), "{page}");
    assert_eq!(status(&run(folder.path(), &["man", "nonsense"])), 2);
}

#[test]
fn a_plan_says_what_every_layout_takes_or_why_it_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let program = echo_program(folder.path()).display().to_string();
    let plan = json(&run(folder.path(), &["plan", &program, "--args", "5", "--json"]));
    let layouts = plan["layouts"].as_array().unwrap();
    let of = |name: &str| layouts.iter().find(|layout| layout["layout"] == name).unwrap();
    assert_eq!(
        of("plain")["unfit"],
        serde_json::json!({ "kind": "missing_builtins", "missing": ["output"] })
    );
    let small = of("small");
    assert_eq!(small["fits"], true);
    for figure in
        ["n_steps", "rows", "memory_bytes", "cpu_seconds", "wall_seconds", "proof_bytes", "calldata_felts"]
    {
        assert!(small[figure].as_f64().unwrap() > 0.0, "{figure}: {small}");
    }
    assert_eq!(of("starknet")["demand"], "diluted_pool");
    assert_eq!(layouts.iter().filter(|layout| layout["cheapest"] == true).count(), 1);
    // Blow-up 2 is what prove would take, and the figures beside it say why.
    let blow_ups = plan["blow_ups"].as_array().unwrap();
    let seconds = |row: &serde_json::Value| {
        row["cpu_seconds"].as_f64().unwrap() + row["verification_seconds"].as_f64().unwrap()
    };
    assert!(blow_ups.iter().all(|other| seconds(other) >= 0.98 * seconds(&blow_ups[0])), "{plan}");
    let text = stdout(&run(folder.path(), &["plan", &program, "--args", "5"]));
    assert!(
        text.contains("does not fit: it lacks output") && text.contains("for the diluted pool"),
        "{text}"
    );
    assert!(text.contains("predicted from default figures"), "{text}");
    assert!(!folder.path().join("ashlar-data").exists(), "a plan left records");
}

#[test]
fn a_calibrated_machine_is_predicted_from_its_own_figures() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["doctor", "--calibrate", "--json"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let checks = json(&output)["checks"].as_array().unwrap().clone();
    let rates = checks.iter().find(|check| check["check"] == "rates").unwrap();
    assert!(rates["found"].as_str().unwrap().starts_with("measured on this machine at "), "{rates}");
    let program = echo_program(folder.path()).display().to_string();
    let plan = json(&run(folder.path(), &["plan", &program, "--args", "5", "--json"]));
    assert_eq!(plan["rates"]["measured"], true, "{plan}");
}

#[test]
fn a_proof_that_does_not_fit_into_memory_is_refused_with_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let program = echo_program(folder.path()).display().to_string();
    let refused = |output: &std::process::Output| {
        assert_eq!(status(output), 4, "{}", stderr(output));
        let said = stderr(output);
        assert!(said.contains("error[ASH-2104]") && said.contains("the memory limit that was set"), "{said}");
        assert!(said.contains("ASHLAR_MEMORY_LIMIT=none"), "{said}");
    };
    refused(&run(folder.path(), &["prove", &program, "--args", "5", "--memory-limit", "9MiB"]));
    let mut command = ashlar(folder.path());
    command.args(["prove", &program, "--args", "5"]).env("ASHLAR_MEMORY_LIMIT", "9MiB");
    refused(&command.output().unwrap());
    let jobs = json(&run(folder.path(), &["jobs", "list", "--json"]));
    assert!(jobs["jobs"].as_array().unwrap().iter().all(|job| job["error_code"] == "ASH-2104"), "{jobs}");
    // The limit was of this machine at that time, and is no part of what was asked for.
    let job = jobs["jobs"][0]["id"].as_str().unwrap();
    let retried = run(folder.path(), &["jobs", "retry", job]);
    assert_eq!(status(&retried), 0, "{}", stderr(&retried));
    assert_eq!(status(&run(folder.path(), &["plan", &program, "--memory-limit", "much"])), 2);
}

#[test]
fn timings_are_told_drawn_and_data_and_a_timeline_that_cannot_be_written_is_found_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let program = echo_program(folder.path()).display().to_string();
    let words = ["prove", &program, "--args", "5", "--json", "--timings", "--timeline", "t.svg"];
    let output = run(folder.path(), &words);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let picture = fs::read_to_string(folder.path().join("t.svg")).unwrap();
    let profile = &json(&output)["profile"];
    let stages: Vec<&str> =
        profile["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    for stage in ["run", "trace commitment", "constraints", "openings", "verify"] {
        assert!(stderr(&output).lines().any(|line| line.starts_with(stage)), "{stage}: {}", stderr(&output));
        assert!(stages.contains(&stage) && picture.contains(stage), "{stage}: {stages:?}");
    }
    assert!(stderr(&output).contains("% of the CPU time had one thread at work"));
    assert!((0.0..=1.0).contains(&profile["serial_share"].as_f64().unwrap()));

    let refused = run(folder.path(), &["prove", &program, "--timeline", "no/such/folder/t.svg"]);
    assert_eq!(status(&refused), 3, "{}", stderr(&refused));
    let jobs = json(&run(folder.path(), &["jobs", "list", "--json"]));
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{jobs}");
}

#[test]
fn a_fresh_folder_has_no_jobs() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(transcript(folder.path(), &["jobs", "list"]));
    let output = run(folder.path(), &["jobs", "list", "--json"]);
    assert_eq!(json(&output)["jobs"], serde_json::json!([]));
    assert_eq!(status(&run(folder.path(), &["jobs", "show", "job_0"])), 2);
}

#[test]
fn a_proof_is_judged_by_the_policy_not_by_its_own_word() {
    let folder = tempfile::tempdir().unwrap();
    let proof = fixture("small_512_fib/keccak_vf1000/proof.json");
    // Stone's example parameters: far fewer than 96 bits.
    let strict = run(folder.path(), &["verify", &proof]);
    assert_eq!(status(&strict), 1, "{}", stderr(&strict));
    assert!(stderr(&strict).starts_with("error[ASH-14"), "{}", stderr(&strict));
    fs::write(
        folder.path().join("policy.toml"),
        "minimum_bits = 0\nstatement = \"stone\"\nqueries = [1, 100]\nlog_blow_up = [1, 8]\nmost_fri_step = 10\n\
         commitment_hashes = [\"keccak256_masked160_lsb\", \"poseidon3\"]\n\
         channel_hashes = [\"poseidon3\", \"keccak256\"]\n",
    )
    .unwrap();
    let lenient = run(folder.path(), &["verify", &proof, "--policy", "policy.toml", "--json"]);
    assert_eq!(status(&lenient), 0, "{}", stderr(&lenient));
    let data = json(&lenient);
    assert_eq!((&data["schema"], &data["valid"]), (&"ashlar.verification/1".into(), &true.into()));
    assert_eq!(data["layout"], "small");

    let text = fs::read_to_string(&proof).unwrap();
    fs::write(folder.path().join("truncated.json"), &text[..text.len() / 2]).unwrap();
    let middle = text.find("\"proof_hex\"").unwrap() + 5000;
    let digit = if &text[middle..=middle] == "0" { "1" } else { "0" };
    let flipped = format!("{}{digit}{}", &text[..middle], &text[middle + 1..]);
    fs::write(folder.path().join("flipped.json"), flipped).unwrap();
    for file in ["truncated.json", "flipped.json"] {
        let output = run(folder.path(), &["verify", file, "--policy", "policy.toml"]);
        assert_eq!(status(&output), 1, "{file}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
    fs::write(folder.path().join("wrong.toml"), "bits = 3").unwrap();
    let output = run(folder.path(), &["verify", &proof, "--policy", "wrong.toml"]);
    assert_eq!(status(&output), 3);
    assert!(stderr(&output).contains("\"bits\""), "{}", stderr(&output));
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    // Ten gigabytes of nothing: a sparse file.
    let path = folder.path().join("huge.json");
    fs::File::create(&path).unwrap().set_len(10 << 30).unwrap();
    for command in ["allocate", "verify", "prove"] {
        let output = run(folder.path(), &[command, "huge.json"]);
        assert!([2, 4].contains(&status(&output)), "{command}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error[ASH-"), "{command}: {}", stderr(&output));
    }
    let proof = fixture("small_512_fib/keccak_vf1000/proof.json");
    for (arguments, code) in [
        (&["verify", &proof, "--policy", "huge.json"][..], "ASH-5004"),
        (&["verify", &proof, "--policy", "/dev/zero"], "ASH-5004"),
        (&["doctor", "--config", "huge.json"], "ASH-5003"),
        (&["doctor", "--config", "/dev/zero"], "ASH-5003"),
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(status(&output), 3, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(code), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_name_that_is_no_text_is_an_error_like_any_other() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let with = |arguments: &[&str]| ashlar(folder.path()).args(arguments).arg(name).output().unwrap();
    for (arguments, exit) in [
        (&["allocate"][..], 3),
        (&["verify"], 3),
        (&["jobs", "show"], 2),
        (&["plan", "--args"], 2),
        (&["jobs", "list", "--data-dir"], 3),
        (&[], 2),
    ] {
        let output = with(arguments);
        assert_eq!(status(&output), exit, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error[ASH-"), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn a_wrong_setting_says_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = example("allocation.json");
    let output =
        ashlar(folder.path()).args(["allocate", &file]).env("ASHLAR_OPTIMIZE", "speed").output().unwrap();
    assert_eq!(status(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("environment variable ASHLAR_OPTIMIZE"), "{}", stderr(&output));

    fs::write(folder.path().join("ashlar.toml"), "[allocate]\noptimize = \"speed\"\n").unwrap();
    let output = run(folder.path(), &["allocate", &file]);
    assert_eq!(status(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("ashlar.toml: allocate.optimize"), "{}", stderr(&output));

    fs::write(folder.path().join("ashlar.toml"), "colour = \"red\"\n").unwrap();
    let output = run(folder.path(), &["doctor"]);
    assert_eq!(status(&output), 3);
    assert!(stderr(&output).contains("\"colour\""), "{}", stderr(&output));

    let output = run(folder.path(), &["doctor", "--config", "elsewhere.toml"]);
    assert_eq!(status(&output), 3);
    assert!(stderr(&output).starts_with("error[ASH-5003]"), "{}", stderr(&output));
}

#[test]
fn flags_win_over_the_environment_which_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ashlar.toml"), "data-dir = \"from-file\"\n").unwrap();
    let made = |name: &str| folder.path().join(name).join("ashlar.sqlite").exists();
    run(folder.path(), &["jobs", "list"]);
    assert!(made("from-file") && !made("from-environment"));
    ashlar(folder.path()).args(["jobs", "list"]).env("ASHLAR_DATA_DIR", "from-environment").output().unwrap();
    assert!(made("from-environment") && !made("from-flag"));
    ashlar(folder.path())
        .args(["jobs", "list", "--data-dir", "from-flag"])
        .env("ASHLAR_DATA_DIR", "other-environment")
        .output()
        .unwrap();
    assert!(made("from-flag") && !made("other-environment"));
}

#[test]
fn colours_go_to_terminals_only_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    let escapes = |variables: &[(&str, &str)]| {
        let output = ashlar(folder.path()).arg("doctor").envs(variables.iter().copied()).output().unwrap();
        stdout(&output).contains('\u{1b}')
    };
    assert!(!escapes(&[]));
    assert!(escapes(&[("CLICOLOR_FORCE", "1")]));
    assert!(!escapes(&[("NO_COLOR", "1")]));
    assert!(!escapes(&[("TERM", "dumb")]));
}

#[test]
fn doctor_finds_a_healthy_machine_and_names_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["doctor", "--json"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let checks = json(&output)["checks"].as_array().unwrap().clone();
    assert!(checks.iter().all(|check| check["state"] != "fail"), "{checks:?}");
    let output = ashlar(folder.path()).arg("doctor").env("ASHLAR_KERNELS", "magic").output().unwrap();
    assert_eq!(status(&output), 3);
    assert!(stderr(&output).starts_with("error[ASH-5010]"), "{}", stderr(&output));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let script = format!("{:?} explain | head -n 1; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_ashlar"));
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn errors_are_data_too() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["jobs", "show", "job_0", "--json"]);
    assert_eq!(status(&output), 2);
    let data = json(&output);
    assert_eq!((&data["code"], &data["exit_status"]), (&"ASH-4007".into(), &2.into()));
    let output = run(folder.path(), &["jobs", "show", "job_0", "--json-stream"]);
    let last: serde_json::Value = serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["code"]), (&"error".into(), &"ASH-4007".into()));
    assert!(last["ts"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn whatever_is_asked_for_as_json_is_json() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["completions", "bash"][..],
        &["man"],
        &["man", "verify"],
        &["doctor"],
        &["explain"],
        &["jobs", "list"],
        &["jobs", "cancel", "job_0"],
        &["jobs", "retry", "job_0"],
        &["verify", "nowhere.json"],
        &["alocate"],
        &["allocate", "x.json", "--fast"],
        &["jobs", "list", "--limit", "many"],
    ] {
        let mut asked = arguments.to_vec();
        asked.push("--json");
        let output = run(folder.path(), &asked);
        let data = json(&output);
        assert!(data["schema"].as_str().unwrap().starts_with("ashlar."), "{asked:?}: {data}");
        let failed = data["schema"] == "ashlar.error/1";
        assert_eq!(failed, status(&output) != 0, "{asked:?}: {data}");
        if failed {
            assert_eq!(data["exit_status"], status(&output), "{asked:?}");
        }
    }
}

#[test]
fn the_documented_exit_codes_are_the_real_ones() {
    let document = fs::read_to_string(repository().join("docs/exit-codes.md")).unwrap();
    for status in [0, 1, 2, 3, 4, 5, 70, 130] {
        assert!(document.contains(&format!("\n| {status} | ")), "{status}");
    }
}

#[test]
fn a_bucket_is_named_without_its_keys_and_not_by_a_file_that_was_only_found() {
    let folder = tempfile::tempdir().unwrap();
    let list = |bucket: &str, keys: &[(&str, &str)]| {
        let mut command = ashlar(folder.path());
        command.args(["jobs", "list"]).env("ASHLAR_BUCKET", bucket).envs(keys.iter().copied());
        command.output().unwrap()
    };
    let keys = [("AWS_ACCESS_KEY_ID", "AKIA1"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
    for (bucket, keys) in [
        ("s3://AKIA1:hunter2@proofs", &keys[..]),
        ("s3://proofs?secret=hunter2", &keys[..]),
        ("hunter2", &keys[..]),
        // No keys, and half of them.
        ("s3://proofs", &[]),
        ("s3://proofs", &keys[..1]),
        ("s3://proofs", &[keys[0], ("AWS_SECRET_ACCESS_KEY", "hunter2\n")]),
    ] {
        let refused = list(bucket, keys);
        assert_eq!(status(&refused), 2, "{bucket}: {}", stderr(&refused));
        let said = stdout(&refused) + &stderr(&refused);
        assert!(said.contains("ASH-8250") && !said.contains("hunter2") && !said.contains("AKIA1"), "{said}");
    }
    // Nothing in a variable is no bucket. A build without TLS, or without any client of S3, does not pretend to have one.
    assert_eq!(status(&list("", &[])), 0);
    let refused = list("s3://proofs", &keys);
    assert!(cfg!(feature = "tls") || stderr(&refused).contains("ASH-8251"), "{}", stderr(&refused));

    fs::write(folder.path().join("ashlar.toml"), "bucket = 's3://proofs'\n").unwrap();
    let refused = run(folder.path(), &["jobs", "list"]);
    let said = stdout(&refused) + &stderr(&refused);
    assert!(said.contains("--config"), "{said}");
    let refused = run(folder.path(), &["--config", "ashlar.toml", "jobs", "list"]);
    assert!(stderr(&refused).contains("ASH-8250"), "named, it counts, and has no keys: {}", stderr(&refused));
}
