package zmtp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// fourSteps is a mechanism with roles, in the manner of PLAIN: HELLO, WELCOME,
// INITIATE, READY, where the server knows one word.
type fourSteps struct {
	params   mechanism.Params
	word     string
	peer     wire.Properties
	deadline bool
}

func (m *fourSteps) Name() string                { return "FOUR" }
func (m *fourSteps) AsServer() bool              { return m.params.Server }
func (m *fourSteps) Metadata() wire.Properties   { return m.peer }
func (m *fourSteps) Sealer() mechanism.Sealer    { return inverting{} }
func (m *fourSteps) reply(name, s string) []byte { return wire.AppendCommand(nil, name, []byte(s)) }

func (m *fourSteps) Start() []byte {
	if m.params.Server {
		return nil
	}
	return m.reply("HELLO", m.word)
}

func (m *fourSteps) Handle(ctx context.Context, command []byte) (reply []byte, done bool, err error) {
	_, m.deadline = ctx.Deadline()
	name, data, err := wire.ParseCommand(command)
	if err != nil {
		return nil, false, err
	}
	switch string(name) {
	case "HELLO":
		if string(data) != m.word {
			return wire.AppendError(nil, "400"), false, fmt.Errorf("%s says %q: %w", m.params.Peer, data, mechanism.ErrAuthentication)
		}
		return m.reply("WELCOME", ""), false, nil
	case "WELCOME":
		return m.reply("INITIATE", string(m.params.Metadata)), false, nil
	case "INITIATE":
		return m.reply(wire.CommandReady, string(m.params.Metadata)), true, m.learn(data)
	case wire.CommandReady:
		return nil, true, m.learn(data)
	case wire.CommandError:
		reason, err := wire.ParseError(data)
		return nil, false, errors.Join(&mechanism.PeerError{Reason: reason}, err)
	default:
		return nil, false, fmt.Errorf("command %q", name)
	}
}

func (m *fourSteps) learn(data []byte) (err error) {
	if m.peer, err = wire.ParseProperties(slices.Clone(data)); err != nil {
		return err
	}
	return m.params.Check(m.peer)
}

// inverting is a sealer that shows that it was there.
type inverting struct{}

func (inverting) Seal(dst []byte, flags byte, body []byte) ([]byte, error) {
	dst = wire.AppendHeader(dst, flags, len(body))
	for _, c := range body {
		dst = append(dst, ^c)
	}
	return dst, nil
}

func (s inverting) Open(dst []byte, flags byte, body []byte) ([]byte, error) {
	return s.Seal(dst, flags, body)
}

func withWord(word string) func(mechanism.Params) mechanism.Mechanism {
	return func(params mechanism.Params) mechanism.Mechanism {
		return &fourSteps{params: params, word: word}
	}
}

func TestMechanismWithRoles(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		var server *fourSteps
		serving := handshake(t.Context(), theirs, true, zmtp.Config{
			SocketType: "PUSH",
			NewMechanism: func(params mechanism.Params) mechanism.Mechanism {
				server = &fourSteps{params: params, word: "sesame"}
				return server
			},
		})
		client, err := zmtp.Handshake(t.Context(), ours, false, zmtp.Config{SocketType: "PULL", NewMechanism: withWord("sesame")})
		atServer := <-serving
		if err != nil || atServer.err != nil {
			t.Fatalf("client: %v, server: %v", err, atServer.err)
		}
		if client.SocketType != "PUSH" || atServer.peer.SocketType != "PULL" {
			t.Errorf("client met a %q, server a %q", client.SocketType, atServer.peer.SocketType)
		}
		if _, ok := client.Sealer.(inverting); !ok {
			t.Errorf("client's sealer is %T", client.Sealer)
		}
		if !server.params.Server || server.params.Peer == "" || !server.deadline {
			t.Errorf("server's params %+v, context with deadline: %t", server.params, server.deadline)
		}
	})
}

func TestRoleIsAnnounced(t *testing.T) {
	t.Parallel()
	for _, server := range []bool{false, true} {
		onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
			sent := collect(theirs)
			play(theirs, send(greetingOf(3, 1)))
			_, err := zmtp.Handshake(t.Context(), ours, server, zmtp.Config{SocketType: "PULL", NewMechanism: withWord("")})
			checkFailure(t, err, zmtp.StageGreeting, zmtp.KindProtocol)
			ours.Close()
			greeting, err := wire.ParseGreeting([]byte(sent()))
			if err != nil || greeting.AsServer != server || greeting.Mechanism != "FOUR" {
				t.Errorf("greeting %+v, %v; want as-server %t", greeting, err, server)
			}
		})
	}
}

func TestAuthenticationFailsOnBothEnds(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		serving := handshake(t.Context(), theirs, true, zmtp.Config{SocketType: "PUSH", NewMechanism: withWord("sesame")})
		_, err := zmtp.Handshake(t.Context(), ours, false, zmtp.Config{SocketType: "PULL", NewMechanism: withWord("barley")})
		for end, err := range map[string]error{"client": err, "server": (<-serving).err} {
			checkFailure(t, err, zmtp.StageSecurity, zmtp.KindAuthentication)
			var failed *zmtp.HandshakeError
			if !errors.As(err, &failed) || !failed.Fatal() {
				t.Errorf("%s: %v; want a fatal error", end, err)
			}
		}
	})
}

// chatter replies to whatever comes and never is done.
type chatter struct{ fourSteps }

func (m *chatter) Handle(context.Context, []byte) (reply []byte, done bool, err error) {
	return m.reply("AND", ""), false, nil
}

// TestRepliesAreBounded meets a peer that talks on and does not listen.
func TestRepliesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := pipe(t)
		greeting := wire.AppendGreeting(nil, wire.Greeting{Major: 3, Minor: 1, Mechanism: "FOUR"})
		played := play(theirs, send(string(greeting)), func(conn net.Conn) error {
			for {
				if _, err := conn.Write([]byte("\x04\x04\x03AND")); err != nil {
					return err
				}
			}
		})
		begun := time.Now()
		_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{
			SocketType:   "PULL",
			NewMechanism: func(mechanism.Params) mechanism.Mechanism { return &chatter{} },
		})
		checkFailure(t, err, zmtp.StageSecurity, zmtp.KindNetwork)
		if took := time.Since(begun); took != zmtp.DefaultTimeout || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
		theirs.Close()
		if played() == nil {
			t.Error("the peer came to an end")
		}
	})
}
