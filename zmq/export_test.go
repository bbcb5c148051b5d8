package zmq

// ReceiverReads reports whether a receiver reads from the socket's connection in place of its reader.
func (s *socket) ReceiverReads() bool {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	return s.in.solo != nil && s.in.solo.reading == byReceiver
}

// ReceiverWaits reports whether a receiver waits for the reader.
func (s *socket) ReceiverWaits() bool { return s.in.arrived.n.Load() > 0 }

// Lent reports whether the reader of the socket's connection has lent its part, and nobody reads.
func (s *socket) Lent() bool {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	return s.in.solo != nil && s.in.solo.reading == byNobody
}
