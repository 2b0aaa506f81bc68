package accesslog

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A disk that is full and has room in turn, many times a second, is said of a few times only, and how it is in the end is said.
func TestADiskThatIsNearlyFullIsSaidOfNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n notice
		said, counted, last := 0, 0, ""
		notes := func(fails bool) {
			if also, isDue := n.due(fails); isDue {
				said++
				last = fmt.Sprint(fails)
				if strings.Contains(also, " times since the last message") {
					counted++
				}
			}
			time.Sleep(15 * time.Millisecond)
		}
		for i := range 4000 { // a minute
			notes(i%2 == 0)
		}
		if said < 8 || said > 14 || counted < 4 {
			t.Errorf("%d messages in a minute, %d of them say how many there were", said, counted)
		}
		for _, fails := range []bool{true, false} {
			for range 1000 {
				notes(fails)
			}
			if last != fmt.Sprint(fails) {
				t.Errorf("the last message is %q, and it is %v", last, fails)
			}
		}
		said = 0
		for range 1000 {
			notes(false)
		}
		if said != 0 {
			t.Errorf("%d messages of what does not change", said)
		}
	})
}

// The messages of a file that takes every other line are bounded, and none of its lines is lost uncounted.
func TestAFileThatTakesEveryOtherLine(t *testing.T) {
	var messages []string
	file := filepath.Join(t.TempDir(), "access.log")
	o, err := openOutlet(&WriterConfig{File: file, Log: func(_ slog.Level, f string, args ...any) { messages = append(messages, fmt.Sprintf(f, args...)) }})
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	for range 20 {
		limitedTo(t, 0, func() { o.put(t, "lost\n") })
		o.put(t, "")
		limitedTo(t, 1<<20, func() { o.put(t, "kept\n") })
	}
	if len(messages) != 2 || !strings.Contains(messages[0], "lines are lost") || !strings.Contains(messages[1], "can be written again") {
		t.Errorf("it says %d times: %q", len(messages), messages)
	}
	if got := strings.Count(content(t, file), "kept\n"); got+int(o.allLost()) != 40 {
		t.Errorf("%d lines are in the file, and %d were lost, of 40", got, o.allLost())
	}
}
