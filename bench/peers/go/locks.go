// SPDX-License-Identifier: MIT
//
// Rows over package sync. A semaphore, and the notification of one goroutine by another, are
// channels of empty structs, as is usual in Go.

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	tasks   = 64
	permits = 8
)

// Runs work as a goroutine 64 times over, and waits for all of them.
func inTasks(n int, work func(task, count int)) measured {
	count := n / tasks
	var running sync.WaitGroup

	clock := start()
	running.Add(tasks)
	for task := 0; task < tasks; task++ {
		go func(task int) {
			work(task, count)
			running.Done()
		}(task)
	}
	running.Wait()
	return clock.stop(count * tasks)
}

func mutex(n int) measured {
	var lock sync.Mutex
	var counter int

	measured := inTasks(n, func(_, count int) {
		for i := 0; i < count; i++ {
			lock.Lock()
			counter++
			lock.Unlock()
		}
	})
	check(counter == measured.operations)
	return measured
}

func mutexHeld(n int) measured {
	var lock sync.Mutex
	var counter int

	measured := inTasks(n, func(_, count int) {
		for i := 0; i < count; i++ {
			lock.Lock()
			runtime.Gosched()
			counter++
			lock.Unlock()
		}
	})
	check(counter == measured.operations)
	return measured
}

// Every tenth is a write.
func isWrite(task, i int) bool {
	return (task+i)%10 == 0
}

func rwlock(n int) measured {
	var lock sync.RWMutex
	var counter, writes int

	measured := inTasks(n, func(task, count int) {
		seen := 0

		for i := 0; i < count; i++ {
			if isWrite(task, i) {
				lock.Lock()
				counter++
				lock.Unlock()
			} else {
				lock.RLock()
				now := counter
				lock.RUnlock()
				check(now >= seen)
				seen = now
			}
		}
	})
	for task := 0; task < tasks; task++ {
		for i := 0; i < n/tasks; i++ {
			if isWrite(task, i) {
				writes++
			}
		}
	}
	check(counter == writes)
	return measured
}

func semaphore(n int) measured {
	var inside atomic.Int64

	held := make(chan struct{}, permits)
	return inTasks(n, func(_, count int) {
		for i := 0; i < count; i++ {
			held <- struct{}{}
			check(inside.Add(1) <= permits)
			runtime.Gosched()
			inside.Add(-1)
			<-held
		}
	})
}

// Leaves a permit if nobody waits; one is enough.
func notifyOne(event chan struct{}) {
	select {
	case event <- struct{}{}:
	default:
	}
}

func notify(n int) measured {
	var running sync.WaitGroup

	clock := start()
	ping := make(chan struct{}, 1)
	pong := make(chan struct{}, 1)
	running.Add(2)
	go func() {
		for i := 0; i < n; i++ {
			notifyOne(ping)
			<-pong
		}
		running.Done()
	}()
	go func() {
		for i := 0; i < n; i++ {
			<-ping
			notifyOne(pong)
		}
		running.Done()
	}()
	running.Wait()
	return clock.stop(n)
}
