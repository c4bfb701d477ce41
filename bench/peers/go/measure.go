// SPDX-License-Identifier: MIT
//
// The clock around the work, and the line of JSON; the same as in bench/bench.c.

package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"syscall"
	"time"
)

type clock struct {
	wall  time.Time
	cpuNs int64
}

type measured struct {
	operations int
	wallNs     int64
	cpuNs      int64
	p50Ns      int64  // where the operations were timed one by one
	extra      string // in the line of JSON
}

// User and system time of all threads, the garbage collector's included.
func cpuNowNs() int64 {
	var usage syscall.Rusage

	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// What the line that begins with name says, in this process's status in the kernel.
func statusKib(name string) int {
	var kib int

	status, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if found, _ := fmt.Sscanf(lines.Text(), name+" %d kB", &kib); found == 1 {
			break
		}
	}
	return kib
}

func residentBytes() int { return statusKib("VmRSS:") * 1024 }

var programStart = time.Now()

// The monotonic clock.
func nowNs() int64 { return time.Since(programStart).Nanoseconds() }

func start() clock {
	cpu := cpuNowNs()

	return clock{wall: time.Now(), cpuNs: cpu}
}

func (c clock) stop(operations int) measured {
	wall := time.Since(c.wall).Nanoseconds()

	return measured{operations: operations, wallNs: wall, cpuNs: cpuNowNs() - c.cpuNs}
}

func (m measured) withLatencies(ns []int64) measured {
	sort.Slice(ns, func(i, j int) bool { return ns[i] < ns[j] })
	m.p50Ns = ns[len(ns)/2]
	m.extra = fmt.Sprintf(`,"p99_ns":%d`, ns[len(ns)-1-len(ns)/100])
	return m
}

func (m measured) withMemory(residentBefore int) measured {
	grown := residentBytes() - residentBefore

	m.extra = fmt.Sprintf(`,"bytes_per_op":%.1f`, float64(grown)/float64(m.operations))
	return m
}

func (m measured) print(bench string, workers int) {
	each := func(ns int64) float64 { return float64(ns) / float64(m.operations) }
	ns := each(m.wallNs)

	if m.p50Ns > 0 {
		ns = float64(m.p50Ns)
	}
	fmt.Printf(`{"bench":"%s","impl":"go","style":"-","workers":%d,"n":%d,`+
		`"ns_per_op":%.3f,"cpu_ns_per_op":%.3f,"rss_kib":%d%s}`+"\n",
		bench, workers, m.operations, ns, each(m.cpuNs), statusKib("VmHWM:"), m.extra)
}

func check(ok bool) {
	if !ok {
		panic("the result is wrong")
	}
}
