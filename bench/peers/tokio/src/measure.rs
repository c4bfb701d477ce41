// SPDX-License-Identifier: MIT
//
// The clock around the work, and the line of JSON; the same as in bench/bench.c.

use std::time::Instant;

// What is measured beside time per operation.
enum Extra {
    Nothing,
    Latencies { p50_ns: u64, p99_ns: u64 },
    Bytes(u64),
}

pub struct Clock {
    wall: Instant,
    cpu_ns: u64,
}

pub struct Measured {
    operations: u64,
    wall_ns: u64,
    cpu_ns: u64,
    extra: Extra,
}

// User and system time of all threads.
fn cpu_now_ns() -> u64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;

    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

// What the line that begins with `name` says, in this process's status in the kernel.
fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(name));

    value.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

pub fn resident_bytes() -> u64 {
    status_kib("VmRSS:") * 1024
}

// The monotonic clock.
pub fn now_ns() -> u64 {
    let mut now: libc::timespec = unsafe { std::mem::zeroed() };

    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

impl Clock {
    pub fn start() -> Clock {
        let cpu_ns = cpu_now_ns();

        Clock { cpu_ns, wall: Instant::now() }
    }

    pub fn stop(self, operations: u64) -> Measured {
        let wall_ns = self.wall.elapsed().as_nanos() as u64;

        Measured { operations, wall_ns, cpu_ns: cpu_now_ns() - self.cpu_ns, extra: Extra::Nothing }
    }
}

impl Measured {
    pub fn with_latencies(mut self, mut ns: Vec<u64>) -> Measured {
        ns.sort_unstable();
        let (p50_ns, p99_ns) = (ns[ns.len() / 2], ns[ns.len() - 1 - ns.len() / 100]);

        self.extra = Extra::Latencies { p50_ns, p99_ns };
        self
    }

    pub fn with_memory(mut self, resident_before: u64) -> Measured {
        self.extra = Extra::Bytes(resident_bytes().saturating_sub(resident_before));
        self
    }

    pub fn print(&self, bench: &str, workers: u64) {
        let each = |total: u64| total as f64 / self.operations as f64;
        let (ns, extra) = match self.extra {
            Extra::Nothing => (each(self.wall_ns), String::new()),
            Extra::Latencies { p50_ns, p99_ns } => (p50_ns as f64, format!(",\"p99_ns\":{p99_ns}")),
            Extra::Bytes(grown) => {
                (each(self.wall_ns), format!(",\"bytes_per_op\":{:.1}", each(grown)))
            }
        };

        println!(
            "{{\"bench\":\"{bench}\",\"impl\":\"tokio\",\"style\":\"-\",\"workers\":{workers},\
             \"n\":{},\"ns_per_op\":{ns:.3},\"cpu_ns_per_op\":{:.3},\"rss_kib\":{}{extra}}}",
            self.operations,
            each(self.cpu_ns),
            status_kib("VmHWM:")
        );
    }
}
