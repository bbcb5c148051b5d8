package zmq

// EventKind is what happened to an endpoint or a connection.
type EventKind string

// The kinds of event, after those of libzmq's socket monitor.
const (
	EventListening          EventKind = "listening"           // Bind succeeded
	EventAccepted           EventKind = "accepted"            // a peer's connection came in; its handshake begins
	EventAcceptFailed       EventKind = "accept failed"       // the system refused to hand over a connection; tried again
	EventConnectDelayed     EventKind = "connect delayed"     // a first attempt to connect is under way
	EventConnectRetried     EventKind = "connect retried"     // an attempt failed or a connection ended; tried again
	EventConnected          EventKind = "connected"           // the connection stands; its handshake begins
	EventHandshakeSucceeded EventKind = "handshake succeeded" // messages can flow
	EventHandshakeFailed    EventKind = "handshake failed"    // the connection was closed; Err is a HandshakeError and says why
	EventDisconnected       EventKind = "disconnected"        // a connection ended after its handshake; Err says why, and is ErrLimit for a limit of Config
	EventClosed             EventKind = "closed"              // an endpoint was unbound or disconnected
	EventMemoryLimit        EventKind = "memory limit"        // peers make the socket keep Config.MemoryLimit; Err is a *MemoryLimitError
)

// Event is one thing that happened to a socket's endpoints and connections.
type Event struct {
	Kind     EventKind
	Endpoint string // the endpoint as bound (resolved) or as connected
	Peer     string // the other side's network address, where there is one
	Err      error  // the cause, where there is one
}

// emit hands the event to the user's channel. Like signal.Notify it never waits for the reader.
func (s *socket) emit(kind EventKind, endpoint, peer string, err error) {
	if s.cfg.Events == nil {
		return
	}
	select {
	case s.cfg.Events <- Event{Kind: kind, Endpoint: endpoint, Peer: peer, Err: err}:
	default:
		s.eventsDropped.Add(1)
	}
}
