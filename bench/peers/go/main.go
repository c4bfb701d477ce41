// SPDX-License-Identifier: MIT
//
// The rows of bench/README.md in Go: picks one, runs it once, prints one line of JSON. N workers are
// GOMAXPROCS=N; a row runs on the main goroutine.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
)

type row struct {
	name     string
	defaultN int
	run      func(n int) measured
}

var rows = []row{
	{"spawn_many", 1000000, spawnMany},
	{"spawn_join", 1000000, spawnJoin},
	{"yield200", 200000, yield200},
	{"yield1000", 1000000, yield1000},
	{"pingpong", 100000, pingpong},
	{"chained", 1000000, chained},
	{"timer_ic", 1000000, timerInsertCancel},
	{"timer_bulk", 1000000, timerBulk},
	{"sleep1m", 1000000, sleep1m},
	{"mpsc_b", 4000000, mpscBounded},
	{"oneshot", 1000000, oneshot},
	{"pingpong_chan", 200000, pingpongChan},
	{"broadcast", 1000000, broadcast},
	{"watch", 1000000, watch},
	{"mutex", 640000, mutex},
	{"mutex_held", 640000, mutexHeld},
	{"rwlock", 640000, rwlock},
	{"semaphore", 640000, semaphore},
	{"notify", 1000000, notify},
	{"select3", 1000000, select3},
	{"select3_wait", 1000000, select3Wait},
	{"scope", 1000000, scope},
	{"memory", 1000000, memory},
	{"memory_chan", 1000000, memoryChan},
	{"wake", 3000, wake},
}

const usage = `usage: peer_go BENCH [--workers N] [--n OPERATIONS]
       peer_go --list | --help

One row of the comparison, in Go.`

func misuse(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "peer_go: "+format+" (see --help)\n", args...)
	os.Exit(2)
}

// The flag package ends at the first argument that is no option: the name may come first or last.
func parse(args []string) (name string, workers int, n int) {
	var list bool

	flags := flag.NewFlagSet("peer_go", flag.ContinueOnError)
	flags.Usage = func() { fmt.Println(usage) }
	flags.IntVar(&workers, "workers", 1, "")
	flags.IntVar(&n, "n", 0, "")
	flags.BoolVar(&list, "list", false, "")
	for {
		if err := flags.Parse(args); err == flag.ErrHelp {
			os.Exit(0)
		} else if err != nil {
			os.Exit(2)
		}
		if flags.NArg() == 0 {
			break
		}
		if name != "" {
			misuse("what is %s?", flags.Arg(0))
		}
		name = flags.Arg(0)
		args = flags.Args()[1:]
	}
	if list {
		for _, row := range rows {
			fmt.Println(row.name)
		}
		os.Exit(0)
	}
	if workers < 1 || n < 0 {
		misuse("a number is too small")
	}
	return name, workers, n
}

func main() {
	name, workers, n := parse(os.Args[1:])

	for _, row := range rows {
		if row.name != name {
			continue
		}
		if n == 0 {
			n = row.defaultN
		}
		runtime.GOMAXPROCS(workers)
		row.run(n).print(name, workers)
		return
	}
	misuse("no row '%s'", name)
}
