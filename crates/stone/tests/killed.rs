//! A prover that ends before its time, at any point and in any way, leaves no file that looks like a proof.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod programs;
mod vectors;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use programs::{FLAGS, PROVER, ask_for_endless_work, program, prover_to, verifier, working_folder};

const SIGKILL: i32 = 9;
/// Sent by the kernel to a process that writes beyond its limit.
const SIGXFSZ: i32 = 25;

/// A folder with the files of the smallest case.
fn case(name: &str) -> PathBuf {
    working_folder(&format!("killed-{name}"), &programs::smallest())
}

/// The proof that the case has.
fn whole_proof() -> Vec<u8> {
    programs::smallest().proof()
}

fn prover(folder: &Path) -> Command {
    let mut command = prover_to(folder, "proof.json");
    command.arg("--logtostderr").stderr(Stdio::piped());
    command
}

/// The prover after some words of a shell, such as limits, which it inherits.
fn limited_prover(folder: &Path, words: &str) -> Command {
    let mut command = program("sh", folder);
    command.args(["-c", &format!("{words}; exec \"$0\" \"$@\""), PROVER]).args(FLAGS);
    command.args(["--out_file=proof.json", "--logtostderr"]).stderr(Stdio::piped());
    command
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Whether the file system keeps files without a name, with which nothing at all is left behind.
fn leaves_nothing(folder: &Path) -> bool {
    use rustix::fs::{Mode, OFlags};
    cfg!(target_os = "linux")
        && rustix::fs::open(folder, OFlags::TMPFILE | OFlags::WRONLY, Mode::RUSR | Mode::WUSR).is_ok()
}

/// What a run left beside its inputs: nothing or, where it came as far as the last step, the whole proof. On a file
/// system without unnamed files a hidden rest may be left, which the verifier refuses. Returns whether there is a proof.
#[track_caller]
fn assert_nothing_or_whole(folder: &Path, before: &BTreeSet<String>, what: &str) -> bool {
    let strict = leaves_nothing(folder);
    let mut found = false;
    for name in names(folder).difference(before) {
        let path = folder.join(name);
        if name == "proof.json" {
            assert!(fs::read(&path).unwrap() == whole_proof(), "{what}: {name} is not the whole proof");
            found = true;
        } else {
            assert!(!strict, "{what}: {name} was left behind");
            assert!(name.starts_with('.') && name.ends_with(".partial"), "{what}: {name}");
            let refused = verifier(folder, name).output().unwrap();
            assert!(!refused.status.success(), "{what}: {name} looks like a proof");
        }
        fs::remove_file(path).unwrap();
    }
    found
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Runs the prover, does something when it names phase number `phase`, and returns that name and how it ended; `None` if
/// there are fewer phases.
fn at_phase(folder: &Path, phase: usize, act: impl FnOnce(&mut Child)) -> (Option<String>, ExitStatus) {
    let mut child = prover(folder).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let name = lines.by_ref().filter(|line| line.ends_with('…')).nth(phase);
    if name.is_some() {
        act(&mut child);
    }
    // The pipe stays open to the end: a prover that cannot speak would end for that.
    lines.for_each(drop);
    (name, child.wait().unwrap())
}

/// The phases up to the proof of work, which is endless here.
fn phases(folder: &Path) -> Vec<String> {
    let mut child = prover(folder).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut phases = Vec::new();
    for line in lines.by_ref().filter(|line| line.ends_with('…')) {
        let is_last = line.starts_with("proof of work");
        phases.push(line);
        if is_last {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    phases
}

#[test]
fn a_prover_ended_in_any_phase_leaves_no_file() {
    let folder = case("phases");
    ask_for_endless_work(&folder);
    let before = names(&folder);
    let phases = phases(&folder);
    assert!(phases.len() >= 5 && phases.last().unwrap().starts_with("proof of work"), "{phases:?}");
    for (number, phase) in phases.iter().enumerate() {
        let (name, status) = at_phase(&folder, number, |child| child.kill().unwrap());
        assert_eq!((name.as_ref(), status.signal()), (Some(phase), Some(SIGKILL)));
        assert!(!assert_nothing_or_whole(&folder, &before, phase));
        for asked in ["-INT", "-TERM"] {
            let (name, status) = at_phase(&folder, number, |child| signal(child, asked));
            assert_eq!((name.as_ref(), status.code()), (Some(phase), Some(130)), "{asked}");
            // Who could clean up has cleaned up, on any file system.
            assert_eq!(names(&folder), before, "{phase} {asked}");
        }
    }
}

#[test]
fn a_prover_killed_at_any_moment_leaves_nothing_or_the_whole_proof() {
    const MOMENTS: u32 = 60;
    let folder = case("moments");
    let before = names(&folder);
    let started = Instant::now();
    assert!(prover(&folder).output().unwrap().status.success());
    // A little beyond the end, so that runs that just come to it are among these.
    let whole = started.elapsed() * 5 / 4;
    assert!(assert_nothing_or_whole(&folder, &before, "not killed"));
    let mut finished = 0;
    for moment in 0..MOMENTS {
        let mut child = prover(&folder).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(whole * moment / MOMENTS);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let found = assert_nothing_or_whole(&folder, &before, &format!("moment {moment} of {MOMENTS}"));
        assert!(found || !status.success(), "moment {moment}: it ended well, without a proof");
        finished += u32::from(found);
    }
    println!("of {MOMENTS} killed provers {finished} had finished");
}

/// The first moment of the writing: as soon as the prover opens any file for writing in the folder, it is killed.
#[cfg(target_os = "linux")]
#[test]
fn a_prover_killed_while_its_file_is_open_leaves_nothing_or_the_whole_proof() {
    let folder = fs::canonicalize(case("open")).unwrap();
    let before = names(&folder);
    let inputs: BTreeSet<PathBuf> = before.iter().map(|name| folder.join(name)).collect();
    let mut caught = 0;
    for attempt in 0..10 {
        let mut child = prover(&folder).spawn().unwrap();
        let opened = PathBuf::from(format!("/proc/{}/fd", child.id()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        // After the first phase: what is opened before it is the test whether the folder can be written to.
        assert!(lines.any(|line| line.ends_with('…')));
        let until = Instant::now() + Duration::from_secs(60);
        let is_open = || {
            let files = fs::read_dir(&opened).into_iter().flatten().flatten();
            let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
            targets.any(|target| target.starts_with(&folder) && !inputs.contains(&target))
        };
        while child.try_wait().unwrap().is_none() && Instant::now() < until {
            if is_open() {
                caught += 1;
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_nothing_or_whole(&folder, &before, &format!("attempt {attempt}"));
    }
    println!("of 10 provers {caught} were killed with the file open");
}

/// The kernel ends the process in the middle of its write, after so many blocks of 512 bytes.
#[test]
fn a_prover_ended_within_the_write_leaves_no_file() {
    let folder = case("write");
    let before = names(&folder);
    let blocks = whole_proof().len() / 512;
    assert!(blocks > 40);
    for limit in (0..blocks).step_by(blocks / 40) {
        let status =
            limited_prover(&folder, &format!("ulimit -c 0; ulimit -f {limit}")).output().unwrap().status;
        assert_eq!(status.signal(), Some(SIGXFSZ), "{limit} blocks: {status}");
        assert!(!assert_nothing_or_whole(&folder, &before, &format!("ended after {limit} blocks")));
    }
}

/// The same, and the process is told instead: as on a full disk.
#[test]
fn a_prover_whose_write_fails_says_so_and_leaves_no_file() {
    let folder = case("full");
    let before = names(&folder);
    for limit in [0, 1, 20] {
        let output = limited_prover(&folder, &format!("trap '' XFSZ; ulimit -f {limit}")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{limit} blocks: {said}");
        assert!(said.contains("error[ASH-1013]"), "{limit} blocks: {said}");
        assert_eq!(names(&folder), before, "{limit} blocks: a file was left behind");
    }
}

/// An older proof under the name stays what it is.
#[test]
fn a_prover_ended_within_the_write_leaves_the_old_file() {
    let folder = case("old");
    fs::write(folder.join("proof.json"), "old").unwrap();
    let before = names(&folder);
    for words in ["ulimit -c 0; ulimit -f 9", "trap '' XFSZ; ulimit -f 9"] {
        assert!(!limited_prover(&folder, words).output().unwrap().status.success());
        assert_eq!(fs::read(folder.join("proof.json")).unwrap(), b"old", "{words}");
        assert!(!assert_nothing_or_whole(&folder, &before, words));
    }
    assert!(prover(&folder).output().unwrap().status.success());
    assert!(fs::read(folder.join("proof.json")).unwrap() == whole_proof(), "the old file was not replaced");
    assert_eq!(names(&folder), before);
}
