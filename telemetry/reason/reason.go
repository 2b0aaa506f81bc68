package reason

// Reason is a row of the table; the zero Reason is a complete exchange.
type Reason uint8

const (
	Done Reason = iota
	Redirected
	Responded
	FileServed
	FileMethod
	FileForbidden
	NoFile
	FileFailed
	FileStuck
	ClientGone
	ClientHeadTimeout
	ClientMalformed
	ClientBodyMalformed
	ClientBodyTimeout
	ClientBodyTooLarge
	ClientBodyCut
	NoSite
	NoRoute
	ClientPolicy
	Denied
	Loop
	Maintenance
	NotCaptured
	PoolEmpty
	PoolUnresolved
	PoolDown
	PoolFull
	Shed
	QueueTimeout
	RequestTimeout
	PersistenceLost
	ConnectRefused
	ConnectTimeout
	ConnectTLS
	ConnectLimit
	SendCut
	ResponseTimeout
	ResponseCut
	ResponseMalformed
	BodyCut
	BodyTimeout
	BodyMalformed
	ClientCut
	ClientStalled
	Upgraded
	StreamRefused
	ClientFlood
	ClientProtocol
	HTTP11Required
	ListenerFull
	Refused
	MemoryFull
	MadeRoom
	DescriptorsFull
	ClientFull
	ProxyMalformed
	ProxyTimeout
	HelloMalformed
	HelloTimeout
	HandshakeFailed
	TunnelClientReset
	TunnelServerReset
	TunnelClientStalled
	TunnelServerStalled
	TunnelIdle
	TunnelLifetime
	FTPServer
	FlowIdle
	FlowNoReply
	FlowRefused
	FlowServerGone
	FlowEvicted
	FlowWithheld
	FlowTableFull
	FlowFlooded
	MirrorDiffers
	Panicked
	Stopping
	Ended
	ServerDown
	Count // number of reasons
)

// row is what there is to say about a reason.
type row struct {
	Side  string // client, weir or server: whose doing it was
	Stage string // the stage it happened in
	Why   string
}

var table = [Count]row{
	Done:                {"none", "finish", "done"},
	Redirected:          {"none", "request", "redirected"},
	Responded:           {"none", "request", "responded"},
	FileServed:          {"none", "deliver", "file"},
	FileMethod:          {"client", "request", "method"},
	FileForbidden:       {"weir", "request", "file_forbidden"},
	NoFile:              {"client", "request", "no_file"},
	FileFailed:          {"weir", "request", "file_failed"},
	FileStuck:           {"weir", "request", "file_stuck"},
	ClientGone:          {"client", "read", "closed"},
	ClientHeadTimeout:   {"client", "read", "timeout"},
	ClientMalformed:     {"client", "read", "malformed"},
	ClientBodyMalformed: {"client", "send", "malformed_body"},
	ClientBodyTimeout:   {"client", "send", "body_timeout"},
	ClientBodyTooLarge:  {"client", "request", "body_too_large"},
	ClientBodyCut:       {"client", "send", "body_cut"},
	NoSite:              {"weir", "match", "no_site"},
	NoRoute:             {"weir", "match", "no_route"},
	ClientPolicy:        {"client", "match", "tls_policy"},
	Denied:              {"weir", "request", "denied"},
	Maintenance:         {"weir", "request", "maintenance"},
	Loop:                {"weir", "request", "loop"},
	NotCaptured:         {"client", "pick", "not_captured"},
	PoolEmpty:           {"weir", "pick", "no_servers"},
	PoolUnresolved:      {"weir", "pick", "names_not_resolved"},
	PoolDown:            {"server", "pick", "all_down"},
	PoolFull:            {"weir", "pick", "all_full"},
	Shed:                {"weir", "pick", "shed"},
	QueueTimeout:        {"weir", "pick", "queue_timeout"},
	RequestTimeout:      {"server", "pick", "deadline"},
	PersistenceLost:     {"server", "pick", "session_lost"},
	ConnectRefused:      {"server", "connect", "refused"},
	ConnectTimeout:      {"server", "connect", "timeout"},
	ConnectTLS:          {"server", "connect", "tls"},
	ConnectLimit:        {"weir", "connect", "limit"},
	SendCut:             {"server", "send", "closed"},
	ResponseTimeout:     {"server", "receive", "timeout"},
	ResponseCut:         {"server", "receive", "closed"},
	ResponseMalformed:   {"server", "receive", "malformed"},
	BodyCut:             {"server", "deliver", "closed"},
	BodyTimeout:         {"server", "deliver", "timeout"},
	BodyMalformed:       {"server", "deliver", "malformed"},
	ClientCut:           {"client", "deliver", "closed"},
	ClientStalled:       {"client", "deliver", "stalled"},
	Upgraded:            {"none", "deliver", "upgraded"},
	ClientFlood:         {"client", "read", "flood"},
	ClientProtocol:      {"client", "read", "protocol"},
	StreamRefused:       {"server", "send", "refused"},
	HTTP11Required:      {"server", "receive", "http11_required"},
	ListenerFull:        {"weir", "read", "listener_full"},
	Refused:             {"weir", "read", "refused"},
	MemoryFull:          {"weir", "read", "memory_full"},
	MadeRoom:            {"weir", "read", "made_room"},
	DescriptorsFull:     {"weir", "read", "descriptors_full"},
	ClientFull:          {"weir", "read", "client_full"},
	ProxyMalformed:      {"client", "read", "proxy_malformed"},
	ProxyTimeout:        {"client", "read", "proxy_timeout"},
	HelloMalformed:      {"client", "read", "hello_malformed"},
	HelloTimeout:        {"client", "read", "hello_timeout"},
	HandshakeFailed:     {"client", "read", "handshake"},
	TunnelClientReset:   {"client", "tunnel", "reset"},
	TunnelServerReset:   {"server", "tunnel", "reset"},
	TunnelClientStalled: {"client", "tunnel", "stalled"},
	TunnelServerStalled: {"server", "tunnel", "stalled"},
	TunnelIdle:          {"none", "tunnel", "idle"},
	TunnelLifetime:      {"weir", "tunnel", "lifetime"},
	FTPServer:           {"server", "tunnel", "ftp_malformed"},
	FlowIdle:            {"none", "flow", "idle"},
	FlowNoReply:         {"server", "flow", "no_reply"},
	FlowRefused:         {"server", "flow", "refused"},
	FlowServerGone:      {"weir", "flow", "server_gone"},
	FlowEvicted:         {"weir", "flow", "evicted"},
	FlowWithheld:        {"weir", "flow", "withheld"},
	FlowTableFull:       {"weir", "flow", "table_full"},
	FlowFlooded:         {"weir", "flow", "flooded"},
	MirrorDiffers:       {"server", "deliver", "mirror_differs"},
	Panicked:            {"weir", "finish", "panicked"},
	Stopping:            {"weir", "read", "stopping"},
	Ended:               {"weir", "tunnel", "ended"},
	ServerDown:          {"weir", "tunnel", "server_down"},
}

// Side, Stage and Why are the columns of the table.
func (r Reason) Side() string  { return table[r].Side }
func (r Reason) Stage() string { return table[r].Stage }
func (r Reason) Why() string   { return table[r].Why }

// String is "side.stage.why", as logs and metrics have it.
func (r Reason) String() string { return names[r] }

var names = func() (t [Count]string) {
	for r, row := range table {
		t[r] = row.Side + "." + row.Stage + "." + row.Why
	}
	return
}()
