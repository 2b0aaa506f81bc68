package message

// nameFold maps every byte of a field name to what servers make of it that put fields into variables: CGI, WSGI, PHP and IIS know no case, and
// have the same character for everything that is neither letter nor digit.
var nameFold = func() (t [256]byte) {
	for i := range t {
		c := byte(i)
		switch {
		case 'A' <= c && c <= 'Z':
			t[i] = c + 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			t[i] = c
		default:
			t[i] = '-'
		}
	}
	return
}()

// IsSameName reports whether servers may take name for the field s: X_Client, x.client and X-Client are the same to many of them.
func IsSameName(name []byte, s string) bool {
	if len(name) != len(s) {
		return false
	}
	for i, c := range name {
		if d := s[i]; c != d && nameFold[c] != nameFold[d] {
			return false
		}
	}
	return true
}

// IsAliasOf reports whether servers may take name for the field s although it is another name.
func IsAliasOf(name []byte, s string) bool { return IsSameName(name, s) && !EqualFold(name, s) }

// AliasedField is the field that weir has an interest in and that servers may take name for although it is another name; FieldOther if there is none.
func AliasedField(name []byte) FieldID {
	var folded [maxFieldName]byte
	if len(name) > len(folded) {
		return FieldOther
	}
	isOdd := false
	for i, c := range name {
		folded[i] = nameFold[c]
		isOdd = isOdd || folded[i] == '-' && c != '-'
	}
	if !isOdd {
		return FieldOther
	}
	return FieldIDOf(folded[:len(name)])
}
