package exchange

// Stage is a step on the way of an exchange. The names are also the words of the access log's timings and of the reasons.
type Stage uint8

const (
	Read     Stage = iota // the request's head, and its first chunk's, are read and checked
	Match                 // site and route are found
	Request               // access, redirects, fixed answers, limits, rewriting
	Pick                  // a server is chosen
	Connect               // a connection to it is taken or opened
	Send                  // the request's head, and what is there of its body, go out
	Receive               // the answer's head is read and checked; failure may lead back to Pick
	Response              // the answer's head is written anew
	Deliver               // head and body go to the client
	Answer                // weir answers itself, in place of a server
	Finish                // everything is settled, counted and logged
	Done
)

// stages is the way of an exchange. A stage does one thing and names the next.
var stages [Done]struct {
	name string
	do   func(*Exchange) Stage
}

// The table refers to functions that refer to the names in it, which Go's initialisation order does not allow in a literal.
func init() {
	stages = [Done]struct {
		name string
		do   func(*Exchange) Stage
	}{
		Read:     {"read", (*Exchange).read},
		Match:    {"match", (*Exchange).match},
		Request:  {"request", (*Exchange).filterRequest},
		Pick:     {"pick", (*Exchange).pick},
		Connect:  {"connect", (*Exchange).connect},
		Send:     {"send", (*Exchange).send},
		Receive:  {"receive", (*Exchange).receive},
		Response: {"response", (*Exchange).filterResponse},
		Deliver:  {"deliver", (*Exchange).deliver},
		Answer:   {"answer", (*Exchange).answer},
		Finish:   {"finish", (*Exchange).finish},
	}
}

// String is the stage's name.
func (s Stage) String() string {
	if s < Done {
		return stages[s].name
	}
	return "done"
}

// run drives x from Read to Done.
func (x *Exchange) run() {
	for s := Read; s != Done; {
		x.stage = s
		if fault := x.driver.Fault; fault != nil {
			fault(s)
		}
		s = stages[s].do(x)
	}
}
