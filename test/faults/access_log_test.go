package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const mixedConfig = `
listeners:
  front: { address: "FRONT" }
pools:
  web:  { servers: ["ORIGIN"] }
  dead: { servers: ["127.0.0.1:1"], retries: 0 }
sites:
  "*":
    /*: web
    /dead/*: dead
    /moved/*: { redirect: { to: "/to/*", status: 308 } }
    /own: { respond: { body: own } }
    /small/*: { pool: web, body_limit: 10 }
admin: "ADMIN"
logs: { access: { format: FORMAT, file: DIR/access.log } }
`

// hostile is a query with what breaks logs: quotes, backslashes, and what a client may put into fields: tabs and bytes above 127.
const hostile = "User-Agent: a\"b\\c\td\xff\xfe\xc3\xa4\x80\r\nReferer: \"}\t{\"\r\n"

// mixed asks for all kinds of things under names of their own and returns the target and status of each.
func mixed(t *testing.T, s *subject) map[string]int {
	t.Helper()
	var mu sync.Mutex
	want := map[string]int{}
	var all sync.WaitGroup
	for client := range 8 {
		c := dial(t, s.address["FRONT"])
		all.Go(func() {
			for i := range 60 {
				path, status := "", 200
				switch i % 6 {
				case 0, 1:
					path = fmt.Sprintf("/plain/%d/%d", client, i)
				case 2:
					path, status = fmt.Sprintf("/dead/%d/%d", client, i), 502
				case 3:
					path, status = fmt.Sprintf("/moved/%d/%d", client, i), 308
				case 4:
					path = fmt.Sprintf("/own?%d-%d", client, i)
				case 5:
					path = fmt.Sprintf("/size/100000?%d'%d", client, i)
				}
				c.SetDeadline(time.Now().Add(10 * time.Second))
				io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: log.test\r\n"+hostile+"\r\n")
				got, err := c.answer()
				if err != nil || got != status {
					t.Errorf("%s: %d %v, want %d", path, got, err, status)
					return
				}
				mu.Lock()
				want[path] = status
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for path, r := range map[string]struct {
		text   string
		status int
	}{
		"/small/post": {"POST /small/post HTTP/1.1\r\nHost: log.test\r\nContent-Length: 11\r\n\r\n01234567890", 413},
		"/malformed":  {"GET /malformed HTTP/1.1\r\nHost: log.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		"/old":        {"GET /old HTTP/1.0\r\nHost: log.test\r\n\r\n", 200},
	} {
		c := dial(t, s.address["FRONT"])
		io.WriteString(c, r.text)
		if got, err := c.answer(); err != nil || got != r.status {
			t.Errorf("%s: %d %v, want %d", path, got, err, r.status)
		}
		if path != "/malformed" { // whose target may not have been read
			want[path] = r.status
		}
	}
	return want
}

// answer reads an answer and returns its status.
func (c *conn) answer() (int, error) {
	response, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func TestTheJSONLogHasEveryRequestOnce(t *testing.T) {
	s := start(t, strings.NewReplacer("ORIGIN", origin(t, "web"), "FORMAT", "json").Replace(mixedConfig))
	want := mixed(t, s)
	log := waitForLog(t, filepath.Join(s.dir, "access.log"), len(want)+1)
	seen := map[string]int{}
	for _, line := range log {
		var l struct {
			Target, Reason, Time string
			User_agent           string `json:"user_agent"`
			Status               int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if at, err := time.Parse(time.RFC3339Nano, l.Time); err != nil || time.Since(at) > time.Minute || l.Reason == "" {
			t.Errorf("%q", line)
		}
		if strings.Contains(l.Target, "plain") && l.User_agent != "a\"b\\c\td��ä�" {
			t.Errorf("user agent %q in %q", l.User_agent, line)
		}
		seen[l.Target]++
		if status, asked := want[l.Target]; asked && status != l.Status {
			t.Errorf("%s: logged with %d, want %d", l.Target, l.Status, status)
		}
	}
	for target := range want {
		if seen[target] != 1 {
			t.Errorf("%s is logged %d times", target, seen[target])
		}
	}
	if len(log) != len(want)+1 {
		t.Errorf("%d lines, want %d", len(log), len(want)+1)
	}
}

// combined is how tools read the format. What is escaped holds no quote that is not escaped, and nothing that is not printable.
var combined = regexp.MustCompile(`^127\.0\.0\.1 - - \[([^\]]+)\] "(GET|POST) ((?:[!#-\[\]-~]|\\.)*) HTTP/1\.([01])" (\d{3}) (\d+) "((?:[ !#-\[\]-~]|\\.)*)" "((?:[ !#-\[\]-~]|\\.)*)"$`)

func TestTheCombinedLogHasEveryRequestOnce(t *testing.T) {
	s := start(t, strings.NewReplacer("ORIGIN", origin(t, "web"), "FORMAT", "combined").Replace(mixedConfig))
	want := mixed(t, s)
	log := waitForLog(t, filepath.Join(s.dir, "access.log"), len(want)+1)
	seen := map[string]int{}
	for _, line := range log {
		m := combined.FindStringSubmatch(line)
		if m == nil {
			if !strings.Contains(line, `" 400 `) {
				t.Errorf("not combined: %q", line)
			}
			continue
		}
		if at, err := time.Parse("02/Jan/2006:15:04:05 -0700", m[1]); err != nil || time.Since(at) > time.Minute {
			t.Errorf("time %q: %v", m[1], err)
		}
		if strings.Contains(m[3], "plain") && m[8] != `a\"b\\c\x09d\xff\xfe\xc3\xa4\x80` {
			t.Errorf("user agent %q", m[8])
		}
		seen[m[3]]++
		if status, asked := want[m[3]]; asked && fmt.Sprint(status) != m[5] {
			t.Errorf("%s: logged with %s, want %d", m[3], m[5], status)
		}
	}
	for target := range want {
		if seen[target] != 1 {
			t.Errorf("%s is logged %d times", target, seen[target])
		}
	}
}

func TestARotatedLogIsFollowedAndABurstLosesNothing(t *testing.T) {
	s := start(t, strings.ReplaceAll(loggingConfig, "FILE", "DIR/access.log"))
	file := filepath.Join(s.dir, "access.log")
	if err := dial(t, s.address["FRONT"]).ok("/first"); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, file, 1)
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "the file to be there again", func() bool { _, err := os.Stat(file); return err == nil })
	if err := dial(t, s.address["FRONT"]).ok("/second"); err != nil {
		t.Fatal(err)
	}
	if log := waitForLog(t, file, 1); len(log) != 1 || !strings.Contains(log[0], "/second") {
		t.Errorf("the new file: %q", log)
	}
	if log := waitForLog(t, file+".1", 1); len(log) != 1 || !strings.Contains(log[0], "/first") {
		t.Errorf("the old file: %q", log)
	}
	// The writer has nothing to do and looks once a second: before it would, more has come than there is room for. Pipelined requests come faster than any others.
	time.Sleep(2 * time.Second)
	const each, pieces = 4000, 40
	burst(t, s.address["FRONT"], each/pieces, pieces, 15*time.Millisecond)
	if log := waitForLog(t, file, 1+bursting*each); len(log) != 1+bursting*each {
		t.Errorf("%d lines, want %d", len(log), 1+bursting*each)
	}
	if n := s.status().Exchanges.LogDrops; n != 0 {
		t.Errorf("%d records were dropped", n)
	}
	// Without a pause they come faster than a writer may be given a processor. What it cannot take is counted.
	burst(t, s.address["FRONT"], each, 1, 0)
	within(t, 10*time.Second, "every request to have a line, or to be counted", func() bool {
		text, _ := os.ReadFile(file)
		return strings.Count(string(text), "\n")+int(s.status().Exchanges.LogDrops) == 1+2*bursting*each
	})
}

// bursting is how many clients burst does with.
const bursting = 8

// burst has clients send so many requests at once, so many times.
func burst(t *testing.T, address string, each, times int, pause time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	for range bursting {
		c := dial(t, address)
		all.Go(func() {
			go func() {
				for range times {
					io.WriteString(c, strings.Repeat("GET /burst HTTP/1.1\r\nHost: log.test\r\n\r\n", each))
					time.Sleep(pause)
				}
			}()
			for range each * times {
				if _, err := c.answer(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
