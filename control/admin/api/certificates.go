package api

// Revocation is an operator's word on a certificate that was obtained by ACME.
type Revocation struct {
	Name   string `json:"name"`             // that it was obtained for
	Reason string `json:"reason,omitempty"` // unspecified, key_compromise, affiliation_changed, superseded or cessation_of_operation; "": unspecified
}

// Revoked is what came of it.
type Revoked struct {
	Renews bool `json:"renews"` // another certificate is being obtained
}
