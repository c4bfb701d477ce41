// SPDX-License-Identifier: MIT
//
// Rows over waiting: for one of several, for all of a group, for another thread, and for ever. A
// goroutine may block in a system call, so Go has no pool for it and no row for one.

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	arms     = 3
	children = 1000
	parkedNs = 300000
	answerNs = 20000
)

type notifications [arms]chan struct{}

func newNotifications() (told notifications) {
	for i := range told {
		told[i] = make(chan struct{}, 1)
	}
	return told
}

func (told *notifications) choose() int {
	select {
	case <-told[0]:
		return 0
	case <-told[1]:
		return 1
	case <-told[2]:
		return 2
	}
}

func select3(n int) measured {
	told := newNotifications()

	clock := start()
	done := make(chan struct{})
	go func() {
		for i := 0; i < n; i++ {
			told[arms-1] <- struct{}{}
			check(told.choose() == arms-1)
		}
		close(done)
	}()
	<-done
	return clock.stop(n)
}

func select3Wait(n int) measured {
	told := newNotifications()
	answered := make(chan struct{}, 1)

	clock := start()
	done := make(chan struct{})
	go func() {
		for i := 0; i < n; i++ {
			check(told.choose() == i%arms)
			answered <- struct{}{}
		}
	}()
	go func() {
		for i := 0; i < n; i++ {
			told[i%arms] <- struct{}{}
			<-answered
		}
		close(done)
	}()
	<-done
	return clock.stop(n)
}

func scope(n int) measured {
	rounds := n / children

	clock := start()
	for round := 0; round < rounds; round++ {
		var running sync.WaitGroup

		for i := 0; i < children; i++ {
			running.Add(1)
			go func() { running.Done() }()
		}
		running.Wait()
	}
	return clock.stop(rounds * children)
}

// How many goroutines are about to wait for ever.
var arrived atomic.Int64

func awaitArrivals(n int) {
	for arrived.Load() < int64(n) {
		runtime.Gosched()
	}
}

func memory(n int) measured {
	never := make(chan struct{})
	before := residentBytes()

	clock := start()
	for i := 0; i < n; i++ {
		go func() {
			arrived.Add(1)
			<-never
		}()
	}
	awaitArrivals(n)
	return clock.stop(n).withMemory(before)
}

func memoryChan(n int) measured {
	// Touched now: who keeps the channels, and where, is not part of a goroutine.
	channels := make([]chan struct{}, n)
	for i := range channels {
		channels[i] = nil
	}
	before := residentBytes()

	clock := start()
	for i := range channels {
		answer := make(chan struct{}, 1)

		channels[i] = answer
		go func() {
			arrived.Add(1)
			<-answer
		}()
	}
	awaitArrivals(n)
	measured := clock.stop(n).withMemory(before)

	runtime.KeepAlive(channels)
	return measured
}

// A sleep that Go's scheduler does not know: the thread itself sleeps, as a foreign one would.
func sleepNs(ns int64) {
	time := syscall.NsecToTimespec(ns)

	_ = syscall.Nanosleep(&time, nil)
}

func wakeOften(latencies []int64, told chan struct{}, woken *atomic.Int64, done chan struct{}) {
	runtime.LockOSThread()
	for i := range latencies {
		sleepNs(parkedNs)
		start := nowNs()

		told <- struct{}{}
		for woken.Load() == 0 {
			sleepNs(answerNs)
		}
		latencies[i] = woken.Swap(0) - start
	}
	close(done)
}

func wake(n int) measured {
	latencies := make([]int64, n)
	told := make(chan struct{}, 1)
	done := make(chan struct{})
	var woken atomic.Int64

	clock := start()
	go wakeOften(latencies, told, &woken, done)
	for i := 0; i < n; i++ {
		<-told
		woken.Store(nowNs())
	}
	<-done
	return clock.stop(n).withLatencies(latencies)
}
