package messaging

import (
	"fmt"
	"net"
	"strconv"
)

// MessageType is the value of a message's "type" key. Applications add types of their own; the wire gives a meaning to
// TypeHeartbeat alone.
type MessageType string

// The message types that every Experimance service knows.
const (
	TypeHeartbeat   MessageType = "Heartbeat"
	TypeStateUpdate MessageType = "StateUpdate"
	TypeCommand     MessageType = "Command"
	TypeTask        MessageType = "Task"
	TypeResult      MessageType = "Result"
	TypeEvent       MessageType = "Event"
	TypeAlert       MessageType = "Alert"
)

// DefaultPorts holds the TCP port on which messages of a type travel unless a service is configured otherwise. An
// application adds its own types before it makes services: the map is not guarded against concurrent change.
var DefaultPorts = map[MessageType]int{
	TypeHeartbeat:   5555,
	TypeStateUpdate: 5556,
	TypeCommand:     5557,
	TypeTask:        5558,
	TypeResult:      5559,
	TypeEvent:       5560,
	TypeAlert:       5561,
}

// BindAddress returns the address at which a service takes connections for messages of type t, on every interface:
// "tcp://*:5556" for TypeStateUpdate. It panics where DefaultPorts has no port for t.
func BindAddress(t MessageType) string { return ConnectAddress("*", t) }

// ConnectAddress returns the address at which messages of type t are found on a host: "tcp://localhost:5556" for
// TypeStateUpdate. It panics where DefaultPorts has no port for t.
func ConnectAddress(host string, t MessageType) string {
	port, ok := DefaultPorts[t]
	if !ok {
		panic(fmt.Sprintf("messaging: DefaultPorts has no port for message type %q; add one", t))
	}
	return "tcp://" + net.JoinHostPort(host, strconv.Itoa(port))
}
