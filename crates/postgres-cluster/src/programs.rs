//! Where PostgreSQL's programs are, and as whom they run.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

/// The variable that names the folder of the programs, where they are in an unusual place.
const VARIABLE: &str = "ASHLAR_POSTGRES_BIN";

/// The oldest version that the records are tested with.
const OLDEST: u32 = 15;

/// PostgreSQL's programs.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// The user and group that the server runs as, where that is not the caller.
    other: Option<(u32, u32)>,
}

impl Programs {
    pub(crate) fn find() -> Result<Programs, String> {
        let folder = match std::env::var_os(VARIABLE) {
            Some(folder) => PathBuf::from(folder),
            None => youngest(Path::new("/usr/lib/postgresql")).ok_or_else(|| {
                format!("PostgreSQL {OLDEST} or younger is not installed (Debian: postgresql)")
            })?,
        };
        if !folder.join("initdb").is_file() {
            return Err(format!("there is no initdb in {}", folder.display()));
        }
        let own = fs::metadata("/proc/self").map_or(0, |process| process.uid());
        let other = match own {
            0 => Some(
                servant().ok_or("neither the user postgres nor nobody is there, and root must not run it")?,
            ),
            _ => None,
        };
        Ok(Programs { folder, other })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a folder the server's.
    pub(crate) fn give(&self, folder: &Path) -> Result<(), String> {
        match self.other {
            Some((user, group)) => chown(folder, Some(user), Some(group))
                .map_err(|error| format!("{} cannot be given away: {error}", folder.display())),
            None => Ok(()),
        }
    }

    /// A program, run as the server's user.
    pub(crate) fn command(&self, program: &Path) -> Command {
        self.command_within(&[], program)
    }

    /// [`Programs::command`], started by a program that becomes it.
    pub(crate) fn command_within(&self, within: &[&str], program: &Path) -> Command {
        let mut words: Vec<OsString> = within.iter().map(OsString::from).collect();
        if let Some((user, group)) = self.other {
            words.extend([
                "setpriv".into(),
                format!("--reuid={user}").into(),
                format!("--regid={group}").into(),
            ]);
            words.extend(["--clear-groups".into(), "--".into()]);
        }
        words.push(program.into());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        // Variables that the caller has for a server of its own.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").current_dir("/");
        command
    }

    /// Runs one of PostgreSQL's programs to its end.
    pub(crate) fn run(&self, name: &str, arguments: impl FnOnce(&mut Command)) -> Result<String, String> {
        let mut command = self.command(&self.folder.join(name));
        arguments(&mut command);
        let output = command.output().map_err(|error| format!("{name} cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("{name} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// The folder of the youngest version's programs, as Debian has them.
fn youngest(versions: &Path) -> Option<PathBuf> {
    let version = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    fs::read_dir(versions)
        .ok()?
        .flatten()
        .filter_map(|entry| Some((version(&entry).filter(|version| *version >= OLDEST)?, entry.path())))
        .max()
        .map(|(_, path)| path.join("bin"))
}

/// User and group of somebody who is not root.
fn servant() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
