package config

// comparedMost bounds the words that are compared with misspelt names of the operator's own. Beyond it such errors come without a suggestion: twenty thousand wrong names among twenty thousand
// pools would take minutes.
const comparedMost = 500_000

// nearestName is nearest among the n names that the operator has given to things of a kind.
func (r *reader) nearestName(word string, n int, name func(i int) string) string {
	if r.compared += n; r.compared > comparedMost {
		return ""
	}
	candidates := make([]string, n)
	for i := range candidates {
		candidates[i] = name(i)
	}
	return nearest(word, candidates)
}

// nearest returns the candidate that a slip of the hand away from word, or "". The first of equals wins.
func nearest(word string, candidates []string) string {
	best, distance := "", 1+max(1, len(word)/3)
	for _, c := range candidates {
		if d := editDistance(word, c, distance); d < distance && d < max(len(word), len(c)) {
			best, distance = c, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours from a to b; bound or more is bound.
func editDistance(a, b string, bound int) int {
	if len(a)-len(b) >= bound || len(b)-len(a) >= bound || len(a) > 100 {
		return bound
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], bound)
}
