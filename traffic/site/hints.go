package site

// Hints are the links that answers of a route had their clients load in advance, by page. Each loop learns for itself. A reload begins with none: what the
// configuration allows may have changed.
type Hints struct{ loops []hintTable }

type hintTable struct {
	pages map[string]hint // owned by the loop
	_     [56]byte
}

// hint is what is known of a page.
type hint struct {
	lines string // field lines
	until int64  // ms
}

const (
	hintsMost    = 256            // pages, for each route and loop
	HintsMaxSize = 2 << 10        // of the lines of a page
	hintsLast    = 10 * 60 * 1000 // ms after the last answer that had them
)

// NewHints makes them for so many loops.
func NewHints(loops int) *Hints { return &Hints{loops: make([]hintTable, loops)} }

// Of returns the lines of a page; "" if there are none. On that loop.
func (h *Hints) Of(loop int, page []byte, now int64) string {
	if p, has := h.loops[loop].pages[string(page)]; has && now < p.until {
		return p.lines
	}
	return ""
}

// Learn makes lines those of a page; none: it has none any more. It borrows both. On that loop.
func (h *Hints) Learn(loop int, page, lines []byte, now int64) {
	t := &h.loops[loop]
	p, has := t.pages[string(page)]
	switch {
	case len(lines) == 0 || len(lines) > HintsMaxSize:
		delete(t.pages, string(page))
	case has && p.lines == string(lines) && p.until-now > hintsLast/2: // written seldom: that costs a copy of the page's name
	case !has && len(t.pages) >= hintsMost:
		t.makeRoom(now)
		fallthrough
	default:
		if t.pages == nil {
			t.pages = map[string]hint{}
		}
		t.pages[string(page)] = hint{string(lines), now + hintsLast}
	}
}

// makeRoom forgets a page: one that is out of date if any of a few is, which no answer keeps up, or else one of them.
func (t *hintTable) makeRoom(now int64) {
	const few = 8
	seen := 0
	victim, until := "", int64(0)
	for page, p := range t.pages {
		if victim == "" || p.until < until {
			victim, until = page, p.until
		}
		if seen++; seen == few || until <= now {
			break
		}
	}
	delete(t.pages, victim)
}
