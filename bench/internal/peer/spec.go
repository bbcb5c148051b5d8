// Package peer is what a process of a measurement does: it opens sockets of one engine and plays one role, told by the
// runner through its arguments and standard input, telling it lines on standard output. The peer of libzmq, a C program,
// plays the same roles by the same words; README.md describes them.
package peer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// Role is what a peer does.
type Role string

// The roles. The peer that reports a result is the one that is said to.
const (
	Flood  Role = "flood"  // sends as fast as it can; result when stopped
	Drain  Role = "drain"  // receives; result after the window
	Ask    Role = "ask"    // sends a request after the other; result after the window
	Echo   Role = "echo"   // answers each request with itself
	Pace   Role = "pace"   // sends at a rate, with time stamps; result when stopped
	Stamp  Role = "stamp"  // receives from Pace; result after the window
	First  Role = "first"  // sends one message on a new connection; result when stopped
	Whole  Role = "whole"  // receives one message; result when it has it
	Inproc Role = "inproc" // Flood and Drain in one process; result after the window
	Hold   Role = "hold"   // binds a Pub and tells its memory when asked
	Serve  Role = "serve"  // an engine's server; tells its memory when asked
	Idle   Role = "idle"   // many idle subscribers, of no engine
	Tick   Role = "tick"   // publishes every millisecond; tells the longest Send when asked
	Many   Role = "many"   // subscribes to many prefixes; result when that has taken effect
	Knock  Role = "knock"  // connects to endpoints without a listener; result after the window
)

// Spec is a peer's arguments.
type Spec struct {
	Role     Role
	Socket   engine.Kind
	Endpoint string
	Bind     bool          // bind to Endpoint rather than connect
	Sockets  int           // sockets to open, each with a thread or goroutine; for Idle, connections
	Peers    int           // sockets on the other side
	Size     int           // bytes of each frame, at least MinSize but for First and Whole
	Frames   int           // frames of each message
	Topics   int           // messages begin with one of so many topics in turn; 0: they do not
	Rate     float64       // of Pace: messages a second
	Window   time.Duration // how long results are taken
	Curve    *engine.Curve
	Prefixes int  // of Many: how many it subscribes to
	Nested   bool // each of these begins with the one before
	Refusing int  // of Knock: how many endpoints

	Unbounded bool // queues without the library's limits
	Single    bool // each message is sent with a call of its own and received by itself
}

// Args returns the spec as arguments: the role, then name=value.
func (s Spec) Args() []string {
	args := []string{
		string(s.Role),
		"socket=" + string(s.Socket),
		"endpoint=" + s.Endpoint,
		fmt.Sprintf("bind=%t", s.Bind),
		fmt.Sprintf("sockets=%d", max(s.Sockets, 1)),
		fmt.Sprintf("peers=%d", max(s.Peers, 1)),
		fmt.Sprintf("size=%d", s.Size),
		fmt.Sprintf("frames=%d", max(s.Frames, 1)),
		fmt.Sprintf("topics=%d", s.Topics),
		fmt.Sprintf("rate=%.0f", s.Rate),
		fmt.Sprintf("window=%d", s.Window.Nanoseconds()),
		fmt.Sprintf("unbounded=%t", s.Unbounded),
		fmt.Sprintf("single=%t", s.Single),
		fmt.Sprintf("prefixes=%d", s.Prefixes),
		fmt.Sprintf("nested=%t", s.Nested),
		fmt.Sprintf("refusing=%d", s.Refusing),
	}
	if c := s.Curve; c != nil {
		args = append(args, "serverpublic="+c.ServerPublic, "serversecret="+c.ServerSecret,
			"clientpublic="+c.ClientPublic, "clientsecret="+c.ClientSecret)
	}
	return args
}

// ParseSpec is the reverse of Args.
func ParseSpec(args []string) (Spec, error) {
	if len(args) == 0 {
		return Spec{}, fmt.Errorf("peer: no role among the arguments")
	}
	s := Spec{Role: Role(args[0])}
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		if err := s.set(name, value); err != nil {
			return Spec{}, fmt.Errorf("peer: argument %q: %w", arg, err)
		}
	}
	if s.Curve != nil {
		s.Curve.Server = s.Bind
	}
	return s, nil
}

func (s *Spec) set(name, value string) (err error) {
	switch name {
	case "socket":
		s.Socket = engine.Kind(value)
	case "endpoint":
		s.Endpoint = value
	case "bind":
		s.Bind, err = strconv.ParseBool(value)
	case "unbounded":
		s.Unbounded, err = strconv.ParseBool(value)
	case "single":
		s.Single, err = strconv.ParseBool(value)
	case "nested":
		s.Nested, err = strconv.ParseBool(value)
	case "prefixes":
		s.Prefixes, err = strconv.Atoi(value)
	case "refusing":
		s.Refusing, err = strconv.Atoi(value)
	case "sockets":
		s.Sockets, err = strconv.Atoi(value)
	case "peers":
		s.Peers, err = strconv.Atoi(value)
	case "size":
		s.Size, err = strconv.Atoi(value)
	case "frames":
		s.Frames, err = strconv.Atoi(value)
	case "topics":
		s.Topics, err = strconv.Atoi(value)
	case "rate":
		s.Rate, err = strconv.ParseFloat(value, 64)
	case "window":
		var ns int64
		ns, err = strconv.ParseInt(value, 10, 64)
		s.Window = time.Duration(ns)
	default:
		return s.setKey(name, value)
	}
	return err
}

func (s *Spec) setKey(name, value string) error {
	if s.Curve == nil {
		s.Curve = &engine.Curve{}
	}
	switch name {
	case "serverpublic":
		s.Curve.ServerPublic = value
	case "serversecret":
		s.Curve.ServerSecret = value
	case "clientpublic":
		s.Curve.ClientPublic = value
	case "clientsecret":
		s.Curve.ClientSecret = value
	default:
		return fmt.Errorf("unknown name")
	}
	return nil
}

// options returns what the engine needs to know.
func (s Spec) options() engine.Options {
	carrier, _, _ := strings.Cut(s.Endpoint, "://")
	return engine.Options{
		Carrier: carrier, Size: s.Size, Frames: s.Frames, Peers: s.Peers, Topics: s.Topics,
		Curve: s.Curve, Unbounded: s.Unbounded, Single: s.Single, Prefixes: s.Prefixes, Refusing: s.Refusing,
	}
}
