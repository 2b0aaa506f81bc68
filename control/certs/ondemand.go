package certs

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// OnDemand is how it is decided whether a certificate is obtained for a name that somebody asks for at a handshake.
type OnDemand struct {
	Ask string // a URL that is asked with ?domain=NAME: 200 allows it
}

// demand obtains what is asked for. Names that were refused, or whose certificate could not be had, are left alone for a while: whoever connects decides
// about the names, and authorities count failures.
type demand struct {
	issuer *Issuer
	ask    string
	client http.Client
	slots  chan struct{}

	mu      sync.Mutex
	waiting map[string]chan struct{} // closed when the name is settled
	refused map[string]time.Time     // until when
}

const (
	demandAtOnce  = 8               // certificates that are obtained at a time
	demandRefused = time.Minute     // how long a name is left alone
	demandKnown   = 10_000          // names that are remembered as refused
	demandWait    = 8 * time.Second // how long a handshake waits; the certificate may come later
	demandMost    = 2 * time.Minute // how long obtaining may take
	demandTries   = 3               // what fails once may be the network
	demandPause   = time.Second
)

func newDemand(i *Issuer, o *OnDemand) *demand {
	if o == nil {
		return nil
	}
	return &demand{issuer: i, ask: o.Ask, client: http.Client{Timeout: 5 * time.Second}, slots: make(chan struct{}, demandAtOnce),
		waiting: map[string]chan struct{}{}, refused: map[string]time.Time{}}
}

// obtain waits for a certificate for the name; nil if there is none in time. Not on a loop.
func (d *demand) obtain(name string, hello *tls.ClientHelloInfo) *tls.Certificate {
	settled := d.begin(name)
	if settled == nil {
		return nil
	}
	wait := time.NewTimer(demandWait)
	defer wait.Stop()
	select {
	case <-settled:
	case <-wait.C:
	}
	return d.issuer.public.Load().find(name, hello)
}

// begin starts obtaining, once for all that wait for the name; nil if it is left alone.
func (d *demand) begin(name string) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if until, refused := d.refused[name]; refused && time.Now().Before(until) {
		return nil
	}
	delete(d.refused, name)
	if settled := d.waiting[name]; settled != nil {
		return settled
	}
	select {
	case d.slots <- struct{}{}:
	default:
		return nil // too many at once
	}
	settled := make(chan struct{})
	d.waiting[name] = settled
	go d.settle(name, settled)
	return settled
}

func (d *demand) settle(name string, settled chan struct{}) {
	err := d.get(name)
	if err != nil {
		d.issuer.log.Warn("certificates: not obtained at a handshake", "name", name, "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if len(d.refused) >= demandKnown {
			clear(d.refused)
		}
		d.refused[name] = time.Now().Add(demandRefused)
	}
	delete(d.waiting, name)
	close(settled)
	<-d.slots
}

func (d *demand) get(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), demandMost)
	defer cancel()
	if err := d.mayObtain(ctx, name); err != nil {
		return err
	}
	d.issuer.mu.Lock()
	client := d.issuer.client
	d.issuer.mu.Unlock()
	if client == nil {
		return errNotPublic
	}
	var err error
	for try := range demandTries {
		if try > 0 {
			time.Sleep(demandPause)
		}
		if err = client.Obtain(ctx, name); err == nil {
			d.issuer.Refresh()
			return nil
		}
	}
	return err
}

// mayObtain asks whether a certificate may be obtained.
func (d *demand) mayObtain(ctx context.Context, name string) error {
	u, err := url.Parse(d.ask)
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("domain", name)
	u.RawQuery = q.Encode()
	r, err := http.NewRequestWithContext(ctx, "GET", u.String(), nil)
	if err != nil {
		return err
	}
	answer, err := d.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10))
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("ask: %s", answer.Status)
	}
	return nil
}
