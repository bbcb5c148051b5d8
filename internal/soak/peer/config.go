package peer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// Config holds the settings of a peer.
type Config struct {
	Type     string   // of the socket
	Bind     string   // endpoint; "" for none
	Connect  []string // endpoints
	Identity string

	// Base is the number of this instance of the peer, unique in a round. The number of its own stream
	// is Base<<32, and that of its stream of replies to another peer is Base<<32 | Base of that peer.
	Base uint64

	Shape Shape
	Rate  int           // messages a second of its own stream; 0 means none
	Slow  time.Duration // pause of the receiver after each 64 messages
	Calls Calls

	SendHWM, RecvHWM            int // messages; 0 is the default
	Heartbeat, HeartbeatTimeout time.Duration
	Flags                       []Flag

	// CURVE, in Z85. None means NULL; the server has no ServerKey.
	SecretKey, PublicKey, ServerKey string
}

// Calls selects the methods for sending and receiving of a socket of this project.
type Calls string

// The methods.
const (
	One   Calls = "one"   // Send and Recv
	Batch Calls = "batch" // SendEach and RecvEach, if the socket has them and messages have one frame
	Loop  Calls = "loop"  // SendZeroCopy and Messages, likewise
)

// Flag is a setting that is on or off. All but Proxy are named after the fields of zmq.Config.
type Flag string

// The flags. A REQ of libzmq always correlates, and a ROUTER of libzmq is always mandatory.
const (
	Immediate Flag = "immediate"
	Mandatory Flag = "mandatory"
	Handover  Flag = "handover"
	NoDrop    Flag = "nodrop"
	Correlate Flag = "correlate"
	Proxy     Flag = "proxy" // a PULL, SUB or REP of this project is behind a zmq.Proxy
)

func (c Config) has(f Flag) bool { return slices.Contains(c.Flags, f) }

// Args returns the settings as arguments of a process.
func (c Config) Args() []string {
	args := []string{"type=" + c.Type}
	add := func(name, value string) {
		if value != "" && value != "0" {
			args = append(args, name+"="+value)
		}
	}
	add("bind", c.Bind)
	for _, endpoint := range c.Connect {
		add("connect", endpoint)
	}
	add("identity", c.Identity)
	add("base", strconv.FormatUint(c.Base, 10))
	add("shape", string(c.Shape))
	add("rate", strconv.Itoa(c.Rate))
	add("slow", strconv.FormatInt(c.Slow.Milliseconds(), 10))
	add("calls", string(c.Calls))
	add("sendhwm", strconv.Itoa(c.SendHWM))
	add("recvhwm", strconv.Itoa(c.RecvHWM))
	add("heartbeat", strconv.FormatInt(c.Heartbeat.Milliseconds(), 10))
	add("timeout", strconv.FormatInt(c.HeartbeatTimeout.Milliseconds(), 10))
	for _, f := range c.Flags {
		add("flag", string(f))
	}
	add("secret", c.SecretKey)
	add("public", c.PublicKey)
	add("server", c.ServerKey)
	return args
}

// ParseArgs is the inverse of Args.
func ParseArgs(args []string) (c Config, err error) {
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "type":
			c.Type = value
		case "bind":
			c.Bind = value
		case "connect":
			c.Connect = append(c.Connect, value)
		case "identity":
			c.Identity = value
		case "base":
			c.Base, err = strconv.ParseUint(value, 10, 32)
		case "shape":
			c.Shape = Shape(value)
		case "rate":
			c.Rate, err = strconv.Atoi(value)
		case "slow":
			c.Slow, err = time.ParseDuration(value + "ms")
		case "calls":
			c.Calls = Calls(value)
		case "sendhwm":
			c.SendHWM, err = strconv.Atoi(value)
		case "recvhwm":
			c.RecvHWM, err = strconv.Atoi(value)
		case "heartbeat":
			c.Heartbeat, err = time.ParseDuration(value + "ms")
		case "timeout":
			c.HeartbeatTimeout, err = time.ParseDuration(value + "ms")
		case "flag":
			c.Flags = append(c.Flags, Flag(value))
		case "secret":
			c.SecretKey = value
		case "public":
			c.PublicKey = value
		case "server":
			c.ServerKey = value
		default:
			err = fmt.Errorf("unknown")
		}
		if err != nil {
			return c, fmt.Errorf("argument %q: %w", arg, err)
		}
	}
	return c, nil
}

// linger is the linger time of Disconnect and Unbind.
const linger = 5 * time.Second

// socket returns the settings of the socket.
func (c Config) socket(events chan<- zmq.Event) (zmq.Config, error) {
	cfg := zmq.Config{
		SendHWM: c.SendHWM, RecvHWM: c.RecvHWM, HeartbeatInterval: c.Heartbeat, HeartbeatTimeout: c.HeartbeatTimeout,
		ReconnectInterval: 10 * time.Millisecond, ReconnectMax: 100 * time.Millisecond, Linger: linger,
		Identity: []byte(c.Identity), Events: events,
		Immediate: c.has(Immediate), Mandatory: c.has(Mandatory), Handover: c.has(Handover), NoDrop: c.has(NoDrop), Correlate: c.has(Correlate),
	}
	if c.SecretKey == "" {
		return cfg, nil
	}
	keys, err := zmq.ParseSecretKey(c.SecretKey)
	if err != nil || c.ServerKey == "" {
		cfg.Security = zmq.CurveServer{Keys: keys, Authenticator: zmq.AllowAny}
		return cfg, err
	}
	server, err := zmq.ParsePublicKey(c.ServerKey)
	cfg.Security = zmq.CurveClient{Keys: keys, ServerKey: server}
	return cfg, err
}
