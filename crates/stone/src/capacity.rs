//! How much memory a proof may use: what the machine and its control groups have left, or what a person says; and what
//! the prover therefore keeps of its columns.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use ashlar_fault::{Code, Exit, Fault};
use ashlar_stark::{StoragePolicy, UnknownStoragePolicy};

use crate::prediction::Prediction;

/// The environment variable by which every program takes a [`MemoryLimit`].
pub const MEMORY_LIMIT_VARIABLE: &str = "ASHLAR_MEMORY_LIMIT";

/// What a proof may use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryLimit {
    /// What is available when the proof is about to start.
    #[default]
    Available,
    /// So many bytes, whatever is available.
    Bytes(u64),
    /// So many bytes, set aside for this proof alone: all of it may be used.
    Reserved(u64),
    /// Anything: the prediction is not looked at.
    Unlimited,
}

/// A text that is no [`MemoryLimit`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected available, none, or a size such as 24GiB, got {got:?}")]
pub struct UnknownMemoryLimit {
    /// What was given.
    pub got: String,
}

impl FromStr for MemoryLimit {
    type Err = UnknownMemoryLimit;

    fn from_str(text: &str) -> Result<MemoryLimit, UnknownMemoryLimit> {
        let unknown = || UnknownMemoryLimit { got: text.to_owned() };
        match text {
            "available" => return Ok(MemoryLimit::Available),
            "none" => return Ok(MemoryLimit::Unlimited),
            _ => {}
        }
        let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let shift = match unit.trim_start() {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return Err(unknown()),
        };
        let number: u64 = digits.parse().map_err(|_| unknown())?;
        number.checked_mul(1 << shift).map(MemoryLimit::Bytes).ok_or_else(unknown)
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryLimit::Available => f.write_str("available"),
            MemoryLimit::Bytes(bytes) | MemoryLimit::Reserved(bytes) => write!(f, "{bytes}"),
            MemoryLimit::Unlimited => f.write_str("none"),
        }
    }
}

/// How the prover's [`StoragePolicy`] is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageChoice {
    /// Two cosets for a proof that takes at most a tenth of the memory, one for a larger one, and one copy in place
    /// where even that does not fit: a small proof is quick, a large one leaves room for others.
    #[default]
    Automatic,
    /// This one.
    Only(StoragePolicy),
}

impl FromStr for StorageChoice {
    type Err = UnknownStoragePolicy;

    fn from_str(text: &str) -> Result<StorageChoice, UnknownStoragePolicy> {
        match text {
            "automatic" => Ok(StorageChoice::Automatic),
            _ => text.parse().map(StorageChoice::Only),
        }
    }
}

impl fmt::Display for StorageChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageChoice::Automatic => f.write_str("automatic"),
            StorageChoice::Only(policy) => policy.fmt(f),
        }
    }
}

/// Who sets the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBound {
    /// The machine: memory that processes can get without swapping.
    Machine,
    /// The control group of this process, or one above it.
    ControlGroup,
    /// The person, by flag or environment.
    Person,
    /// Whoever set memory aside for this proof.
    Reservation,
}

impl fmt::Display for MemoryBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemoryBound::Machine => "what this machine has available",
            MemoryBound::ControlGroup => "what this process's control group has left",
            MemoryBound::Person => "the memory limit that was set",
            MemoryBound::Reservation => "what was set aside for it",
        })
    }
}

/// The memory of this machine, as far as this process may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The most that this process could ever use, in bytes.
    pub limit: u64,
    /// What it could get now, in bytes.
    pub available: u64,
    /// What bounds [`Memory::available`].
    pub bound: MemoryBound,
}

impl Memory {
    /// As the system tells it; `None` where it does not.
    pub fn now() -> Option<Memory> {
        Memory::read(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
    }

    fn read(processes: &Path, groups: &Path) -> Option<Memory> {
        let table = fs::read_to_string(processes.join("meminfo")).ok()?;
        let mut memory = Memory {
            limit: kibibytes(&table, "MemTotal:")?,
            available: kibibytes(&table, "MemAvailable:")?,
            bound: MemoryBound::Machine,
        };
        let membership = fs::read_to_string(processes.join("self/cgroup")).unwrap_or_default();
        for group in groups_of(&membership, groups) {
            let Some(limit) =
                number(&group.join("memory.max")).or_else(|| number(&group.join("memory.limit_in_bytes")))
            else {
                continue;
            };
            let used = number(&group.join("memory.current"))
                .or_else(|| number(&group.join("memory.usage_in_bytes")))
                .unwrap_or(0);
            // Pages of files that nobody has touched lately are given back when somebody needs the room.
            let table = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
            let spare =
                ["inactive_file", "total_inactive_file"].iter().filter_map(|key| entry(&table, key)).max();
            let left = limit.saturating_sub(used.saturating_sub(spare.unwrap_or(0)));
            memory.limit = memory.limit.min(limit);
            if left < memory.available {
                memory.available = left;
                memory.bound = MemoryBound::ControlGroup;
            }
        }
        Some(memory)
    }
}

/// The control groups that account for this process's memory, from its own to the root, of either version.
fn groups_of(membership: &str, groups: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let root = match controllers {
            "" => groups.to_owned(),
            "memory" => groups.join("memory"),
            _ => continue,
        };
        // Inside a container the path may be the host's, which is not there: then only the root is.
        let own = root.join(path.trim_start_matches('/'));
        found.extend(own.ancestors().take_while(|group| group.starts_with(&root)).map(Path::to_owned));
    }
    found
}

fn kibibytes(table: &str, key: &str) -> Option<u64> {
    entry(table, key)?.checked_mul(1024)
}

fn entry(table: &str, key: &str) -> Option<u64> {
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A proof that would not fit: refused before it starts, because the system ends a process that takes too much
/// without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a proof of at most {} of memory ({bound}), got one predicted to need {}",
    size(*allowed),
    size(*needed)
)]
pub struct TooMuchMemory {
    /// Predicted peak in bytes.
    pub needed: u64,
    /// What it may use, in bytes.
    pub allowed: u64,
    /// Who says so.
    pub bound: MemoryBound,
}

/// Bytes in the unit that suits them.
fn size(bytes: u64) -> String {
    const GIBIBYTE: f64 = (1u64 << 30) as f64;
    match bytes as f64 / GIBIBYTE {
        gibibytes if gibibytes < 1.0 => format!("{:.1} MiB", gibibytes * 1024.0),
        gibibytes => format!("{gibibytes:.1} GiB"),
    }
}

impl Fault for TooMuchMemory {
    fn code(&self) -> Code {
        Code(2104)
    }

    fn exit(&self) -> Exit {
        Exit::Capacity
    }

    fn hint(&self) -> Option<String> {
        Some(format!(
            "prove less at once, or on a machine with more memory (ashlar plan shows what each layout needs); to \
             try all the same: {MEMORY_LIMIT_VARIABLE}=none"
        ))
    }
}

impl MemoryLimit {
    /// What to keep in memory. Whether it fits is for [`MemoryLimit::check`].
    pub fn storage(self, prediction: &Prediction, choice: StorageChoice) -> StoragePolicy {
        self.storage_within(Memory::now(), needed(prediction, StoragePolicy::OneCoset), choice)
    }

    fn storage_within(self, memory: Option<Memory>, two_copies: u64, choice: StorageChoice) -> StoragePolicy {
        let most = match self {
            MemoryLimit::Bytes(bytes) | MemoryLimit::Reserved(bytes) => bytes,
            MemoryLimit::Unlimited | MemoryLimit::Available => {
                memory.map_or(u64::MAX, |memory| memory.available)
            }
        };
        match choice {
            StorageChoice::Only(policy) => policy,
            StorageChoice::Automatic if two_copies <= most => StoragePolicy::OneCoset,
            StorageChoice::Automatic => StoragePolicy::InPlace,
        }
    }

    /// Refuses a proof that is predicted to need more than it may use. Where the system does not say what is
    /// available, nothing is refused.
    ///
    /// # Errors
    /// [`TooMuchMemory`].
    pub fn check(self, prediction: &Prediction, storage: StoragePolicy) -> Result<(), TooMuchMemory> {
        self.check_within(Memory::now(), needed(prediction, storage))
    }

    fn check_within(self, memory: Option<Memory>, needed: u64) -> Result<(), TooMuchMemory> {
        let (allowed, bound) = match (self, memory) {
            (MemoryLimit::Unlimited, _) | (MemoryLimit::Available, None) => return Ok(()),
            (MemoryLimit::Bytes(bytes), _) => (bytes, MemoryBound::Person),
            (MemoryLimit::Reserved(bytes), _) => (bytes, MemoryBound::Reservation),
            (MemoryLimit::Available, Some(memory)) => (memory.available, memory.bound),
        };
        if needed > allowed { Err(TooMuchMemory { needed, allowed, bound }) } else { Ok(()) }
    }
}

/// Predicted peak in bytes.
fn needed(prediction: &Prediction, storage: StoragePolicy) -> u64 {
    prediction.memory_bytes(storage) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of 8 GiB with 6 available, and a process whose group may use 2 GiB, half of which is taken, a quarter
    /// of that by files that can be dropped.
    fn machine(membership: &str, group: &str) -> Memory {
        let root =
            std::env::temp_dir().join(format!("ashlar-capacity-{}-{}", std::process::id(), group.len()));
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/meminfo", "MemTotal:  8388608 kB\nMemFree: 1 kB\nMemAvailable:  6291456 kB\n");
        write("proc/self/cgroup", membership);
        write(&format!("{group}/memory.max"), "2147483648\n");
        write(&format!("{group}/memory.current"), "1073741824\n");
        write(&format!("{group}/memory.stat"), "anon 5\ninactive_file 268435456\n");
        let memory = Memory::read(&root.join("proc"), &root.join("groups")).unwrap();
        fs::remove_dir_all(&root).unwrap();
        memory
    }

    #[test]
    fn the_tightest_control_group_bounds_what_is_available() {
        for (membership, group) in [
            ("0::/jobs/one\n", "groups/jobs/one"),
            ("0::/jobs/one\n", "groups/jobs"),
            ("0::/a/path/of/the/host\n", "groups"),
            ("5:cpu:/x\n4:memory:/one\n", "groups/memory/one"),
        ] {
            let memory = machine(membership, group);
            assert_eq!(memory.limit, 2 << 30, "{group}");
            assert_eq!(memory.available, (1 << 30) + (1 << 28), "{group}");
            assert_eq!(memory.bound, MemoryBound::ControlGroup);
        }
        let elsewhere = machine("0::/jobs/two\n", "groups/jobs/one/");
        assert_eq!((elsewhere.available, elsewhere.bound), (6 << 30, MemoryBound::Machine));
    }

    #[test]
    fn a_refusal_has_both_figures_and_who_sets_the_bound() {
        let refusal =
            TooMuchMemory { needed: 41 << 30, allowed: 600 << 20, bound: MemoryBound::ControlGroup };
        assert_eq!(
            refusal.to_string(),
            "expected a proof of at most 600.0 MiB of memory (what this process's control group has left), got one \
             predicted to need 41.0 GiB"
        );
        assert!(refusal.hint().is_some_and(|hint| hint.contains("ASHLAR_MEMORY_LIMIT=none")));
    }

    #[test]
    fn limits_are_read_with_their_units() {
        for (text, limit) in [
            ("available", MemoryLimit::Available),
            ("none", MemoryLimit::Unlimited),
            ("1024", MemoryLimit::Bytes(1024)),
            ("24GiB", MemoryLimit::Bytes(24 << 30)),
            ("24 MiB", MemoryLimit::Bytes(24 << 20)),
        ] {
            assert_eq!(text.parse(), Ok(limit), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GiB", "24GB", "99999999999TiB", "all"] {
            assert!(text.parse::<MemoryLimit>().is_err(), "{text}");
        }
    }

    #[test]
    fn proofs_have_two_copies_of_a_column_and_the_largest_one() {
        let machine = Memory { limit: 24 << 30, available: 16 << 30, bound: MemoryBound::Machine };
        let need = |gigabytes: u64, policy| match policy {
            StoragePolicy::Stored => (4 * gigabytes) << 30,
            StoragePolicy::TwoCosets => (3 * gigabytes) << 29,
            StoragePolicy::OneCoset => gigabytes << 30,
            StoragePolicy::InPlace => gigabytes << 29,
        };
        let chosen = |gigabytes, limit: MemoryLimit, choice| {
            let two_copies = need(gigabytes, StoragePolicy::OneCoset);
            let policy = limit.storage_within(Some(machine), two_copies, choice);
            limit.check_within(Some(machine), need(gigabytes, policy)).map(|()| policy)
        };
        let automatic = |gigabytes, limit| chosen(gigabytes, limit, StorageChoice::Automatic);
        assert_eq!(automatic(16, MemoryLimit::Available), Ok(StoragePolicy::OneCoset));
        assert_eq!(automatic(2, MemoryLimit::Bytes(2 << 30)), Ok(StoragePolicy::OneCoset));
        assert_eq!(automatic(2, MemoryLimit::Bytes(1 << 30)), Ok(StoragePolicy::InPlace));
        assert_eq!(automatic(2, MemoryLimit::Reserved(2 << 30)), Ok(StoragePolicy::OneCoset));
        assert_eq!(automatic(2, MemoryLimit::Reserved(1 << 30)), Ok(StoragePolicy::InPlace));
        let refusal = automatic(2, MemoryLimit::Reserved(1 << 29)).unwrap_err();
        assert_eq!(refusal.bound, MemoryBound::Reservation);
        assert_eq!(automatic(17, MemoryLimit::Available), Ok(StoragePolicy::InPlace));
        assert_eq!(automatic(40, MemoryLimit::Unlimited), Ok(StoragePolicy::InPlace));
        let refusal = automatic(34, MemoryLimit::Available).unwrap_err();
        assert_eq!((refusal.needed, refusal.allowed), (17 << 30, 16 << 30));
        let stored = StorageChoice::Only(StoragePolicy::Stored);
        assert_eq!(chosen(4, MemoryLimit::Available, stored), Ok(StoragePolicy::Stored));
        assert!(chosen(5, MemoryLimit::Available, stored).is_err());
    }

    #[test]
    fn a_choice_of_storage_is_read_as_it_is_written() {
        let only = StoragePolicy::ALL.map(StorageChoice::Only);
        for choice in only.into_iter().chain([StorageChoice::Automatic]) {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("everything".parse::<StorageChoice>().is_err());
    }
}
