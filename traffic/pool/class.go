package pool

// Class is how much a request matters when not all can be served. Higher classes go first, and lower ones are shed first.
type Class uint8

const (
	Critical  Class = iota // the user's own doing that nothing can replace: a payment, a login
	Default                // everything nobody said anything of
	Sheddable              // what can come later or not at all: prefetching, batches, crawlers
	classCount
)

func (c Class) String() string { return [...]string{"critical", "default", "sheddable"}[c] }

// ClassOf is the class of that word.
func ClassOf(word string) Class {
	for c := range classCount {
		if c.String() == word {
			return c
		}
	}
	return Default
}

// patience is the share of the queue's wait that a request of the class may be expected to wait. One that would wait longer is
// shed at once: an early answer is worth more than a late one, and the rest of the wait is for whoever matters more.
func (c Class) patience() float64 { return [...]float64{1, 0.5, 0.25}[c] }
