// Package zmq has sockets that speak ZeroMQ's protocol, ZMTP 3.1 (RFC 37), in pure Go: all eleven
// types, over tcp, ipc and, within a process, inproc; in the clear, or secured by PLAIN or CURVE.
// They talk to each other, to those of libzmq 4.0 and later, and in the clear to peers of ZMTP 2.0
// (libzmq 3.2, JeroMQ 0.3).
//
// A socket is not a connection. It may be bound to endpoints and connected to others, any number of each, at any time; it
// finds its peers again when they were away, and routes messages by its type:
//
//   - [Pub] sends each message to every [Sub] that has subscribed to how it begins.
//   - [Push] sends each message to one [Pull], to each in turn.
//   - [Req] asks a [Rep], to each in turn, and waits for the answer.
//   - [Dealer] and [Router] do the same without waiting: a Dealer sends to each peer in turn, a Router to the one it names.
//   - [XPub] and [XSub] are Pub and Sub with the subscriptions as messages, for what stands between the two: a [Proxy].
//   - [Pair] talks to one other Pair.
//
// A message is one frame of bytes or several, which arrive together or not at all.
//
// # Concurrency
//
// All methods of all sockets may be called by any number of goroutines at once. Those that wait take a context, and end
// with its error or when the socket is closed.
//
// # Receiving
//
// Recv returns one message. Where there are many, the loop of Messages ([Pull.Messages], and of Sub, XSub, Dealer, Router and
// Pair) is faster:
//
//	for m, err := range pull.Messages(ctx) {
//		if err != nil {
//			return err
//		}
//		handle(m.Bytes())
//		m.Release()
//	}
//
// # Many at a time
//
// Where millions of small messages a second are to be handled, most of the time goes into locking, once for each on either side.
// SendEach ([Push.SendEach], and of Dealer, Pair and Pub) sends many messages of one frame with one call. RecvEach
// ([Pull.RecvEach], and of Sub, XSub, Dealer, Router and Pair) receives as many as wait, and [ReleaseEach] releases them. The
// peer's side need not do the same.
//
// # Large messages
//
// Send copies what it is given. From about 1 MiB on that takes a good part of the time: SendZeroCopy ([Push.SendZeroCopy], and of
// Dealer, Pair and Pub) shares a large last frame with the engine instead. [Message.Release] makes receiving them faster.
//
// # Security
//
// Config.Security says who may connect and whether the traffic is encrypted. Without it everybody may, and it is not.
//
// # Order
//
// The messages that one goroutine sends reach a peer in the order of the calls. Messages of several peers are received in
// turn, one from each that has some. Where messages waited for a peer that went away, PUSH gives them to others when those
// have room, which may be after newer ones.
//
// # Loss
//
// PUSH never drops a message that Send has accepted, unless the socket is closed before it could be sent, and never sends
// it twice. But there is no acknowledgement: what was written to a peer that dies may be lost with it. PUB drops for a
// peer that does not keep up, and a message that nobody has subscribed to goes nowhere. DEALER, REQ and PAIR wait as PUSH
// does; XPUB, ROUTER and REP drop as PUB does.
//
// [Stats] accounts for every message that Send has accepted: it is queued, dropped, or sent to the peer's system. What was
// on its way when a connection broke, so that the peer may not have it, is counted in Stats.Unconfirmed besides. A message
// that has arrived is received, also when its peer has closed its connection or answers to it fail.
//
// A socket that stops receiving loses what is on its way to it, unless [Pull.Drain] (and of Sub, XSub, Dealer, Router and Rep)
// takes it in first.
//
// # Overflow
//
// Every queue has a bound, in messages and in bytes ([Config]). Each peer has a queue of its own for sending and for
// receiving. When that for sending is full, PUSH turns to another peer, and waits when there is none with room; PUB drops
// the message for that peer. When that for receiving is full, no more is read from the peer, so that its own queue fills.
// [Stats] counts every drop. A multipart message counts as one, and a frame's size is believed when its bytes have come.
//
// A bound socket's queue for a peer ends with the connection. A connected socket's queue is filled also before there is a
// connection, unless Config.Immediate is set, and stays when the connection is lost; but if a PUSH or DEALER has other peers
// then, these get what is queued and what is sent until that peer is back.
//
// # Refusal
//
// A ROUTER refuses a peer whose identity another has, and a PAIR a second peer. It gives the peer no reason, which ZeroMQ
// would take as final, so that the peer keeps what is queued and tries again. Both sides have the event
// [EventHandshakeFailed]; that of the side which refuses has the reason.
//
// One side completes the handshake: the bound socket, or with PLAIN and CURVE the server. It
// refuses peers before. If the other side refuses, its peer has been told that it is accepted, and
// may lose what it has written to the connection. So may a peer of ZMTP 2.0, which does not wait to
// be accepted.
//
// # Memory
//
// Send copies the frames: they may be used again when it returns. Received bytes belong to the [Message], and stay as they
// are for as long as it is in use. [Message.Release] gives them back, which makes large messages much faster; who does not
// call it is safe all the same.
//
// # Closing
//
// Close refuses new messages, ends blocked calls with [ErrClosed], and sends what is queued. Then it tells each peer that
// nothing more will come, and waits until the peer has ended the connection too or its system has everything, as long as
// Config.Linger allows. What is not known to have left by then is counted in Stats.Dropped. Close returns when nothing of the
// socket is left: no goroutine, no connection. Shutdown does the same for as long as a context lasts. Disconnect and Unbind do
// it for their connections, and receive meanwhile what these still bring. What has arrived at a closed socket and was not
// received is counted in Stats.Discarded: to lose nothing, Drain first.
//
// # Events
//
// Config.Events tells what becomes of endpoints and connections, and why. The cause of a failed
// handshake is a [HandshakeError], whose text names the likely causes if the peer told none. The
// end of a peer's connection that went beyond a limit of Config has a cause that is [ErrLimit].
package zmq
