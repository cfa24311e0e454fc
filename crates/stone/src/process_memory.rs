//! The memory of a process as Linux tells it in `/proc`. Other systems do not say.

use std::fs;

/// Memory of one process at one moment, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMemory {
    /// In use now.
    pub resident: u64,
    /// The most that was in use at any time.
    pub peak: u64,
}

impl ProcessMemory {
    /// This process's; `None` where the system does not say.
    pub fn own() -> Option<ProcessMemory> {
        Self::from_status(&fs::read_to_string("/proc/self/status").ok()?)
    }

    /// That of the process with this number; `None` if there is none, or the system does not say.
    pub fn of(process: u32) -> Option<ProcessMemory> {
        Self::from_status(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
    }

    /// `text`: lines such as `VmRSS:     1234 kB`, where kB is 1024 bytes.
    fn from_status(text: &str) -> Option<ProcessMemory> {
        let bytes = |key| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
        };
        Some(ProcessMemory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes_and_a_process_that_has_ended_has_none() {
        let text = "Name:\tx\nVmHWM:\t     20 kB\nVmRSS:\t      8 kB\n";
        assert_eq!(
            ProcessMemory::from_status(text),
            Some(ProcessMemory { resident: 8 * 1024, peak: 20 * 1024 })
        );
        // A process that has ended but was not waited for has no such lines.
        assert_eq!(ProcessMemory::from_status("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_so_it_has_by_its_number() {
        let own = ProcessMemory::own().unwrap();
        assert!(own.resident > 0 && own.peak >= own.resident, "{own:?}");
        assert!(ProcessMemory::of(std::process::id()).unwrap().peak >= own.peak);
    }
}
