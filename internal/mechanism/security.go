package mechanism

// Security says how the connections of a socket are secured: by one of [NullServer],
// [PlainServer], [PlainClient], [CurveServer] and [CurveClient]. Which end is the server
// is a matter of these settings alone, and not of who binds and who connects. Both ends
// must use the same mechanism, one as server and the other as client.
type Security interface {
	// Factory checks the settings and returns what makes the mechanism of one
	// connection. It may be used by any number of goroutines, and later changes of the
	// settings do not concern it.
	Factory() (func(Params) Mechanism, error)
}

// Authenticated is a [Mechanism] that can tell who its peer is.
type Authenticated interface {
	Mechanism

	// User is who the peer was found to be. It is known when Handle has reported done.
	User() User
}
