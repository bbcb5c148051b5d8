// Package messaging provides the seven kinds of Experimance service that send and receive messages: [Publisher],
// [Subscriber], [Pusher], [Puller], [PublisherSubscriber], [Controller] and [Worker]. Each is a [service.Service] with one
// to four sockets, which are opened at Start, fresh ones each time, and closed at Stop.
//
// # The wire
//
// Messages are JSON objects; the key "type" is the application's (see [MessageType]). A published message is one frame:
// topic, one space, object. A pushed message is one frame: the object. A publisher sends a [Heartbeat] as soon as it runs,
// then at an interval, and a last one, with state "stopping", when it stops. Services in Python and in Go understand each
// other.
//
// # Addresses
//
// An address is an endpoint, and its scheme chooses the engine: tcp, ipc and inproc are ZeroMQ. A wildcard host or port
// binds ("tcp://*:5555", "tcp://127.0.0.1:*"), any other host is connected to. Where the address has no host (ipc, inproc)
// the kind of service decides: Publisher and Pusher bind, Subscriber and Puller connect, a Controller binds all but its
// subscribing socket, a Worker connects all. A leading "@" forces binding, and ">" connecting. An address field takes
// several, separated by commas.
//
// # Handlers
//
// A handler takes either a decoded value ([Handle], [HandleTask], [HandleResult], [HandleWork]) or a [Delivery] with the
// bytes. A message on a topic goes to the handler of exactly this topic, else to that of the longest prefix ("worker.*"),
// else to the default handler. A message that cannot be read is counted, warned of at most once per
// [Config].BadMessageInterval, and dropped. A handler's error or panic is recorded as an error of the service
// ([service.Service.RecordError]). The service goes on in all these cases.
//
// A failed handshake with a peer is warned of in the log of the service, at the same pace, with the
// cause: another security mechanism or key, another kind of socket, an old version of ZeroMQ,
// another protocol. If the peer only closes the connection, the warning names the likely causes.
// Connections on which nothing was said, such as those of health checks, are not warned of. A peer
// that is disconnected because it went beyond a limit is warned of as well.
//
// # Concurrency
//
// All methods may be called by many goroutines at once. Handlers of one socket run one after the other unless the
// configuration's Concurrency says otherwise; those of different sockets of a service run at the same time. A handler may
// publish, push, and call Stop. Its context ends when the service stops; a handler that does not return delays Stop until
// the stop's time is over, and is then named by it.
//
// # Order
//
// Messages that one goroutine sends to one peer are handled in the order sent, where Concurrency is 1. Between publishers,
// between peers of a puller, and between different sockets there is no order.
//
// # Overflow
//
// Every queue has a bound ([Config].SendHWM, [Config].RecvHWM). A publisher drops messages for a subscriber whose queue
// is full, or that is not there yet; [Publisher.WaitForSubscribers] avoids the latter. A pusher waits until a peer has room;
// what it cannot hand over is an error, never a silent loss. A socket takes no more from the network while its handlers
// lag behind. Stop sends what is queued as far as its time allows, but waits no more than a second for a peer where there
// is none; its receipt counts what was sent and what was dropped. All counts can be seen by PubStats, SubStats, PushStats
// and PullStats.
package messaging
