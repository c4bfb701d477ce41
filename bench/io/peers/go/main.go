// SPDX-License-Identifier: MIT
//
// Two servers in Go, "echo" and "http": a goroutine for each connection, and net/http as it is. N
// workers are GOMAXPROCS=N. With --busy-ms a goroutine computes beside those of echo, so long at a
// time, and yields in between.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

const usage = `usage: peer_go_io echo [--listen ADDR:PORT] [--workers N] [--buffer BYTES] [--busy-ms MS]
       peer_go_io http [--listen ADDR:PORT] [--workers N]

An echo server, or an HTTP server of 13 bytes, in Go.`

func misuse(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "peer_go_io: "+format+" (see --help)\n", args...)
	os.Exit(2)
}

func compute(each time.Duration) {
	for {
		start := time.Now()
		for time.Since(start) < each {
		}
		runtime.Gosched()
	}
}

func serveEcho(connection net.Conn, size int) {
	buffer := make([]byte, size)

	defer connection.Close()
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:count]); err != nil {
			return
		}
	}
}

func echo(listener net.Listener, buffer int) error {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go serveEcho(connection, buffer)
	}
}

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Server"] = []string{"go"}
	w.Header()["Content-Type"] = []string{"text/plain"}
	_, _ = w.Write([]byte("Hello, World!"))
}

func main() {
	var address string
	var workers, buffer, busy int

	flags := flag.NewFlagSet("peer_go_io", flag.ExitOnError)
	flags.Usage = func() { fmt.Println(usage) }
	flags.StringVar(&address, "listen", "127.0.0.1:0", "")
	flags.IntVar(&workers, "workers", 1, "")
	flags.IntVar(&buffer, "buffer", 16384, "")
	flags.IntVar(&busy, "busy-ms", 0, "")
	if len(os.Args) < 2 {
		misuse("echo or http?")
	}
	what := os.Args[1]
	if what == "--help" {
		fmt.Println(usage)
		return
	}
	_ = flags.Parse(os.Args[2:])
	if flags.NArg() > 0 || workers < 1 || buffer < 1 || busy < 0 {
		misuse("what is %v?", os.Args[2:])
	}

	runtime.GOMAXPROCS(workers)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(0)
	}()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		misuse("%v", err)
	}
	fmt.Println("listening on", listener.Addr())
	if busy > 0 {
		go compute(time.Duration(busy) * time.Millisecond)
	}
	switch what {
	case "echo":
		err = echo(listener, buffer)
	case "http":
		err = http.Serve(listener, http.HandlerFunc(hello))
	default:
		misuse("echo or http, not %s", what)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
