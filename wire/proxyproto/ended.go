package proxyproto

// Ended is what a proxy knows of the TLS that it has ended.
type Ended struct {
	Protocol   string // by ALPN
	ServerName string
	SSL
}

// AppendEnded appends what there is to tell of TLS, and of what another proxy has told the rest: the first TLV of a type counts.
func AppendEnded(dst []byte, e *Ended, told TLVs) []byte {
	from := len(dst)
	if e.Protocol != "" {
		dst = AppendTLV(dst, TypeALPN, []byte(e.Protocol))
	}
	if e.ServerName != "" {
		dst = AppendTLV(dst, TypeAuthority, []byte(e.ServerName))
	}
	dst = AppendSSL(dst, &e.SSL)
	for kind, value := range told.All() {
		if TLVs(dst[from:]).Of(kind) == nil {
			dst = AppendTLV(dst, kind, value)
		}
	}
	return dst
}
