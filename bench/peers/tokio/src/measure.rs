// SPDX-License-Identifier: MIT
//
// The clock around the work, and the line of JSON; the same as in bench/bench.c.

use std::time::Instant;

pub struct Clock {
    wall: Instant,
    cpu_ns: u64,
}

pub struct Measured {
    operations: u64,
    wall_ns: u64,
    cpu_ns: u64,
}

// User and system time of all threads.
fn cpu_now_ns() -> u64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;

    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));

    peak.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

impl Clock {
    pub fn start() -> Clock {
        let cpu_ns = cpu_now_ns();

        Clock { cpu_ns, wall: Instant::now() }
    }

    pub fn stop(self, operations: u64) -> Measured {
        let wall_ns = self.wall.elapsed().as_nanos() as u64;

        Measured { operations, wall_ns, cpu_ns: cpu_now_ns() - self.cpu_ns }
    }
}

impl Measured {
    pub fn print(&self, bench: &str, workers: u64) {
        let each = |ns: u64| ns as f64 / self.operations as f64;

        println!(
            "{{\"bench\":\"{bench}\",\"impl\":\"tokio\",\"style\":\"-\",\"workers\":{workers},\
             \"n\":{},\"ns_per_op\":{:.3},\"cpu_ns_per_op\":{:.3},\"rss_kib\":{}}}",
            self.operations,
            each(self.wall_ns),
            each(self.cpu_ns),
            peak_kib()
        );
    }
}
