// SPDX-License-Identifier: MIT
//
// Rows over goroutines and timers. Go has no join handle: a channel of 1 stands for it.

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	dueMinMs    = 1000
	dueSpreadMs = 999000
)

func spawnMany(n int) measured {
	var left atomic.Int64

	clock := start()
	left.Store(int64(n))
	done := make(chan struct{}, 1)
	for i := 0; i < n; i++ {
		go func() {
			if left.Add(-1) == 0 {
				done <- struct{}{}
			}
		}()
	}
	<-done
	return clock.stop(n)
}

func spawnJoin(n int) measured {
	var sum int

	clock := start()
	for i := 0; i < n; i++ {
		handle := make(chan int, 1)
		go func(i int) { handle <- i }(i)
		sum += <-handle
	}
	measured := clock.stop(n)

	check(sum == n*(n-1)/2)
	return measured
}

func yields(n, tasks int) measured {
	count := n / tasks
	var running sync.WaitGroup

	clock := start()
	running.Add(tasks)
	for task := 0; task < tasks; task++ {
		go func() {
			for i := 0; i < count; i++ {
				runtime.Gosched()
			}
			running.Done()
		}()
	}
	running.Wait()
	return clock.stop(count * tasks)
}

func yield200(n int) measured  { return yields(n, 200) }
func yield1000(n int) measured { return yields(n, 1000) }

func pingpong(n int) measured {
	rounds := n / pairs
	var running sync.WaitGroup

	clock := start()
	for round := 0; round < rounds; round++ {
		running.Add(pairs)
		for i := 0; i < pairs; i++ {
			go func() {
				ping := make(chan struct{}, 1)
				pong := make(chan struct{}, 1)

				go func() {
					<-ping
					pong <- struct{}{}
				}()
				ping <- struct{}{}
				<-pong
				running.Done()
			}()
		}
		running.Wait()
	}
	return clock.stop(rounds * pairs)
}

func chain(left int, done chan struct{}) {
	if left == 0 {
		done <- struct{}{}
	} else {
		go chain(left-1, done)
	}
}

func chained(n int) measured {
	clock := start()
	done := make(chan struct{}, 1)
	go chain(n-1, done)
	<-done
	return clock.stop(n)
}

// Uniform enough, and the same in each peer (xorshift64).
type random uint64

const seed random = 88172645463325252

func (r *random) next() uint64 {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return uint64(*r)
}

func (r *random) due() time.Duration {
	return time.Duration(dueMinMs+r.next()%dueSpreadMs) * time.Millisecond
}

func timerInsertCancel(n int) measured {
	random := seed

	clock := start()
	for i := 0; i < n; i++ {
		check(time.NewTimer(random.due()).Stop())
	}
	return clock.stop(n)
}

func bulk(timers []*time.Timer, done *sync.WaitGroup) {
	random := seed

	for i := range timers {
		timers[i] = time.NewTimer(random.due())
	}
	for _, timer := range timers {
		timer.Stop() // a slow machine may be past the first of them
	}
	done.Done()
}

// A goroutine for each worker.
func timerBulk(n int) measured {
	var done sync.WaitGroup

	workers := runtime.GOMAXPROCS(0)
	each := n / workers
	timers := make([]*time.Timer, each*workers)

	clock := start()
	done.Add(workers)
	for i := 0; i < workers; i++ {
		go bulk(timers[i*each:(i+1)*each], &done)
	}
	done.Wait()
	return clock.stop(each * workers)
}

// A thousand are due in each millisecond, as in bench/due.h.
func sleep1m(n int) measured {
	var left atomic.Int64

	random := seed
	spread := uint64(1)
	if n > 1000 {
		spread = uint64(n) / 1000
	}
	late := make([]int64, n)
	done := make(chan struct{}, 1)
	left.Store(int64(n))

	clock := start()
	begin := time.Now()
	for i := range late {
		ms := 2*spread + 1 + random.next()%spread
		due := begin.Add(time.Duration(ms) * time.Millisecond)
		go func(late *int64) {
			time.Sleep(time.Until(due))
			*late = time.Since(due).Nanoseconds()
			check(*late >= 0)
			if left.Add(-1) == 0 {
				done <- struct{}{}
			}
		}(&late[i])
	}
	<-done
	return clock.stop(n).withLatencies(late)
}
