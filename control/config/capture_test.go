package config

import "testing"

// Where connections are captured, routes may name the pool `original` without a definition of it.
func TestTheOriginalPoolNeedsNoDefinition(t *testing.T) {
	const captures = `listeners: { in: { address: ":3129", capture: tproxy } }` + "\n"
	for text, isGood := range map[string]bool{
		captures + `sites: { "*": original }`: true,
		captures + `pools: { original: { source: client } }
sites: { "*": original }`: true,
		captures + `sites: { "*": { /*: [{ match: { ports: [80] }, pool: original }] } }`: true,
		`listeners: { in: ":3129" }` + "\n" + `sites: { "*": original }`:                  false,
	} {
		cfg, problems := Parse("weir.yaml", []byte(text))
		if good := len(problems.Errors()) == 0; good != isGood {
			t.Errorf("%s\n%v", text, problems)
		}
		if isGood && cfg != nil && !cfg.Pool(Original).IsOriginal() {
			t.Errorf("%s\nthe pool has servers: %v", text, cfg.Pools)
		}
	}
}
