//! The switched build: a copy of the workspace with every mutant in it, and its test programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::sites::Mutant;

/// Which mutant runs.
const VARIABLE: &str = "ASHLAR_MUTANT";

/// What every mutated crate gets: the switch.
const SWITCH: &str = r#"
#[doc(hidden)]
#[allow(missing_docs, dead_code, clippy::all)]
pub mod mutant_switch {
    static NUMBER: std::sync::LazyLock<Option<usize>> =
        std::sync::LazyLock::new(|| std::env::var("ASHLAR_MUTANT").ok()?.parse().ok());
    pub fn on(number: usize) -> bool {
        *NUMBER == Some(number)
    }
}
"#;

/// A test program.
#[derive(Debug)]
pub(super) struct TestProgram {
    executable: PathBuf,
    folder: PathBuf,
}

impl TestProgram {
    /// Whether it passes with this mutant; `None` if it does not end in time.
    pub(super) fn passes(&self, arguments: &[&str], mutant: Option<usize>, limit: Duration) -> Option<bool> {
        // What a removed check would have bounded must not take the machine's memory.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 6000000; exec \"$0\" \"$@\""]).arg(&self.executable);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env_remove(VARIABLE);
        if let Some(number) = mutant {
            command.env(VARIABLE, number.to_string());
        }
        let Ok(mut child) = command.spawn() else { return Some(false) };
        let start = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status.success()),
                Ok(None) if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
                _ => {
                    drop(child.kill());
                    drop(child.wait());
                    return None;
                }
            }
        }
    }
}

/// What came of the build.
pub(super) struct Built {
    /// By `package/target`, or `package` for unit tests.
    pub(super) programs: BTreeMap<String, TestProgram>,
    /// The numbers of mutants that do not compile.
    pub(super) unviable: BTreeSet<usize>,
}

/// The mutants that `cargo-mutants` lists for the files of its configuration.
pub(super) fn listed_by_cargo_mutants(root: &Path) -> Result<Vec<Value>, String> {
    let mut command = Command::new("cargo");
    command.args(["mutants", "--workspace", "--list", "--json"]).current_dir(root);
    let output = command.output().map_err(|error| format!("cargo mutants cannot be run: {error}"))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo install cargo-mutants --locked, then try again ({error})"))
}

/// Builds all mutants, leaving out one after the other what does not compile.
pub(super) fn all(root: &Path, tree: &Path, mutants: &[Mutant], tests: &[&str]) -> Result<Built, String> {
    copy(root, tree, mutants)?;
    let mut unviable = BTreeSet::new();
    loop {
        let places = write_switched(root, tree, mutants, &unviable)?;
        let (programs, errors) = compile(tree, tests)?;
        if errors.is_empty() {
            return Ok(Built { programs, unviable });
        }
        let before = unviable.len();
        for (file, at, message) in errors {
            let places = places.get(&file).map(Vec::as_slice).unwrap_or_default();
            // One mutant may cause several errors.
            let found = places.iter().rev().find(|(start, _)| *start <= at);
            let Some(&(_, number)) = found else {
                return Err(format!("the switched build fails: {file}, byte {at}: {message}"));
            };
            unviable.insert(number);
        }
        if unviable.len() == before {
            return Err("the switched build fails for an unknown reason".into());
        }
        eprintln!("xtask: {} of the mutants do not compile; building again without them", unviable.len());
    }
}

/// Copies what git tracks, with the switch in every mutated crate, except the mutated files, which come later.
fn copy(root: &Path, tree: &Path, mutants: &[Mutant]) -> Result<(), String> {
    let mutated: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
    let roots: BTreeSet<String> =
        mutants.iter().map(|mutant| format!("crates/{}/src/lib.rs", mutant.package())).collect();
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let output = output.map_err(|error| format!("git cannot be run: {error}"))?;
    for file in String::from_utf8_lossy(&output.stdout).split('\0').filter(|file| !file.is_empty()) {
        if !mutated.contains(file) && root.join(file).is_file() {
            let mut bytes = fs::read(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
            if roots.contains(file) {
                bytes.extend(SWITCH.as_bytes());
            }
            write_if_changed(&tree.join(file), &bytes)?;
        }
    }
    Ok(())
}

/// An unchanged file keeps its time, so that cargo does not build its crate again.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Where the texts of mutants stand in the switched file, in order.
type Places = Vec<(usize, usize)>;

fn write_switched(
    root: &Path,
    tree: &Path,
    mutants: &[Mutant],
    unviable: &BTreeSet<usize>,
) -> Result<BTreeMap<String, Places>, String> {
    let mut by_file: BTreeMap<&str, Vec<(usize, isize, usize, &str)>> = BTreeMap::new();
    for (number, mutant) in mutants.iter().enumerate() {
        let insertions = by_file.entry(&mutant.file).or_default();
        if let (Some(edits), false) = (&mutant.edits, unviable.contains(&number)) {
            // Of two stretches of the same extent, the one that opens first closes last.
            insertions.extend(edits.iter().map(|edit| {
                let inner = if edit.stretch > 0 { usize::MAX - number } else { number };
                (edit.at, edit.stretch, inner, edit.text.as_str())
            }));
        }
    }
    let mut all_places = BTreeMap::new();
    for (file, mut insertions) in by_file {
        let text = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        // At one place everything closes, shortest first, before anything opens, longest first.
        insertions.sort_by_key(|&(at, stretch, inner, _)| (at, stretch <= 0, stretch, inner));
        let (mut switched, mut places, mut copied) = (String::new(), Places::new(), 0);
        for (at, stretch, inner, insertion) in insertions {
            switched.push_str(&text[copied..at]);
            copied = at;
            if stretch <= 0 {
                places.push((switched.len(), inner));
            }
            switched.push_str(&insertion.replace("NUMBER", &inner.to_string()));
        }
        switched.push_str(&text[copied..]);
        write_if_changed(&tree.join(file), switched.as_bytes())?;
        all_places.insert(file.to_owned(), places);
    }
    Ok(all_places)
}

/// An error in a mutated file: the file, where, and what.
type CompileError = (String, usize, String);

fn compile(
    tree: &Path,
    tests: &[&str],
) -> Result<(BTreeMap<String, TestProgram>, Vec<CompileError>), String> {
    let mut programs = BTreeMap::new();
    let mut errors = Vec::new();
    let mut by_package: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
    for test in tests {
        let program = test.split(' ').next().unwrap_or_default();
        let (package, target) = program.split_once('/').map_or((program, None), |(a, b)| (a, Some(b)));
        by_package.entry(package).or_default().insert(target);
    }
    for (package, targets) in by_package {
        let mut command = Command::new("cargo");
        command.args(["test", "--release", "--no-run", "--message-format=json", "--quiet"]);
        command.args(["--package", &format!("ashlar-{package}")]).current_dir(tree);
        for target in targets {
            match target {
                None => command.arg("--lib"),
                Some(target) => command.args(["--test", target]),
            };
        }
        let output = command.stderr(Stdio::null()).output().map_err(|error| error.to_string())?;
        for line in output.stdout.split(|&byte| byte == b'\n') {
            let Ok(message) = serde_json::from_slice::<Value>(line) else { continue };
            if message["message"]["level"] == "error" {
                let text = message["message"]["message"].as_str().unwrap_or_default().to_owned();
                let spans = message["message"]["spans"].as_array().cloned().unwrap_or_default();
                if let Some(span) = spans.iter().find(|span| span["is_primary"] == true) {
                    let file = span["file_name"].as_str().unwrap_or_default().to_owned();
                    errors.push((file, span["byte_start"].as_u64().unwrap_or(0) as usize, text));
                }
            }
            if let Some(executable) = message["executable"].as_str()
                && message["profile"]["test"] == true
            {
                let target = message["target"]["name"].as_str().unwrap_or_default();
                let is_unit = message["target"]["kind"].as_array().is_some_and(|kind| kind[0] == "lib");
                let name = if is_unit { package.to_owned() } else { format!("{package}/{target}") };
                let folder = tree.join("crates").join(package);
                programs.insert(name, TestProgram { executable: executable.into(), folder });
            }
        }
        if !errors.is_empty() || !output.status.success() {
            break;
        }
    }
    errors.sort();
    errors.dedup_by_key(|(file, at, _)| (file.clone(), *at));
    Ok((programs, errors))
}
