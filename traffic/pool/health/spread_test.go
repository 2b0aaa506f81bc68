package health

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

// watchedPools are pools of one server each, and the servers' addresses.
func watchedPools(n int) (watched []Watched, addresses []string) {
	for i := range n {
		address := fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1)
		p := pool.New(pool.Config{Name: fmt.Sprint(i), Servers: []pool.ServerConfig{{Address: address}}}, nil)
		watched, addresses = append(watched, Watched{p, Config{Type: "tcp"}}), append(addresses, address)
	}
	return watched, addresses
}

func TestTheFirstChecksOfManyPoolsBeginOneAfterTheOther(t *testing.T) {
	for _, pools := range []int{1, 3, 5000} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork()
			m := n.monitor()
			watched, addresses := watchedPools(pools)
			m.Watch(watched)
			time.Sleep(1100 * time.Millisecond)
			m.Close()
			together := map[time.Duration]int{}
			for i, a := range addresses {
				first := n.attempts[a][0]
				together[first.Truncate(10*time.Millisecond)]++
				switch {
				case i == 0 && first != 0:
					t.Errorf("%d pools: the first begins after %v", pools, first)
				case i > 0 && first <= n.attempts[addresses[i-1]][0]:
					t.Errorf("%d pools: pool %d begins after %v, with the one before it", pools, i, first)
				case first > time.Second || first > time.Duration(i)*spreadMax:
					t.Errorf("%d pools: pool %d begins after %v", pools, i, first)
				}
			}
			for at, count := range together {
				if count > max(1, 2*pools/100) {
					t.Errorf("%d of %d pools begin after %v", count, pools, at)
				}
			}
		})
	}
}

// Pools that are there already do not delay one that a reload brings.
func TestTheFirstCheckOfANewPoolBeginsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		m := n.monitor()
		watched, addresses := watchedPools(101)
		m.Watch(watched[:100])
		time.Sleep(2 * time.Second)
		m.Watch(watched)
		time.Sleep(time.Millisecond)
		m.Close()
		if n.count(addresses[100]) != 1 {
			t.Error("it waits for others")
		}
	})
}
