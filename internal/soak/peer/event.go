package peer

import (
	"fmt"
	"strconv"
	"strings"
)

// EventKind is a kind of event.
type EventKind string

// The kinds of event. The process of a peer writes one event a line, in the form of Event.String.
const (
	Ready   EventKind = "ready"   // the socket is open; Text is its bound endpoint
	Sent    EventKind = "sent"    // the messages of Stream with numbers below Number were accepted
	Got     EventKind = "got"     // message Number of Stream was received over Connection, 0 if unknown
	Lost    EventKind = "lost"    // the socket has reported that a request will have no reply
	Stopped EventKind = "stopped" // the peer's own stream has ended
	Drained EventKind = "drained" // Drain has returned; Text is its error
	Joined  EventKind = "joined"  // the socket has left its endpoints, and joined them again
	Closed  EventKind = "closed"  // the socket is closed; Text is Counters.String, or "" for libzmq
	Fault   EventKind = "fault"   // Text says what is wrong
)

// Event is a report of a peer.
type Event struct {
	Kind       EventKind
	Stream     uint64
	Number     uint64
	Connection int
	Text       string
}

// String returns the event as a line.
func (e Event) String() string {
	switch e.Kind {
	case Sent:
		return fmt.Sprintf("%s %d %d", e.Kind, e.Stream, e.Number)
	case Got:
		return fmt.Sprintf("%s %d %d %d", e.Kind, e.Stream, e.Number, e.Connection)
	}
	return strings.TrimSpace(string(e.Kind) + " " + e.Text)
}

// ParseEvent is the inverse of String.
func ParseEvent(line string) (e Event, err error) {
	kind, rest, _ := strings.Cut(line, " ")
	e.Kind = EventKind(kind)
	switch e.Kind {
	case Sent:
		_, err = fmt.Sscan(rest, &e.Stream, &e.Number)
	case Got:
		fields := strings.Fields(rest)
		if len(fields) != 3 {
			return e, fmt.Errorf("%q: three numbers expected", line)
		}
		e.Stream, err = strconv.ParseUint(fields[0], 10, 64)
		if err == nil {
			e.Number, err = strconv.ParseUint(fields[1], 10, 64)
		}
		if err == nil {
			e.Connection, err = strconv.Atoi(fields[2])
		}
	case Ready, Lost, Stopped, Drained, Joined, Closed, Fault:
		e.Text = rest
	default:
		err = fmt.Errorf("unknown event")
	}
	if err != nil {
		return e, fmt.Errorf("%q: %w", line, err)
	}
	return e, nil
}

// Counters are the statistics of a closed socket of this project.
type Counters struct {
	Sent, Dropped, Unconfirmed, Discarded uint64
	Connections                           uint64 // with a completed handshake
	Silent                                uint64 // those that a heartbeat has ended
}

const countersFormat = "sent=%d dropped=%d unconfirmed=%d discarded=%d connections=%d silent=%d"

// String returns the counters as the Text of an Event.
func (c Counters) String() string {
	return fmt.Sprintf(countersFormat, c.Sent, c.Dropped, c.Unconfirmed, c.Discarded, c.Connections, c.Silent)
}

// ParseCounters is the inverse of String.
func ParseCounters(text string) (c Counters, err error) {
	_, err = fmt.Sscanf(text, countersFormat, &c.Sent, &c.Dropped, &c.Unconfirmed, &c.Discarded, &c.Connections, &c.Silent)
	return c, err
}
