package config

// isOff understands the two words that stand for a whole object.
func isOff(word string) (bool, error) {
	switch word {
	case "off", "false", "no":
		return true, nil
	case "on", "true", "yes":
		return false, nil
	}
	return false, problemf("want an object, on or off, not %q", word)
}
