// SPDX-License-Identifier: MIT
//
// Rows over channels. Go has no unbounded one, no broadcast and no watch: a broadcast is one channel
// for each receiver, a watched value one under a condition variable.

package main

import "sync"

const (
	producers = 4
	pairs     = 1000
	receivers = 100
	burst     = 64
)

func mpscBounded(n int) measured {
	count := n / producers
	clock := start()
	channel := make(chan uint64, 1024)
	var running sync.WaitGroup

	running.Add(producers)
	for i := 0; i < producers; i++ {
		go func() {
			for value := 0; value < count; value++ {
				channel <- uint64(value)
			}
			running.Done()
		}()
	}
	go func() {
		running.Wait()
		close(channel)
	}()
	result := make(chan uint64, 1)
	go func() {
		var sum uint64

		for value := range channel {
			sum += value
		}
		result <- sum
	}()
	sum := <-result
	measured := clock.stop(count * producers)

	check(sum == uint64(producers*(count*(count-1)/2)))
	return measured
}

func oneshot(n int) measured {
	var sum int

	clock := start()
	for value := 0; value < n; value++ {
		channel := make(chan int, 1)

		channel <- value
		sum += <-channel
	}
	measured := clock.stop(n)

	check(sum == n*(n-1)/2)
	return measured
}

func pingpongChan(n int) measured {
	rounds := n / pairs
	var running sync.WaitGroup

	clock := start()
	running.Add(2 * pairs)
	for i := 0; i < pairs; i++ {
		ping := make(chan int, 1)
		pong := make(chan int, 1)

		go func() {
			for round := 0; round < rounds; round++ {
				ping <- round
				check(<-pong == round)
			}
			close(ping)
			running.Done()
		}()
		go func() {
			for value := range ping {
				pong <- value
			}
			running.Done()
		}()
	}
	running.Wait()
	return clock.stop(pairs * rounds)
}

func broadcast(n int) measured {
	bursts := n / receivers / burst
	var all [receivers]chan uint64
	var arrived, running sync.WaitGroup

	clock := start()
	running.Add(receivers)
	for i := range all {
		channel := make(chan uint64, 1024)

		all[i] = channel
		go func() {
			var expected uint64

			for value := range channel {
				check(value == expected)
				expected++
				if expected%burst == 0 {
					arrived.Done()
				}
			}
			running.Done()
		}()
	}
	for i := 0; i < bursts; i++ {
		arrived.Add(receivers)
		for value := i * burst; value < (i+1)*burst; value++ {
			for _, channel := range all {
				channel <- uint64(value)
			}
		}
		arrived.Wait()
	}
	for _, channel := range all {
		close(channel)
	}
	running.Wait()
	return clock.stop(bursts * burst * receivers)
}

// The latest value, and who waits for the next one.
type watched struct {
	lock    sync.Mutex
	changed sync.Cond
	value   uint64
}

func newWatched() *watched {
	w := &watched{}
	w.changed.L = &w.lock
	return w
}

func (w *watched) send(value uint64) {
	w.lock.Lock()
	w.value = value
	w.lock.Unlock()
	w.changed.Broadcast()
}

func (w *watched) next(seen uint64) uint64 {
	w.lock.Lock()
	for w.value == seen {
		w.changed.Wait()
	}
	value := w.value
	w.lock.Unlock()
	return value
}

func watch(n int) measured {
	values := uint64(n / receivers)
	var arrived, running sync.WaitGroup

	clock := start()
	watched := newWatched()
	running.Add(receivers)
	for i := 0; i < receivers; i++ {
		go func() {
			for seen := uint64(0); seen < values; {
				value := watched.next(seen)

				check(value == seen+1)
				seen = value
				arrived.Done()
			}
			running.Done()
		}()
	}
	for value := uint64(1); value <= values; value++ {
		arrived.Add(receivers)
		watched.send(value)
		arrived.Wait()
	}
	running.Wait()
	return clock.stop(int(values) * receivers)
}
