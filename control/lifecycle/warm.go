package lifecycle

import (
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/site"
)

const warmEvery = time.Second

// keepWarm has the loops keep connections ready for the pools that ask for it. Without such pools it sleeps until a reload.
func (d *Daemon) keepWarm() {
	timer := time.NewTimer(warmEvery)
	defer timer.Stop()
	for {
		if warm := d.warmPools(); len(warm) > 0 {
			d.engine.Each(func(l *engine.Loop) {
				for _, to := range warm {
					attempt.KeepWarm(l, to)
				}
			})
			timer.Reset(warmEvery)
		}
		select {
		case <-d.quit:
			return
		case <-timer.C:
		case <-d.warmNow:
		}
	}
}

func (d *Daemon) warmPools() []*site.Destination {
	var warm []*site.Destination
	for _, to := range d.running.Load().Destinations {
		if to.Transport.Warm > 0 {
			warm = append(warm, to)
		}
	}
	return warm
}
