package zmq

import (
	"errors"
	"net"
	"time"

	"github.com/experimance/experimance-go/internal/zmtp"
)

// Config holds a socket's settings. The zero Config is ready for use; each field's comment states its default.
// A socket copies it: later changes have no effect.
type Config struct {
	// SendHWM is the high-water mark of sending: how many whole messages may wait for each peer, beside the batch that
	// is being written. 0 means 1000, a negative value no limit.
	SendHWM int

	// RecvHWM is the high-water mark of receiving: how many whole messages of each peer may wait for Recv, before no
	// more are read from that peer. Of a peer that is gone, all that it has sent is read, as far as MemoryLimit allows.
	// 0 means 1000, a negative value no limit.
	RecvHWM int

	// SendHWMBytes bounds the bytes that wait for each peer; a message is taken as long as the bound is not reached.
	// 0 means 64 MiB, a negative value no limit. For a peer that is connected, sockets of which Send waits for room (PUSH,
	// DEALER, REQ, PAIR) never let more than 4 MiB wait: it would only leave the processor's cache.
	SendHWMBytes int

	// RecvHWMBytes bounds the bytes of each peer that wait for Recv, likewise. 0 means 64 MiB, a negative value no
	// limit; a PULL never takes more than 4 MiB ahead, since its peers wait and drop nothing.
	RecvHWMBytes int

	// MaxMessageSize is the largest message sent or accepted, in bytes, all frames and their headers together. A peer
	// that announces a larger one is disconnected before memory is taken for it. 0 means 256 MiB, a negative value no
	// limit.
	MaxMessageSize int64

	// MaxSubscriptionBytes bounds what a PUB socket keeps of each peer's subscriptions, and the
	// size of what it and a PUSH socket accept from a peer at all. Each subscription counts with
	// its length and 512 bytes, which is at least what it takes. So 0, which means 64 MiB, allows
	// some 120 000 subscriptions, or 11 000 of which each begins with the one before. A peer that
	// goes beyond is disconnected. A negative value means no limit.
	MaxSubscriptionBytes int

	// MaxPeers bounds how many peers may be connected to the bound tcp and ipc endpoints at once. One more is refused before its
	// handshake is completed: it sees its connection end, and tries again. That is told by an event with ErrTooManyPeers and
	// counted in Stats.PeersRefused. Beside what MemoryLimit counts, a peer takes up to 150 KiB: two goroutines, a
	// descriptor, and memory to read into (with CURVE 400 KiB). 0 means 16 384, a negative value no limit.
	MaxPeers int

	// MemoryLimit bounds the bytes of memory that all peers over tcp and ipc together make the socket keep: messages that were
	// not received, messages of which not all has arrived, subscriptions, the envelopes of requests without a reply, and what
	// peers announce about themselves. What the program has received is its own. When the limit is near, the socket stops
	// reading from the peers with the most unread messages. If messages in parts, subscriptions and the rest take more than
	// three quarters, it ends the connections with the most of these, with ErrMemoryLimit. EventMemoryLimit tells when the
	// limit is reached, with the likely cause; Stats.Kept is what is kept. A message needs up to twice its size while it
	// arrives, so MaxMessageSize should be at most half of the limit. 0 means 512 MiB, a negative value no limit.
	MemoryLimit int

	// HandshakeTimeout bounds the time from a connection to the end of its handshake. 0 means 30 s.
	HandshakeTimeout time.Duration

	// MaxHandshakes bounds how many connections of each bound endpoint are in their handshake at once, and so what strangers
	// who connect and say nothing can take: some 10 KiB, a descriptor and a goroutine each. For one more, another is closed
	// with ErrTooManyHandshakes: one that has sent nothing, from the address with the most of these; else one from the address
	// with the most handshakes; the oldest of several. Each has at least a tenth of a second, or a hundredth if its address has
	// more than half of all; until then the one more waits. The same happens when the process has no descriptor left. 0 means
	// 1024, a negative value no limit.
	MaxHandshakes int

	// ReconnectInterval is the wait before the first attempt to connect an endpoint again, give or
	// take half of it at random. The wait doubles with each attempt, up to ReconnectMax. A
	// completed handshake resets it: to ReconnectInterval, or, if connections end within ten times
	// that, one after the other, to twice as much each time, up to ten times as much. 0 means 100
	// ms. A negative value means never: when an attempt fails or the connection ends, that is the
	// same as Disconnect.
	ReconnectInterval time.Duration

	// ReconnectMax caps the wait before an endpoint is connected again, which is random by half of
	// it too. With the value of ReconnectInterval the interval is steady. After a peer has refused
	// this socket for good, with an ERROR, the wait is ten times as long, as far as ReconnectMax
	// allows, and at least a second. Close and Disconnect with messages that wait do not wait for the
	// next attempt. 0 means 5 s, or ReconnectInterval if that is longer.
	ReconnectMax time.Duration

	// Linger is how long Close, Disconnect and Unbind try to send what is queued, and wait until the systems of the peers have
	// it. For a peer that goes on sending, heartbeats for instance, they wait until it has read everything and ends the
	// connection: it could lose what it has not read otherwise. 0 means one second, a negative value not at all.
	Linger time.Duration

	// Immediate makes a connecting socket queue messages only for peers with which it has completed a handshake.
	// Without it messages are queued for an endpoint as soon as Connect was called, and wait there for the peer.
	Immediate bool

	// KeepAlive is TCP's own, for peers that vanish without a word. The zero value is Go's default: probes after 15 s, and
	// each 15 s after that; after 9 without an answer the connection ends. Since TCP sends no probes while data is on its way,
	// the same time (150 s) is also how long data may be on its way without any sign of the peer's system (Linux). A peer
	// whose program is slow, or stopped, is not concerned: its system goes on answering. Heartbeats notice more, and sooner.
	KeepAlive net.KeepAliveConfig

	// HeartbeatInterval is how often a PING is sent to each peer. 0 means never. Peers of ZMTP 2.0
	// know no PING and get none.
	HeartbeatInterval time.Duration

	// HeartbeatTimeout is how long a PING may be without an answer before the peer is disconnected. Anything that comes from
	// the peer is an answer. The time begins anew while messages that are held up by a slow network or a slow peer go on
	// leaving, and while a full receive queue keeps this socket from reading. So a peer that vanishes is disconnected within
	// HeartbeatInterval and HeartbeatTimeout; one that is slow is not. Peers of ZMTP 3.0 that have sent neither PING nor PONG are
	// not judged by silence, since libzmq before 4.2 does not know it. 0 means HeartbeatInterval.
	HeartbeatTimeout time.Duration

	// HeartbeatTTL asks the peers to disconnect when nothing has come from this socket for so long, in steps of a tenth of
	// a second, up to 6553.5 s. 0 means not to ask.
	HeartbeatTTL time.Duration

	// Security is how the socket and its peers trust each other. nil means not at all: everybody may connect, and
	// everything travels in the clear. It does not concern inproc, whose peers are in the same process.
	Security Security

	// Identity is the routing id by which a ROUTER peer will know this REQ, DEALER, REP or ROUTER: up to 255 bytes, of
	// which the first is not zero. None means that the peer makes one up. While another peer of the ROUTER has the same
	// identity, this one is refused: see Handover. A ROUTER of libzmq, unless it has ZMQ_ROUTER_HANDOVER, accepts the
	// connection instead and reads none of its messages, also when the other peer has gone: that cannot be noticed here.
	Identity []byte

	// Conflate keeps only the last message of each queue, for PUSH, PULL, PUB, SUB and DEALER. Messages must then have one
	// frame. One that another took the place of is counted nowhere. It means nothing to the other sockets.
	Conflate bool

	// NoDrop makes Send of a PUB or XPUB fail with ErrWouldDrop, instead of dropping the message for a full peer.
	NoDrop bool

	// InvertMatching makes a PUB or XPUB send each message to those peers that have no matching subscription. The SUB
	// must have it set as well.
	InvertMatching bool

	// WelcomeMessage is sent by a PUB or XPUB to each new peer, first of all. The peer must have subscribed to it.
	WelcomeMessage []byte

	// Verbose makes an XPUB report every subscription, not only the first to each prefix. Verboser is the same for
	// subscriptions and their ends.
	Verbose, Verboser bool

	// VerboseUnsubscribe makes an XSUB tell its publishers of every end of a subscription, not only of the last one to each
	// prefix, and of those without a subscription.
	VerboseUnsubscribe bool

	// Manual makes an XPUB report every subscription and its end, and leave it to the user to obey, with XPub.Subscribe
	// and XPub.Unsubscribe.
	Manual bool

	// ManualLastValue is Manual; in addition the first message sent after XPub.Subscribe goes to the new subscriber alone.
	ManualLastValue bool

	// Mandatory makes Send of a ROUTER fail with ErrUnroutable for an unknown routing id, and wait for a full peer. Without
	// it such messages are dropped and counted.
	Mandatory bool

	// Handover lets a new peer of a ROUTER take over the routing id of another, which is disconnected. Without it the new
	// peer is refused: it keeps its messages and tries again until the ROUTER has noticed that the other one has gone, which
	// HeartbeatInterval makes sure of.
	Handover bool

	// ProbeRouter makes a REQ, DEALER or ROUTER send an empty message to each new peer, so that a ROUTER learns of it.
	ProbeRouter bool

	// Correlate makes a REQ put a number before each request, and ignore replies that do not bear the last one. Peers return
	// the number with the rest of the envelope, as RFC 28 asks for; a program behind a ROUTER must do so too.
	Correlate bool

	// Relaxed lets a REQ send a new request before the reply to the last one, which is then given up: a request that was not
	// written to the peer yet will not be sent, and is counted in Stats.Dropped. For one that was written, set Correlate too:
	// then its reply is ignored. Without Correlate the peer that has it is disconnected, and a reply that comes by that
	// connection is ignored. A reply that comes by a later one cannot be told from that to a later request: that happens if
	// this socket has an Identity, by which a ROUTER or a REP of libzmq finds it again, so that Relaxed with an Identity
	// needs Correlate; and if a peer that connects to this socket keeps replies for its next connection, as libzmq does.
	Relaxed bool

	// Events receives what happens to the socket's endpoints and connections. The socket never waits for the reader:
	// events that do not fit into the channel are counted in Stats.EventsDropped. nil means none.
	Events chan<- Event
}

const unlimited = int(^uint(0) >> 1)

// withDefaults returns c with each zero field replaced by its default and each "no limit" by the largest value.
func (c Config) withDefaults() Config {
	bound(&c.SendHWM, 1000, unlimited)
	bound(&c.RecvHWM, 1000, unlimited)
	bound(&c.SendHWMBytes, 64<<20, unlimited)
	bound(&c.RecvHWMBytes, 64<<20, unlimited)
	bound(&c.MaxMessageSize, 256<<20, int64(unlimited))
	c.MaxMessageSize = min(c.MaxMessageSize, int64(unlimited)) // on 32 bits a larger one has no size
	bound(&c.MaxSubscriptionBytes, 64<<20, unlimited)
	bound(&c.MaxPeers, 16_384, unlimited)
	bound(&c.MemoryLimit, 512<<20, unlimited)
	bound(&c.HandshakeTimeout, 30*time.Second, 0)
	bound(&c.MaxHandshakes, 1024, unlimited)
	bound(&c.ReconnectInterval, 100*time.Millisecond, -1)
	bound(&c.ReconnectMax, max(5*time.Second, c.ReconnectInterval), 0)
	bound(&c.Linger, time.Second, 0)
	bound(&c.HeartbeatTimeout, c.HeartbeatInterval, 0)
	return c
}

func bound[T int | int64 | time.Duration](field *T, zero, negative T) {
	switch {
	case *field == 0:
		*field = zero
	case *field < 0:
		*field = negative
	}
}

// validate returns an error that names every field with a value that cannot be used.
func (c Config) validate() error {
	var errs []error
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"HandshakeTimeout", c.HandshakeTimeout},
		{"ReconnectMax", c.ReconnectMax},
		{"HeartbeatInterval", c.HeartbeatInterval},
		{"HeartbeatTimeout", c.HeartbeatTimeout},
		{"HeartbeatTTL", c.HeartbeatTTL},
	} {
		if f.value < 0 {
			errs = append(errs, &ConfigError{f.name, "is negative (" + f.value.String() + "); use 0 for the default"})
		}
	}
	if c.ReconnectMax > 0 && c.ReconnectMax < c.withDefaults().ReconnectInterval {
		const reason = "is shorter than ReconnectInterval; use the same value for a steady interval"
		errs = append(errs, &ConfigError{"ReconnectMax", reason})
	}
	if len(c.Identity) > zmtp.MaxIdentity {
		errs = append(errs, &ConfigError{"Identity", "is longer than 255 bytes"})
	}
	if len(c.Identity) > 0 && c.Identity[0] == 0 {
		errs = append(errs, &ConfigError{"Identity", "begins with a zero byte, which is reserved for generated ids"})
	}
	return errors.Join(errs...)
}
