//! Cairo 1 executables, made by hand: small ones that run, and hostile ones that must not do harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use ashlar_cairo::{Arguments, CairoError, LayoutChoice, Limits, Program, RunOptions, plan, run};
use ashlar_fault::Fault;
use ashlar_field::Felt;
use serde_json::{Value, json};

/// `ap += 1; call rel 4; jmp rel 0`, the prologue for the output builtin alone.
const PROLOGUE: [&str; 6] =
    ["0x40780017fff7fff", "0x1", "0x1104800180018000", "0x4", "0x10780017fff7fff", "0x0"];
/// `ap += immediate`.
const ADVANCE_AP: &str = "0x40780017fff7fff";

/// An executable with this code behind the prologue and these hints in front of its first instruction.
fn executable(code: &[&str], hints: Value) -> Vec<u8> {
    let bytecode: Vec<&str> = PROLOGUE.iter().chain(code).copied().collect();
    let file = json!({
        "program": { "bytecode": bytecode, "hints": [[6, hints]] },
        "entrypoints": [{ "builtins": ["output"], "offset": 0, "kind": "Standalone" }],
    });
    serde_json::to_vec(&file).unwrap()
}

fn options() -> RunOptions {
    RunOptions {
        layout: LayoutChoice::Named("small".into()),
        limits: Limits { steps: 100_000, ..Limits::default() },
        ..RunOptions::default()
    }
}

/// Outputs its first argument.
fn echo(hints: Value) -> Vec<u8> {
    executable(
        &[
            ADVANCE_AP,
            "0x2",
            // [ap] = [[fp]]; ap++
            "0x4802800080008000",
            // [ap - 1] = [[fp - 3]]
            "0x400280007ffd7fff",
            // [ap] = [fp - 3] + 1; ap++
            "0x482680017ffd8000",
            "0x1",
            // ret
            "0x208b7fff7fff7ffe",
        ],
        hints,
    )
}

fn write_parameters() -> Value {
    json!([{ "WriteRunParam": { "index": { "Immediate": "0x0" }, "dst": { "register": "AP", "offset": 0 } } }])
}

#[test]
fn an_executable_gets_its_arguments_and_the_strict_entry_form() {
    let program = Program::from_bytes(&echo(write_parameters())).unwrap();
    let arguments = Arguments::from_text("77").unwrap();
    let run = run(&program, &arguments, &options()).unwrap();
    assert_eq!(run.output, [Felt::from_u64(77)]);
    assert_eq!(run.execution.public_input.n_steps, 512);
    let claim = run.forms.strict.as_ref().unwrap();
    assert_eq!(claim.output.0, run.output);
}

#[test]
fn the_layout_is_chosen_by_the_cells_it_commits_to() {
    let program = Program::from_bytes(&echo(write_parameters())).unwrap();
    let arguments = Arguments::from_text("77").unwrap();
    let run = run(&program, &arguments, &RunOptions::default()).unwrap();
    // 512 steps in both, but dex commits to 22 columns where small commits to 25.
    assert_eq!(run.execution.public_input.layout, "dex");
    assert_eq!(run.execution.public_input.n_steps, 512);
}

#[test]
fn a_program_that_lacks_its_argument_fails_with_its_place() {
    let program = Program::from_bytes(&echo(write_parameters())).unwrap();
    let error = run(&program, &Arguments::none(), &options()).unwrap_err();
    assert!(matches!(error, CairoError::ProgramFailed { .. }), "{error}");
    let input = Arguments::ProgramInput(json!({}));
    assert_eq!(run(&program, &input, &options()).unwrap_err().code().0, 2005);
}

#[test]
fn an_unknown_hint_is_named() {
    let program = Program::from_bytes(&echo(json!([{ "SystemCall": {} }]))).unwrap();
    let error = run(&program, &Arguments::none(), &options()).unwrap_err();
    assert!(matches!(&error, CairoError::UnknownHint { hint, .. } if hint.contains("SystemCall")), "{error}");
}

#[test]
fn as_many_steps_as_the_plan_says_at_most_are_enough_in_every_layout() {
    let program = Program::from_bytes(&echo(write_parameters())).unwrap();
    let arguments = Arguments::from_text("7").unwrap();
    let planned = plan(&program, &arguments, &Limits::default()).unwrap();
    let limits = Limits { steps: planned.most_steps(), ..Limits::default() };
    let mut ran = 0;
    for layout in planned.layouts.iter().filter(|plan| plan.outcome.is_ok()) {
        let layout = LayoutChoice::Named(layout.layout.to_owned());
        run(&program, &arguments, &RunOptions { layout, limits, ..options() }).unwrap();
        ran += 1;
    }
    assert!(ran > 1);
}

#[test]
fn an_endless_loop_meets_the_step_limit() {
    let program = Program::from_bytes(&executable(&["0x10780017fff7fff", "0x0"], json!([]))).unwrap();
    let error = run(&program, &Arguments::none(), &options()).unwrap_err();
    assert!(matches!(error, CairoError::StepLimit { limit: 100_000 }), "{error}");
}

#[test]
fn a_far_write_meets_the_memory_limit() {
    // ap += 2^40; [ap] = [fp - 3]; ap++
    let code = [ADVANCE_AP, "0x10000000000", "0x480a7ffd7fff8000"];
    let program = Program::from_bytes(&executable(&code, json!([]))).unwrap();
    let error = run(&program, &Arguments::none(), &options()).unwrap_err();
    assert!(matches!(error, CairoError::MemoryLimit { .. }), "{error}");
    // [ap] = [fp - 3] + 2^40; ap++; [ap - 2] = [[ap - 1]]
    let code = ["0x482680017ffd8000", "0x10000000000", "0x400080007fff7ffe"];
    let program = Program::from_bytes(&executable(&code, json!([]))).unwrap();
    let error = run(&program, &Arguments::none(), &options()).unwrap_err();
    assert!(matches!(error, CairoError::MemoryLimit { .. }), "{error}");
}

#[test]
fn a_layout_without_the_builtin_is_refused_with_those_that_have_it() {
    let program = Program::from_bytes(&echo(write_parameters())).unwrap();
    let plain = RunOptions { layout: LayoutChoice::Named("plain".into()), ..options() };
    let error = run(&program, &Arguments::none(), &plain).unwrap_err();
    assert!(
        matches!(&error, CairoError::MissingBuiltins { fitting, .. } if fitting.contains("small")),
        "{error}"
    );
    let unknown = RunOptions { layout: LayoutChoice::Named("huge".into()), ..options() };
    assert_eq!(run(&program, &Arguments::none(), &unknown).unwrap_err().code().0, 2006);
}

#[test]
fn what_is_not_a_program_is_refused() {
    for bytes in [&b""[..], b"{}", b"[]", b"{\"entrypoints\": 3}", b"\xff\xfe"] {
        assert_eq!(Program::from_bytes(bytes).unwrap_err().code().0, 2001);
    }
    let mut file: Value = serde_json::from_slice(&echo(write_parameters())).unwrap();
    file["entrypoints"][0]["kind"] = json!("Bootloader");
    let error = Program::from_bytes(&serde_json::to_vec(&file).unwrap()).unwrap_err();
    assert_eq!(error.code().0, 2004);
    file["entrypoints"][0] = json!({ "builtins": ["output"], "offset": 900, "kind": "Standalone" });
    let error = Program::from_bytes(&serde_json::to_vec(&file).unwrap()).unwrap_err();
    assert_eq!(error.code().0, 2003);
}
