// Package engine is the small face behind which the runner keeps each messaging library written in Go or used from Go:
// sockets that send and receive batches of the same work. A library is one folder below this one.
//
// A process of a measurement opens sockets of one engine and ends; there is no way to close one.
package engine

import "fmt"

// Kind is the pattern that a socket plays its part in, by the names of ZeroMQ. An engine maps it to what it has.
type Kind string

// The kinds of socket that the works use.
const (
	Push Kind = "push"
	Pull Kind = "pull"
	Pub  Kind = "pub"
	Sub  Kind = "sub"
	Req  Kind = "req"
	Rep  Kind = "rep"
)

// Carriers, as they stand before "://" in an endpoint.
const (
	TCP    = "tcp"
	IPC    = "ipc"
	Inproc = "inproc"
)

// Options say what a socket will be used for. An engine that cannot do it answers Open with Unsupported.
type Options struct {
	Carrier string // TCP, IPC or Inproc
	Size    int    // bytes of each frame
	Frames  int    // frames of each message, at least 1
	Peers   int    // sockets that will be connected to this one, where it binds
	Topics  int    // messages begin with one of so many Topics; 0: they do not
	Curve   *Curve // keys; nil: no encryption

	// Prefixes is how many prefixes a socket, or its peer, subscribes to beside its topic.
	Prefixes int
	// Refusing is how many endpoints without a listener the socket is connected to.
	Refusing int

	// Unbounded lifts the library's limits of what may wait to be sent and received.
	Unbounded bool

	// Single has each message sent and received by itself, in the library's plainest way, also where it can do several at once or
	// without a copy.
	Single bool
}

// Curve holds the keys of both sides in the Z85 form of RFC 32. The side that binds is the server.
type Curve struct {
	Server                     bool // this socket is the server
	ServerPublic, ServerSecret string
	ClientPublic, ClientSecret string
}

// Message is the frames of one message.
type Message [][]byte

// Socket is one socket of an engine. It is used by one goroutine at a time.
type Socket interface {
	// Bind accepts peers at an endpoint, and returns it with its wildcards resolved.
	Bind(endpoint string) (resolved string, err error)
	// Connect connects to an endpoint that Bind returned.
	Connect(endpoint string) error
	// Subscribe asks a Sub socket for the messages that begin with topic, all of them where topic is empty.
	Subscribe(topic string) error
	// Send sends the messages of a batch, each as a message of its own, and leaves none of them waiting for more. The engine may read
	// the frames also after it returned.
	Send(batch []Message) error
	// Recv receives n messages and returns the first frame of the last, which is valid until the next call.
	Recv(n int) ([]byte, error)
}

// Engine is a messaging library.
type Engine interface {
	// Name is the engine's name in flags, tables and plots.
	Name() string
	// Version says what is measured.
	Version() string
	// Open makes a socket, with the library's default options. The error is Unsupported where the library cannot do
	// what kind and opt ask for.
	Open(kind Kind, opt Options) (Socket, error)
}

// Broker is an Engine whose sockets meet at a server, in a process of its own.
type Broker interface {
	Engine
	// Serve starts the server in this process and returns the endpoint that sockets bind and connect to alike.
	Serve() (endpoint string, err error)
}

// Unsupported is the error of an engine that cannot do a work; its text is the reason.
type Unsupported string

// Error returns the reason.
func (u Unsupported) Error() string { return string(u) }

// NoKind says that an engine has no such socket.
func NoKind(kind Kind) error { return Unsupported(fmt.Sprintf("no %s socket in this engine", kind)) }

// TopicLen is the length of every topic.
const TopicLen = 11

// Topic returns the topic with an index from 0 to 99,999.
func Topic(i int) string { return fmt.Sprintf("topic.%05d", i) }
