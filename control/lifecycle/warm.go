package lifecycle

import (
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/site"
)

// keepWarm has the loops keep connections ready for the pools that ask for it.
func (d *Daemon) keepWarm() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if warm := d.warmPools(); len(warm) > 0 {
			d.engine.Each(func(l *engine.Loop) {
				for _, to := range warm {
					attempt.KeepWarm(l, to)
				}
			})
		}
		select {
		case <-d.quit:
			return
		case <-tick.C:
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
