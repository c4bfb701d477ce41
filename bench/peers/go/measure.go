// SPDX-License-Identifier: MIT
//
// The clock around the work, and the line of JSON; the same as in bench/bench.c.

package main

import (
	"bufio"
	"fmt"
	"os"
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
}

// User and system time of all threads, the garbage collector's included.
func cpuNowNs() int64 {
	var usage syscall.Rusage

	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func peakKib() int {
	var kib int

	status, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if found, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kib); found == 1 {
			break
		}
	}
	return kib
}

func start() clock {
	cpu := cpuNowNs()

	return clock{wall: time.Now(), cpuNs: cpu}
}

func (c clock) stop(operations int) measured {
	wall := time.Since(c.wall).Nanoseconds()

	return measured{operations, wall, cpuNowNs() - c.cpuNs}
}

func (m measured) print(bench string, workers int) {
	each := func(ns int64) float64 { return float64(ns) / float64(m.operations) }

	fmt.Printf(`{"bench":"%s","impl":"go","style":"-","workers":%d,"n":%d,`+
		`"ns_per_op":%.3f,"cpu_ns_per_op":%.3f,"rss_kib":%d}`+"\n",
		bench, workers, m.operations, each(m.wallNs), each(m.cpuNs), peakKib())
}

func check(ok bool) {
	if !ok {
		panic("the result is wrong")
	}
}
