//! The metrics of the process itself, under the names that Prometheus gives them everywhere.

use std::fmt::Write as _;
use std::fs;

/// Ticks per second of the times in `/proc/self/stat`: `USER_HZ`, which Linux fixes at 100 for user space on
/// every architecture in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// A reading of `/proc/self`. A figure that cannot be read is left out.
#[derive(Debug, Default)]
pub(super) struct Process {
    resident_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    open_fds: Option<usize>,
    threads: Option<u64>,
    start_seconds: Option<f64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Self {
            resident_bytes: field(&status, "VmRSS:").map(|kib| kib * 1024),
            threads: field(&status, "Threads:"),
            cpu_seconds: cpu_seconds(&stat),
            open_fds: fs::read_dir("/proc/self/fd").ok().map(Iterator::count),
            start_seconds: start_seconds(&stat),
        }
    }

    /// Appends what was read in the Prometheus text format.
    pub(super) fn render(&self, text: &mut String) {
        let mut write = |name: &str, kind: &str, help: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
            }
        };
        let shown = |number: Option<f64>| number.map(|number| number.to_string());
        let counted = |number: Option<u64>| number.map(|number| number.to_string());
        let fds = self.open_fds.map(|count| count.to_string());
        write("process_resident_memory_bytes", "gauge", "Resident memory.", counted(self.resident_bytes));
        write("process_cpu_seconds_total", "counter", "User and system time.", shown(self.cpu_seconds));
        write("process_open_fds", "gauge", "Open file descriptors.", fds);
        write("process_threads", "gauge", "Threads.", counted(self.threads));
        write("process_start_time_seconds", "gauge", "Start, in unix seconds.", shown(self.start_seconds));
    }
}

/// The first number after a name in `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The fields of `/proc/self/stat` from the third on; the second, the name in parentheses, may hold anything.
fn numbers(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace().collect())
}

/// Fields 14 and 15, `utime` and `stime` (proc(5)).
fn cpu_seconds(stat: &str) -> Option<f64> {
    let fields = numbers(stat)?;
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// Field 22, `starttime`, in ticks since boot, after the boot time of `/proc/stat`.
fn start_seconds(stat: &str) -> Option<f64> {
    let started = numbers(stat)?.get(19)?.parse::<f64>().ok()? / TICKS_PER_SECOND;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let booted = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<f64>().ok()?;
    Some(booted + started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_where_proc_keeps_them() {
        let stat = "42 (a) name (x) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1000 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(numbers(stat).unwrap()[19], "1000");
        assert_eq!(field("Name:\tx\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048));
        assert_eq!(cpu_seconds("nonsense"), None);
    }

    #[test]
    fn this_process_has_memory_threads_and_open_files() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 100_000);
        assert!(process.open_fds.unwrap() > 0);
        assert!(process.threads.unwrap() > 0);
        assert!(process.start_seconds.unwrap() > 1_600_000_000.0);
    }
}
