package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// Tasks are dealt out to whoever has connected.
func ExamplePush() {
	ctx := context.Background()
	push, err := zmq.NewPush(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer push.Close()
	endpoint, err := push.Bind("tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}

	pull, err := zmq.NewPull(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer pull.Close()
	if err := pull.Connect(endpoint); err != nil {
		log.Fatal(err)
	}

	if err := push.Send(ctx, []byte("task")); err != nil { // waits until there is a peer
		log.Fatal(err)
	}
	m, err := pull.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m.Bytes())
	m.Release()
	// Output: task
}

// A loop over what arrives is the shortest way to receive, and the fastest.
func ExamplePull_Messages() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pull, err := zmq.NewPull(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer pull.Close()
	push, err := zmq.NewPush(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer push.Close()
	if _, err := pull.Bind("inproc://laundry"); err != nil {
		log.Fatal(err)
	}
	if err := push.Connect("inproc://laundry"); err != nil {
		log.Fatal(err)
	}
	for _, task := range []string{"wash", "dry", "iron"} {
		if err := push.Send(ctx, []byte(task)); err != nil {
			log.Fatal(err)
		}
	}

	for m, err := range pull.Messages(ctx) {
		if err != nil {
			log.Fatal(err) // ctx has ended, or the socket is closed
		}
		fmt.Printf("%s\n", m.Bytes())
		last := string(m.Bytes()) == "iron"
		m.Release() // optional, as after Recv
		if last {
			break
		}
	}
	// Output:
	// wash
	// dry
	// iron
}

// Many small messages are sent, received and released with few calls.
func ExamplePull_RecvEach() {
	ctx := context.Background()
	pull, err := zmq.NewPull(zmq.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pull.Close()
	push, err := zmq.NewPush(zmq.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer push.Close()
	if _, err := pull.Bind("inproc://readings"); err != nil {
		fmt.Println(err)
		return
	}
	if err := push.Connect("inproc://readings"); err != nil {
		fmt.Println(err)
		return
	}

	var readings [][]byte
	for i := range 1000 {
		readings = append(readings, fmt.Append(nil, i))
	}
	if n, err := push.SendEach(ctx, readings); err != nil {
		fmt.Printf("%d of %d were sent: %v\n", n, len(readings), err)
		return
	}

	sum := 0
	into := make([]zmq.Message, 64)
	for left := len(readings); left > 0; {
		n, err := pull.RecvEach(ctx, into)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, m := range into[:n] {
			reading, err := strconv.Atoi(string(m.Bytes()))
			if err != nil {
				fmt.Println(err)
				return
			}
			sum += reading
		}
		zmq.ReleaseEach(into[:n])
		left -= n
	}
	fmt.Println("sum:", sum)
	// Output: sum: 499500
}

// A publisher that waits for its subscriber loses no first message.
func ExamplePub_WaitSubscribers() {
	ctx := context.Background()
	sub, err := zmq.NewSub(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	if err := sub.Subscribe("weather."); err != nil {
		log.Fatal(err)
	}
	if err := sub.Connect("inproc://news"); err != nil { // before Bind: that will do
		log.Fatal(err)
	}

	pub, err := zmq.NewPub(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer pub.Close()
	if _, err := pub.Bind("inproc://news"); err != nil {
		log.Fatal(err)
	}
	if err := pub.WaitSubscribers(ctx, "weather.", 1); err != nil {
		log.Fatal(err)
	}
	for _, news := range []string{"sport.football 2:1", "weather.berlin rain"} {
		if err := pub.Send(ctx, []byte(news)); err != nil {
			log.Fatal(err)
		}
	}

	m, err := sub.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m.Bytes())
	m.Release()
	// Output: weather.berlin rain
}

// A message of several frames arrives as a whole.
func ExampleCurveFleet() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	// Once: make the fleet's key. The second file, with the secret, goes to every member, and to nobody else.
	keys, err := zmq.GenerateKeyPair()
	if err != nil {
		log.Fatal(err)
	}
	if err := zmq.SaveKeyPair(filepath.Join(dir, "fleet.key"), keys); err != nil {
		log.Fatal(err)
	}

	// Every member: the same two lines, whether its sockets bind or connect.
	keys, err = zmq.LoadKeyPair(filepath.Join(dir, "fleet.key_secret"))
	if err != nil {
		log.Fatal(err)
	}
	cfg := zmq.Config{Security: zmq.CurveFleet{Keys: keys}}

	pull, err := zmq.NewPull(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer pull.Close()
	endpoint, err := pull.Bind("tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	push, err := zmq.NewPush(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer push.Close()
	if err := push.Connect(endpoint); err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	if err := push.Send(ctx, []byte("among ourselves")); err != nil {
		log.Fatal(err)
	}
	m, err := pull.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m.Bytes())
	// Output: among ourselves
}

func ExampleMessage_All() {
	ctx := context.Background()
	pull, err := zmq.NewPull(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer pull.Close()
	push, err := zmq.NewPush(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer push.Close()
	endpoint, err := pull.Bind("tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	if err := push.Connect(endpoint); err != nil {
		log.Fatal(err)
	}

	if err := push.Send(ctx, []byte("header"), nil, []byte("body")); err != nil {
		log.Fatal(err)
	}
	m, err := pull.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for i, frame := range m.All() {
		fmt.Printf("frame %d: %q\n", i, frame)
	}
	m.Release() // the frames are invalid from here on
	// Output:
	// frame 0: "header"
	// frame 1: ""
	// frame 2: "body"
}

// Events tell what becomes of connections. The channel's room is the caller's choice.
func ExampleEvent() {
	events := make(chan zmq.Event, 100)
	pull, err := zmq.NewPull(zmq.Config{Events: events})
	if err != nil {
		log.Fatal(err)
	}
	endpoint, err := pull.Bind("tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	push, err := zmq.NewPush(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := push.Connect(endpoint); err != nil {
		log.Fatal(err)
	}
	if err := pull.WaitPeers(context.Background(), 1); err != nil {
		log.Fatal(err)
	}
	push.Close()
	for e := range events {
		fmt.Println(e.Kind)
		if e.Kind == zmq.EventDisconnected {
			break
		}
	}
	pull.Close()
	// Output:
	// listening
	// accepted
	// handshake succeeded
	// disconnected
}

// Shutdown bounds the time that is left for what is queued, and the statistics tell what became of it.
func ExamplePush_Shutdown() {
	push, err := zmq.NewPush(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := push.Connect("inproc://nobody-will-come"); err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if err := push.Send(context.Background(), []byte("task")); err != nil {
			log.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := push.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("dropped:", push.Stats().Dropped)
	// Output: dropped: 3
}

// A receiver that stops in good order takes in what is on its way to it; what has not left yet goes to others.
func ExamplePull_Drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	push, err := zmq.NewPush(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer push.Close()
	endpoint, err := push.Bind("tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	pull, err := zmq.NewPull(zmq.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer pull.Close()
	if err := pull.Connect(endpoint); err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		if err := push.Send(ctx, fmt.Appendf(nil, "task %d", i)); err != nil {
			log.Fatal(err)
		}
	}
	for push.Stats().MessagesSent < 3 { // now they are on their way
		time.Sleep(time.Millisecond)
	}

	drained := make(chan error, 1)
	go func() { drained <- pull.Drain(ctx) }()
	for m, err := range pull.Messages(ctx) {
		if err != nil {
			fmt.Println(errors.Is(err, zmq.ErrDrained))
			break
		}
		fmt.Printf("%s\n", m.Bytes())
	}
	fmt.Println(<-drained)
	// Output:
	// task 0
	// task 1
	// task 2
	// true
	// <nil>
}
