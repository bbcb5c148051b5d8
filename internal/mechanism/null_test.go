package mechanism_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// subReady is the body of a READY of a SUB socket.
const subReady = "\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"

func ExampleNull() {
	pub := mechanism.NewNull(mechanism.Params{
		Metadata: wire.AppendProperty(nil, wire.PropertySocketType, []byte("PUB")),
	})
	fmt.Printf("send %q\n", pub.Start())

	_, done, err := pub.Handle(context.Background(), []byte(subReady))
	peer, _ := pub.Metadata().Get(wire.PropertySocketType)
	fmt.Printf("done %t, %v: peer is a %s\n", done, err, peer)
	// Output:
	// send "\x04\x19\x05READY\vSocket-Type\x00\x00\x00\x03PUB"
	// done true, <nil>: peer is a SUB
}

func TestNullAnnouncesItself(t *testing.T) {
	t.Parallel()
	for _, server := range []bool{false, true} {
		m := mechanism.NewNull(mechanism.Params{Server: server})
		if m.Name() != "NULL" || m.AsServer() || m.Sealer() != nil {
			t.Errorf("server %t: name %q, as-server %t, sealer %v", server, m.Name(), m.AsServer(), m.Sealer())
		}
	}
}

// TestNullAnswersReady has the end that accepted send READY when it has found the peer's
// good, and not before.
func TestNullAnswersReady(t *testing.T) {
	t.Parallel()
	m := mechanism.NewNull(serverParams)
	if b := m.Start(); b != nil {
		t.Errorf("begins with %q", b)
	}
	if due, causes := m.Awaits(); due != "READY" || causes != "" {
		t.Errorf("awaits %s because of %q", due, causes)
	}
	reply, done, err := m.Handle(t.Context(), []byte(subReady))
	if want := wire.AppendCommand(nil, wire.CommandReady, serverParams.Metadata); !done || err != nil || string(reply) != string(want) {
		t.Errorf("replied %q, done %t, %v; want %q", reply, done, err, want)
	}
	client := mechanism.NewNull(clientParams)
	client.Start()
	if due, causes := client.Awaits(); due != "READY" || !strings.Contains(causes, "a peer with this identity already") {
		t.Errorf("awaits %s because of %q", due, causes)
	}
	if reply, done, err := client.Handle(t.Context(), body(t, reply)); reply != nil || !done || err != nil {
		t.Errorf("replied %q, done %t, %v", reply, done, err)
	}
}

func TestNullKeepsNoMemoryOfTheCaller(t *testing.T) {
	t.Parallel()
	m := mechanism.NewNull(mechanism.Params{})
	command := []byte(subReady)
	if _, done, err := m.Handle(t.Context(), command); !done || err != nil {
		t.Fatal(done, err)
	}
	clear(command)
	if v, _ := m.Metadata().Get("socket-type"); string(v) != "SUB" {
		t.Errorf("peer's type has become %q", v)
	}
}

func TestNullRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, command string }{
		{"no command", ""},
		{"name cut off", "\x05REA"},
		{"unknown command", "\x05HOWDY"},
		{"command of another mechanism", "\x05HELLO\x00\x00"},
		{"metadata cut off", subReady[:len(subReady)-1]},
		{"metadata with an empty name", "\x05READY\x00\x00\x00\x00\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := mechanism.NewNull(mechanism.Params{})
			reply, done, err := m.Handle(t.Context(), []byte(tt.command))
			if done || err == nil || errors.Is(err, mechanism.ErrAuthentication) {
				t.Errorf("done %t, %v; want an error of the protocol", done, err)
			}
			if reply != nil {
				t.Errorf("replied %q to what may be no ZMTP at all", reply)
			}
			if m.Metadata() != nil {
				t.Errorf("metadata %v", m.Metadata())
			}
		})
	}
}

func TestNullTellsThePeerWhatCheckSays(t *testing.T) {
	t.Parallel()
	unwelcome := errors.New("no SUB here")
	m := mechanism.NewNull(mechanism.Params{Check: func(props wire.Properties) error {
		if v, _ := props.Get(wire.PropertySocketType); string(v) == "SUB" {
			return unwelcome
		}
		return nil
	}})
	reply, done, err := m.Handle(t.Context(), []byte(subReady))
	if done || !errors.Is(err, unwelcome) {
		t.Errorf("done %t, %v", done, err)
	}
	if want := "\x04\x12\x05ERROR\x0bno_SUB_here"; string(reply) != want {
		t.Errorf("replied %q, want %q", reply, want)
	}
}

func TestNullTakesErrorAsFinal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		command        string
		reason         string
		authentication bool
	}{
		{"\x05ERROR\x03400", "400", true},
		{"\x05ERROR\x03300", "300", true},
		{"\x05ERROR\x03500", "500", true},
		{"\x05ERROR\x03200", "200", false},
		{"\x05ERROR\x04busy", "busy", false},
		{"\x05ERROR\x00", "", false},
		{"\x05ERROR", "", false},
		{"\x05ERROR\x09bu", "", false},
	} {
		t.Run(tt.command, func(t *testing.T) {
			t.Parallel()
			m := mechanism.NewNull(mechanism.Params{})
			reply, done, err := m.Handle(t.Context(), []byte(tt.command))
			if reply != nil || done {
				t.Errorf("reply %q, done %t", reply, done)
			}
			var refused *mechanism.PeerError
			if !errors.As(err, &refused) || refused.Reason != tt.reason {
				t.Errorf("%v; want a PeerError with the reason %q", err, tt.reason)
			}
			if errors.Is(err, mechanism.ErrAuthentication) != tt.authentication {
				t.Errorf("%v: authentication must be %t", err, tt.authentication)
			}
		})
	}
}

func FuzzNull(f *testing.F) {
	f.Add([]byte(subReady))
	f.Add([]byte("\x05ERROR\x03400"))
	f.Add([]byte("\x05READY\x08Identity\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, command []byte) {
		m := mechanism.NewNull(mechanism.Params{})
		reply, done, err := m.Handle(t.Context(), command)
		if done == (err != nil) || reply != nil {
			t.Fatalf("reply %q, done %t, %v", reply, done, err)
		}
	})
}

// TestPeerErrorInWords has a peer refuse with a status of ZAP (RFC 27), and with other reasons.
func TestPeerErrorInWords(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"300": "peer refused the connection: temporary error (300)",
		"400": "peer refused the connection: authentication failed (400)",
		"500": "peer refused the connection: internal error (500)",
		"200": `peer refused the connection with the reason "200"`,
		"no":  `peer refused the connection with the reason "no"`,
		"":    "peer refused the connection without a reason",
	} {
		if got := (&mechanism.PeerError{Reason: reason}).Error(); got != want {
			t.Errorf("%q reads %q, want %q", reason, got, want)
		}
	}
	if got := mechanism.Status(7).String(); got != "unknown status (7)" {
		t.Error(got)
	}
}
