package lifecycle

import (
	"context"
	"time"
)

// stapleEvery is how often it is looked whether an authority's word on a certificate is due.
const stapleEvery = time.Minute

// cancelAtQuit calls cancel, which ends ctx, when weir ends.
func (d *Daemon) cancelAtQuit(ctx context.Context, cancel func()) {
	go func() {
		select {
		case <-d.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
}

// staple asks the authorities of certificates from files whether these are good; it is said in handshakes.
func (d *Daemon) staple() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d.cancelAtQuit(ctx, cancel)
	for wait := time.Second; ; wait = stapleEvery {
		select {
		case <-d.quit:
			return
		case <-time.After(wait):
		}
		for _, s := range d.running.Load().Stores {
			for _, err := range s.Staple(ctx, time.Now()) {
				d.log.Warn("certificates: " + err.Error())
			}
		}
	}
}
