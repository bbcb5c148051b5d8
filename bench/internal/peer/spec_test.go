package peer_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/peer"
)

func TestParseSpecIsTheReverseOfArgs(t *testing.T) {
	t.Parallel()
	for _, want := range []peer.Spec{
		{
			Role: peer.Drain, Socket: engine.Pull, Endpoint: "tcp://127.0.0.1:*", Bind: true, Sockets: 1, Peers: 8,
			Size: 64, Frames: 3, Window: time.Second,
			Curve: &engine.Curve{Server: true, ServerPublic: "=a", ServerSecret: "b&", ClientPublic: "c", ClientSecret: "d"},
		},
		{
			Role: peer.Pace, Socket: engine.Pub, Endpoint: "ipc:///tmp/x=y", Sockets: 10, Peers: 1,
			Size: 16, Frames: 1, Topics: 10_000, Rate: 2_500_000, Unbounded: true,
		},
		{Role: peer.Many, Socket: engine.Sub, Sockets: 1, Peers: 1, Frames: 1, Prefixes: 7500, Nested: true, Refusing: 9},
	} {
		got, err := peer.ParseSpec(want.Args())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestParseSpecRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"drain", "sockets=many"}, {"drain", "color=red"}} {
		if spec, err := peer.ParseSpec(args); err == nil {
			t.Errorf("%q is taken for %+v", args, spec)
		}
	}
}
