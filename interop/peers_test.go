package interop_test

import (
	"testing"
)

// The tests in this file have Python on both sides, so that a failure of the others points at Go.

// pair is a direction of connecting: which side binds.
type pair struct {
	name        string
	senderBinds bool
}

var pairs = []pair{{"sender binds", true}, {"receiver binds", false}}

func TestPeersSockets(t *testing.T) {
	t.Parallel()
	for _, types := range [][2]string{{"PUB", "SUB"}, {"PUSH", "PULL"}} {
		for _, pair := range pairs {
			t.Run(types[0]+" "+pair.name, func(t *testing.T) {
				t.Parallel()
				sender, receiver := startPair(t, types, pair.senderBinds)
				receiver.expect("received", text("beat"))
				sender.do("quiet", nil)
				sender.do("send", command{"frames": []command{{"size": 1 << 20, "seed": 7}, {"size": 0, "seed": 0}}})
				got := receiver.expect("received", parts(2))
				if want := []frame{patternFrame(1<<20, 7), patternFrame(0, 0)}; !equalFrames(got.Frames, want) {
					t.Errorf("got %+v, want %+v", got.Frames, want)
				}
			})
		}
	}
}

// startPair starts two bare sockets that are connected to each other; the sender beats.
func startPair(t *testing.T, types [2]string, senderBinds bool) (sender, receiver *peer) {
	t.Helper()
	send := []string{"--type", types[0], "--beat", "beat", "--address"}
	receive := []string{"--type", types[1], "--address"}
	if types[1] == "SUB" {
		receive = append([]string{"--subscribe", ""}, receive...)
	}
	if senderBinds {
		sender = startPeer(t, "bare_socket", append(send, "@"+wildcard())...)
		return sender, startPeer(t, "bare_socket", append(receive, ">"+sender.endpoint("socket"))...)
	}
	receiver = startPeer(t, "bare_socket", append(receive, "@"+wildcard())...)
	return startPeer(t, "bare_socket", append(send, ">"+receiver.endpoint("socket"))...), receiver
}

func TestPeersBurst(t *testing.T) {
	t.Parallel()
	const count = 100_000
	receiver := startPeer(t, "bare_socket", "--type", "PULL", "--address", "@"+wildcard(), "--tally", "100000")
	sender := startPeer(t, "bare_socket", "--type", "PUSH", "--address", ">"+receiver.endpoint("socket"))
	sender.do("burst", command{"count": count})
	if e := receiver.expect("tally"); e.Count != count || !e.Ordered || e.Last != count-1 {
		t.Errorf("got %+v, want %d in order", e, count)
	}
}

func TestPeersPublication(t *testing.T) {
	t.Parallel()
	publisher := startPeer(t, "publisher", "--pub", "@"+wildcard(), "--heartbeat", "0.01", "--name", "camera")
	subscriber := startPeer(t, "subscriber", "--sub", publisher.endpoint("pub"), "--topic", "state", "--topic", "heartbeat")
	beat := subscriber.expect("message", topic("heartbeat")).Message
	if beat["type"] != "Heartbeat" || beat["service"] != "camera" || beat["state"] != "running" {
		t.Errorf("heartbeat %v", beat)
	}
	publisher.do("publish", command{"topic": "other", "message": command{}})
	publisher.do("publish", command{"topic": "state", "message": command{"text": "één 日本 \" \\"}})
	if got := subscriber.expect("message", notTopic("heartbeat")); got.Topic != "state" || got.Message["text"] != "één 日本 \" \\" {
		t.Errorf("got %+v", got)
	}
}

func TestPeersTasks(t *testing.T) {
	t.Parallel()
	controller := startController(t)
	worker := startWorker(t, controller, "w")
	controller.do("push", command{"message": command{"type": "Task", "task_id": "1", "payload": "abc"}})
	got := controller.expect("result").Message
	if got["task_id"] != "1" || got["result"] != "ABC" || got["worker"] != "w" {
		t.Errorf("result %v", got)
	}
	worker.kill()
	startWorker(t, controller, "v")
	// Two, because one goes to the dead worker where libzmq has not yet seen that it is dead.
	controller.do("push", command{"count": 2, "message": command{"type": "Task", "task_id": "2", "payload": "def"}})
	if got := controller.expect("result").Message; got["task_id"] != "2" || got["worker"] != "v" {
		t.Errorf("result %v", got)
	}
}

// startController starts the Python controller on free ports, subscribed to a publisher that does not exist.
func startController(t *testing.T, args ...string) *peer {
	t.Helper()
	return startPeer(t, "controller", append([]string{
		"--pub", "@" + wildcard(), "--push", "@" + wildcard(), "--pull", "@" + wildcard(), "--sub", "",
	}, args...)...)
}

// startWorker starts a Python worker of a Python controller.
func startWorker(t *testing.T, controller *peer, name string) *peer {
	t.Helper()
	return startPeer(t, "worker", "--name", name, "--topic", "", "--sub", controller.endpoint("pub"),
		"--pull", controller.endpoint("push"), "--push", controller.endpoint("pull"))
}

func TestPeersGarbage(t *testing.T) {
	t.Parallel()
	receiver := startPeer(t, "bare_socket", "--type", "PULL", "--address", "@"+wildcard())
	sender := startPeer(t, "garbage", "--type", "PUSH", "--address", ">"+receiver.endpoint("socket"))
	sender.do("garbage", nil)
	for range sender.expect("garbage").Count {
		receiver.expect("received")
	}
}

func TestPeersStranger(t *testing.T) {
	t.Parallel()
	puller := startPeer(t, "bare_socket", "--type", "PULL", "--address", "@"+wildcard())
	stranger := startPeer(t, "stranger", "--against", "PULL", "--connect", puller.endpoint("socket"))
	stranger.tell("attack", command{"kind": "an unknown socket type"})
	stranger.expect("over")
}
