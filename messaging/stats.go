package messaging

// SocketStats tells what one socket of a service did since the last Start of the service.
type SocketStats struct {
	Sent     uint64 `json:"sent"`     // messages written to a connection, one for each peer that got it
	Received uint64 `json:"received"` // messages taken from the socket
	Dropped  uint64 `json:"dropped"`  // messages dropped: for a peer too far behind, or unsent at Stop
	Queued   int    `json:"queued"`   // messages that wait to be sent now
	Peers    int    `json:"peers"`    // peers connected now

	Bad       uint64 `json:"bad"`       // received messages that could not be read
	Unhandled uint64 `json:"unhandled"` // received messages for which no handler was registered
	Failed    uint64 `json:"failed"`    // received messages whose handler returned an error or panicked
}
