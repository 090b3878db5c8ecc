//! What processes have used, as Linux counts it (proc(5)).

use std::{fs, io};

use anyhow::Context;

/// A process that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// What it is called in tables.
    pub name: String,
    /// Its id.
    pub pid: u32,
}

/// Processor seconds (user and system) that each process has used since it began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuUse(Vec<(String, f64)>);

impl CpuUse {
    /// As of now. A process that has ended counts nothing.
    #[must_use]
    pub fn of(processes: &[Process]) -> Self {
        let used = |process: &Process| (process.name.clone(), cpu_seconds(process.pid).unwrap_or(0.0));
        Self(processes.iter().map(used).collect())
    }

    /// What was used since an earlier look at the same processes, by name and in order.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Vec<(String, f64)> {
        let before = |name: &str| earlier.0.iter().find(|(other, _)| other == name).map_or(0.0, |(_, s)| *s);
        self.0.iter().map(|(name, now)| (name.clone(), (now - before(name)).max(0.0))).collect()
    }
}

/// Processor seconds of a process, exact to a clock tick (10 ms).
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = read(pid, "stat")?;
    let ticks = ticks_of(&stat).with_context(|| format!("/proc/{pid}/stat is not as proc(5) says"))?;
    Ok(ticks / ticks_per_second())
}

/// The most memory that a process had resident, in KiB.
pub fn peak_kib(pid: u32) -> anyhow::Result<u64> {
    let status = read(pid, "status")?;
    field_of(&status, "VmHWM:").with_context(|| format!("/proc/{pid}/status names no VmHWM"))
}

/// Resident memory of a process, in KiB.
pub fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = read(pid, "status")?;
    resident_of(&status).with_context(|| format!("/proc/{pid}/status names no VmRSS"))
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error: io::Error| anyhow::anyhow!("reading {path}: {error}"))
}

/// utime + stime: fields 14 and 15, where field 2 is the name in brackets and may hold anything.
fn ticks_of(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

fn resident_of(status: &str) -> Option<u64> {
    field_of(status, "VmRSS:")
}

fn field_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn ticks_per_second() -> f64 {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    ticks.and_then(|ticks| i32::try_from(ticks).ok()).map_or(100.0, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 12345 1 2";
        assert_eq!(ticks_of(stat), Some(200.0));
        assert_eq!(ticks_of("nothing"), None);
    }

    #[test]
    fn resident_memory_is_read_in_kib() {
        assert_eq!(resident_of("Name:\tx\nVmRSS:\t   5120 kB\nRssAnon: 1 kB\n"), Some(5120));
        assert_eq!(resident_of("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_uses_processor_time_and_memory() {
        let me = [Process { name: "me".to_owned(), pid: std::process::id() }];
        let before = CpuUse::of(&me);
        let begun = std::time::Instant::now();
        let mut x = 1u64;
        while begun.elapsed() < std::time::Duration::from_millis(80) {
            x = std::hint::black_box(x.wrapping_mul(31));
        }
        let used = CpuUse::of(&me).since(&before);
        assert!(used.iter().all(|(_, seconds)| *seconds > 0.0), "{used:?}");
        assert!(resident_kib(std::process::id()).unwrap() > 500);
    }
}
