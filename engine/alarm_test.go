package engine

import (
	"testing"
	"time"
)

func TestAnAlarmRunsOnceUnlessStopped(t *testing.T) {
	for name, portable := range map[string]bool{"epoll": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			e, err := New(Config{Loops: 1, Portable: portable, Log: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			l := e.Loops()[0]
			ran := make(chan int, 10)
			var first, second, third Alarm
			l.Call(func() {
				first.Set(l, 20*time.Millisecond, runs(func() { ran <- 1 }))
				second.Set(l, 20*time.Millisecond, runs(func() { ran <- 2 }))
				second.Stop()
				third.Set(l, 10*time.Millisecond, runs(func() { ran <- 3 }))
				third.Set(l, 60*time.Millisecond, runs(func() { ran <- 4 }))
			})
			for _, want := range []int{1, 4} {
				select {
				case got := <-ran:
					if got != want {
						t.Errorf("alarm %d ran, want %d", got, want)
					}
				case <-time.After(2 * time.Second):
					t.Fatalf("alarm %d did not run", want)
				}
			}
			time.Sleep(50 * time.Millisecond)
			if len(ran) > 0 {
				t.Errorf("alarm %d ran too", <-ran)
			}
		})
	}
}

type runs func()

func (r runs) Run() { r() }
