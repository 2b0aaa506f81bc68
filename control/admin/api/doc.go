// Package api is what the admin address answers, as types: the JSON of status, reload and errors.
//
// Invariants: it knows nothing of the rest of weir, so that whoever talks to a weir need not be one. Fields are only added.
//
// Called by control/lifecycle, which fills a Status, by control/admin and its client, and by the console.
package api
