package main

import (
	"path/filepath"
	"strings"

	"github.com/smallstep/truststore"
)

// systemStore says where the system's trust store is and what takes it in.
func systemStore() string {
	if truststore.SystemTrustCommand == nil {
		return "none that is known"
	}
	return filepath.Dir(truststore.SystemTrustFilename) + ", then " + strings.Join(truststore.SystemTrustCommand, " ")
}
