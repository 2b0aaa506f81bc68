package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/control/certs/acme"
	"github.com/weir-proxy/weir/control/certs/authority"
	"github.com/weir-proxy/weir/control/certs/ech"
)

// Wanted is what an Issuer is to do by a configuration.
type Wanted struct {
	TLS      bool         // somebody may ask for a certificate; false: nothing is made, and nothing written
	Data     string       // the directory that everything is kept below
	ACME     *acme.Config // nil: nothing is obtained by ACME; Directory, Log and OnChange are the Issuer's
	Settings any          // what ACME was made of: as long as it stays the same, what runs goes on
	Public   []string     // names whose certificates are obtained by ACME
	Internal []string     // names that weir's own authority issues for in advance
	OnDemand *OnDemand    // nil: nothing is obtained at a handshake
	ECH      string       // the public name of Encrypted Client Hello; "": it is not offered
	Log      *slog.Logger // nil: nobody listens
}

// Issuer has the certificates that weir gets by itself. It outlives reloads; Apply tells it what to do now.
type Issuer struct {
	log       *slog.Logger
	public    atomic.Pointer[index]                       // obtained by ACME
	leaves    atomic.Pointer[map[string]*tls.Certificate] // of weir's own authority, by name
	own       atomic.Pointer[authority.Authority]
	demand    atomic.Pointer[demand]
	hello     atomic.Pointer[ech.Keys]
	mu        sync.Mutex // guards what follows, and the making of what stands above
	wanted    Wanted
	client    *acme.Client
	ownFailed bool
	ownData   string // below which own is kept; "": there is none yet
}

// NewIssuer makes one that has nothing to do yet.
func NewIssuer() *Issuer {
	i := &Issuer{log: slog.New(slog.DiscardHandler)}
	i.public.Store(newIndex(nil, time.Now()))
	i.leaves.Store(&map[string]*tls.Certificate{})
	return i
}

// Apply makes w what the issuer does. It never fails: what cannot be done is said, and done without.
func (i *Issuer) Apply(w Wanted) {
	i.mu.Lock()
	if w.Log != nil {
		i.log = w.Log
	}
	if w.TLS && (i.ownData != w.Data || i.ownFailed) {
		i.openAuthority(w.Data)
	}
	was := i.wanted
	i.wanted = w
	i.forgetLeaves(was.Internal)
	i.mu.Unlock()
	for _, n := range w.Internal {
		i.leaf(n)
	}
	i.applyACME(was, w)
	i.applyECH(was, w)
	i.demand.Store(newDemand(i, w.OnDemand))
	i.Refresh()
}

// forgetLeaves lets go of what was issued for names that are wanted no more. i.mu is held.
func (i *Issuer) forgetLeaves(was []string) {
	left := maps.Clone(*i.leaves.Load())
	for _, name := range was {
		if !slices.Contains(i.wanted.Internal, name) {
			delete(left, name)
		}
	}
	i.leaves.Store(&left)
}

func (i *Issuer) openAuthority(data string) {
	a, err := authority.Open(AuthorityDirectory(data), time.Now)
	i.ownFailed = err != nil
	if i.ownFailed && i.own.Load() != nil {
		return // what serves already goes on
	}
	if err != nil {
		i.log.Warn("certificates: "+err.Error(), "data", data)
	}
	i.own.Store(a)
	i.ownData = data
	i.leaves.Store(&map[string]*tls.Certificate{})
}

// AuthorityDirectory is where weir's own authority is kept.
func AuthorityDirectory(data string) string { return filepath.Join(data, "authority") }

func (i *Issuer) applyACME(was, w Wanted) {
	i.mu.Lock()
	old := i.client
	isSame := old != nil && w.ACME != nil && was.Data == w.Data && reflect.DeepEqual(was.Settings, w.Settings)
	if !isSame {
		i.client = nil
		if w.ACME != nil {
			i.client = i.newClient(w)
		}
	}
	client := i.client
	i.mu.Unlock()
	if old != nil && !isSame {
		go old.Close() // waits for what is under way
	}
	if client != nil {
		client.Manage(w.Public)
	}
}

func (i *Issuer) applyECH(was, w Wanted) {
	if w.ECH == "" {
		i.hello.Store(nil)
		return
	}
	if i.hello.Load() != nil && was.ECH == w.ECH && was.Data == w.Data {
		return
	}
	keys, err := ech.Open(ECHDirectory(w.Data), w.ECH, time.Now())
	if err != nil {
		i.log.Warn("certificates: the keys of Encrypted Client Hello are not kept: what was published of them is void after the next start", "error", err)
	}
	i.hello.Store(keys)
}

// KeptBelow are the directories below data that an Issuer writes into.
func KeptBelow() []string { return []string{"acme", "authority", "ech"} }

// ECHDirectory is where the keys of Encrypted Client Hello are kept.
func ECHDirectory(data string) string { return filepath.Join(data, "ech") }

// ECHKeys are the keys of Encrypted Client Hello, none where it is not offered. It takes atomic loads alone.
func (i *Issuer) ECHKeys(*tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) {
	if keys := i.hello.Load(); keys != nil {
		return keys.Get(), nil
	}
	return []tls.EncryptedClientHelloKey{}, nil
}

func (i *Issuer) newClient(w Wanted) *acme.Client {
	c := *w.ACME
	c.Directory = filepath.Join(w.Data, "acme")
	c.Log, c.OnChange = i.log, i.Refresh
	client, err := acme.New(c)
	if err != nil {
		i.log.Error("certificates: nothing is obtained by ACME", "error", err)
		return nil
	}
	return client
}

// Refresh takes in what has been obtained meanwhile, and renews what weir's own authority has issued. Called every few seconds.
func (i *Issuer) Refresh() {
	i.mu.Lock()
	client := i.client
	i.mu.Unlock()
	now := time.Now()
	var obtained []*tls.Certificate
	if client != nil {
		obtained = client.Certificates()
	}
	i.public.Store(newIndex(obtained, now))
	i.renewLeaves(now)
	if keys := i.hello.Load(); keys != nil {
		if changed, err := keys.Rotate(now); err != nil {
			i.log.Warn("certificates: a new key of Encrypted Client Hello is not kept", "error", err)
		} else if changed {
			i.log.Info("Encrypted Client Hello has a new key; publish what weir ech prints", "public_name", keys.PublicName())
		}
	}
}

// renewLeaves makes those anew that were wanted in advance, and forgets others: they are made when somebody asks.
func (i *Issuer) renewLeaves(now time.Time) {
	due := map[string]bool{}
	for name, c := range *i.leaves.Load() {
		if now.After(authority.RenewAt(c.Leaf)) {
			due[name] = true
		}
	}
	if len(due) == 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	left := maps.Clone(*i.leaves.Load())
	for name := range due {
		if !slices.Contains(i.wanted.Internal, name) {
			delete(left, name)
		} else if c, err := i.own.Load().Leaf(name); err == nil {
			left[name] = c
		}
	}
	i.leaves.Store(&left)
}

// leavesMost bounds what is issued to whoever asks for names; beyond it all share the certificate of no name.
const leavesMost = 2000

// noName is on the certificate of weir's own authority for those that ask for no name it knows.
const noName = "weir.internal"

// issued returns what weir's own authority has issued for a name; nil if there is nothing.
func (i *Issuer) issued(name string) *tls.Certificate { return (*i.leaves.Load())[name] }

// leaf returns the certificate of weir's own authority for a name, and issues it if need be. It may wait for others that do the same.
func (i *Issuer) leaf(name string) (*tls.Certificate, error) {
	if c := (*i.leaves.Load())[name]; c != nil {
		return c, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	leaves := *i.leaves.Load()
	if len(leaves) >= leavesMost {
		name = noName
	}
	if c := leaves[name]; c != nil {
		return c, nil
	}
	if i.own.Load() == nil {
		i.openAuthority("") // nothing was applied: a snapshot that nobody runs
	}
	c, err := i.own.Load().Leaf(name)
	if err != nil {
		return nil, fmt.Errorf("weir's own authority: %w", err)
	}
	next := maps.Clone(leaves)
	next[name] = c
	i.leaves.Store(&next)
	return c, nil
}

// Root is the certificate of weir's own authority in DER; nil while there is none.
func (i *Issuer) Root() []byte {
	if a := i.own.Load(); a != nil {
		return a.Root()
	}
	return nil
}

// List returns the certificates in use, of weir's own authority those that were wanted in advance.
func (i *Issuer) List() (list []Certificate) {
	i.mu.Lock()
	client, wanted := i.client, i.wanted.Internal
	i.mu.Unlock()
	if client != nil {
		for _, c := range client.Certificates() {
			list = append(list, Certificate{Issuer: "acme", Names: namesOf(c), Expires: c.Leaf.NotAfter})
		}
	}
	for _, name := range wanted {
		if c := (*i.leaves.Load())[name]; c != nil {
			list = append(list, Certificate{Issuer: "internal", Names: namesOf(c), Expires: c.Leaf.NotAfter})
		}
	}
	return list
}

var errNotPublic = errors.New("nothing is obtained by ACME")

// Close ends what is under way.
func (i *Issuer) Close() {
	i.mu.Lock()
	client := i.client
	i.client = nil
	i.mu.Unlock()
	if client != nil {
		client.Close()
	}
}
