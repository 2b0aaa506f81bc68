package http2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// contentOf is the content of an answer, which nothing else has.
func contentOf(seed, size int) []byte {
	b := make([]byte, size)
	mathrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b)
	return b
}

// contents answers /seed/size with that content, of an announced length; /seed/size/pauses in as many pieces, with a pause between; and where there is a
// fourth part, it cuts the connection in the middle.
func contents(w http.ResponseWriter, r *http.Request) {
	var seed, size, pauses, cut int
	fmt.Sscanf(r.URL.Path, "/%d/%d/%d/%d", &seed, &size, &pauses, &cut)
	w.Header().Set("Content-Length", strconv.Itoa(size))
	b := contentOf(seed, size)
	if cut > 0 {
		w.Write(b[:size/2])
		panic(http.ErrAbortHandler)
	}
	for i := range pauses {
		n := len(b) / (pauses - i + 1)
		w.Write(b[:n])
		b = b[n:]
		w.(http.Flusher).Flush()
		time.Sleep(2 * time.Millisecond)
	}
	w.Write(b)
}

// Content is what the server sent, whole and in order, in whatever pieces it comes, whatever room the client gives, and whoever gives up beside it.
func TestContentIsWholeWhateverThePieces(t *testing.T) {
	at := serve(t, http.HandlerFunc(contents))
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", at))
	t.Run("many at once", func(t *testing.T) {
		client := w.http()
		var all sync.WaitGroup
		for worker := range 12 {
			all.Go(func() {
				random := mathrand.New(mathrand.NewPCG(1, uint64(worker)))
				for i := range 25 {
					seed, size, pauses := worker*1000+i, random.IntN(400_000), random.IntN(2)*random.IntN(8)
					got, err := fetch(context.Background(), client, fmt.Sprintf("https://%s/%d/%d/%d", w.secure, seed, size, pauses))
					if err != nil || !bytes.Equal(got, contentOf(seed, size)) {
						t.Errorf("%d bytes of %d in %d pieces: %v", len(got), size, pauses+1, err)
						return
					}
				}
			})
		}
		all.Wait()
	})
	t.Run("some give up", func(t *testing.T) {
		client := w.http()
		var all sync.WaitGroup
		for worker := range 12 {
			all.Go(func() {
				random := mathrand.New(mathrand.NewPCG(2, uint64(worker)))
				for i := range 25 {
					seed, size := worker*1000+i, 200_000+random.IntN(400_000)
					ctx, cancel := context.WithCancel(context.Background())
					if i%2 == 0 {
						time.AfterFunc(time.Duration(random.IntN(4_000))*time.Microsecond, cancel)
					}
					got, err := fetch(ctx, client, fmt.Sprintf("https://%s/%d/%d", w.secure, seed, size))
					if err == nil && !bytes.Equal(got, contentOf(seed, size)) || err != nil && i%2 == 1 {
						t.Errorf("%d bytes of %d: %v", len(got), size, err)
					}
					cancel()
				}
			})
		}
		all.Wait()
	})
	t.Run("cut by the server", func(t *testing.T) {
		client := w.http()
		for i := range 10 {
			if got, err := fetch(context.Background(), client, fmt.Sprintf("https://%s/%d/%d/0/1", w.secure, i, 50_000*(i+1))); err == nil {
				t.Errorf("half an answer counts as whole: %d bytes", len(got))
			}
		}
	})
	for _, address := range []string{w.clear, w.secure} {
		t.Run("odd windows, "+map[bool]string{true: "TLS", false: "clear"}[address == w.secure], func(t *testing.T) {
			w.dial(address).takesInCrumbs(t, 9, 150_000)
		})
	}
}

func fetch(ctx context.Context, c *http.Client, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// takesInCrumbs opens streams at once, and gives them and the connection room by odd amounts, seldom in the same order.
func (c *client) takesInCrumbs(t *testing.T, streams, size int) {
	t.Helper()
	random := mathrand.New(mathrand.NewPCG(3, uint64(size)))
	c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	got := map[uint32][]byte{}
	var open []uint32
	for i := range streams {
		id, err := c.open(true, get(fmt.Sprintf("/%d/%d", i, size))...)
		if err != nil {
			t.Fatal(err)
		}
		got[id], open = nil, append(open, id)
	}
	c.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	ended := 0
	for ended < streams {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatalf("%d of %d have ended: %v", ended, streams, err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.WriteSettingsAck()
			}
			for _, id := range open {
				c.WriteWindowUpdate(id, uint32(1+random.IntN(20_000)))
			}
		case *http2.RSTStreamFrame:
			t.Fatalf("stream %d was reset: %v", f.StreamID, f.ErrCode)
		case *http2.DataFrame:
			got[f.StreamID] = append(got[f.StreamID], f.Data()...)
			if f.StreamEnded() {
				ended++
				break
			}
			c.WriteWindowUpdate(0, uint32(1+len(f.Data())))
			c.WriteWindowUpdate(f.StreamID, uint32(200+random.IntN(2*len(f.Data())+2)))
			if random.IntN(4) == 0 {
				c.WriteWindowUpdate(open[random.IntN(len(open))], uint32(1+random.IntN(3_000)))
			}
		}
	}
	for i, id := range open {
		if !bytes.Equal(got[id], contentOf(i, size)) {
			t.Errorf("stream %d: %d bytes of %d, or others", id, len(got[id]), size)
		}
	}
}
