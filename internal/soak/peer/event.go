package peer

import (
	"fmt"
	"strconv"
	"strings"
)

// EventKind is what a peer tells.
type EventKind string

// The kinds of event. A process of a peer writes each on a line, as String has it.
const (
	Ready   EventKind = "ready"   // the socket is open; Text is the endpoint that it has bound
	Sent    EventKind = "sent"    // of Stream, messages below Number were accepted
	Got     EventKind = "got"     // message Number of Stream was received over Connection, 0 if that is not known
	Lost    EventKind = "lost"    // the reply to a request will not come; the socket has told so
	Stopped EventKind = "stopped" // nothing more is sent of its own accord
	Drained EventKind = "drained" // the socket was drained; Text says why it could not be to the end, if so
	Joined  EventKind = "joined"  // the socket has left its endpoints, and joined them again
	Closed  EventKind = "closed"  // the socket is closed; Text has its counters, as Counters.String does, if it has any
	Fault   EventKind = "fault"   // something is wrong; Text says what
)

// Event is what a peer tells.
type Event struct {
	Kind       EventKind
	Stream     uint64
	Number     uint64
	Connection int
	Text       string
}

// String is the event as a line.
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

// Counters are what a socket of this project says of itself when it is closed.
type Counters struct {
	Sent, Dropped, Unconfirmed, Discarded uint64
	Connections                           uint64 // whose handshake has succeeded
	Silent                                uint64 // of these, ended because nothing came from the peer for too long
}

const countersFormat = "sent=%d dropped=%d unconfirmed=%d discarded=%d connections=%d silent=%d"

// String is the counters as a text, for an Event.
func (c Counters) String() string {
	return fmt.Sprintf(countersFormat, c.Sent, c.Dropped, c.Unconfirmed, c.Discarded, c.Connections, c.Silent)
}

// ParseCounters is the inverse of String.
func ParseCounters(text string) (c Counters, err error) {
	_, err = fmt.Sscanf(text, countersFormat, &c.Sent, &c.Dropped, &c.Unconfirmed, &c.Discarded, &c.Connections, &c.Silent)
	return c, err
}
