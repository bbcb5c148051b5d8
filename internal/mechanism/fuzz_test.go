package mechanism_test

import (
	"bytes"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// FuzzPlain says three commands to each end of PLAIN.
func FuzzPlain(f *testing.F) {
	hello, initiate := "\x05HELLO\x06camera\x06sesame", "\x08INITIATE"+string(clientParams.Metadata)
	f.Add([]byte(hello), []byte(initiate), []byte(initiate))
	f.Add([]byte("\x07WELCOME"), []byte(subReady), []byte(""))
	f.Add([]byte("\x05HELLO\xff"), []byte("\x05ERROR\x03400"), []byte("\x05ERROR\x09"))
	newServer := factory(f, camera)
	newClient := factory(f, mechanism.PlainClient{Username: "camera", Password: "sesame"})
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		server, client := newServer(serverParams), newClient(clientParams)
		client.Start()
		for _, m := range []mechanism.Mechanism{server, client} {
			over := false
			for _, command := range [][]byte{a, b, c} {
				reply, done, err := m.Handle(t.Context(), command)
				if over && err == nil || done && err != nil {
					t.Fatalf("%T after %q: reply %q, done %t, %v", m, command, reply, done, err)
				}
				over = over || done || err != nil
			}
		}
		if bytes.HasPrefix(a, []byte("\x05HELLO")) && user(server).ID != "" && string(a) != hello {
			t.Fatalf("%q was let in", a)
		}
	})
}

// FuzzCurve changes the command of one stage of CURVE's handshake: it flips the bits of
// mask in it, cuts it to a length, and adds something. What comes out must be refused,
// unless it is what went in.
func FuzzCurve(f *testing.F) {
	for stage := range byte(4) {
		f.Add(stage, []byte{}, uint16(1000), []byte{})
		f.Add(stage, []byte{0, 1}, uint16(40), []byte("\x00\x01"))
	}
	stages := curveStages(f)
	names := []string{"HELLO", "WELCOME", "INITIATE", "READY"}
	f.Fuzz(func(t *testing.T, stage byte, mask []byte, length uint16, more []byte) {
		name := names[stage%4]
		m, good := stages[name](t)
		bad := bytes.Clone(good)
		for i := range min(len(mask), len(bad)) {
			bad[i] ^= mask[i]
		}
		bad = append(bad[:min(len(bad), int(length))], more...)
		_, done, err := m.Handle(t.Context(), bad)
		if (err == nil) != bytes.Equal(bad, good) || done && err != nil {
			t.Fatalf("%s %q has become %q: done %t, %v", name, good, bad, done, err)
		}
	})
}

// FuzzSealer opens a stranger's frame, and one that was sealed.
func FuzzSealer(f *testing.F) {
	f.Add(byte(0), []byte("hello"), []byte("\x07MESSAGE\x00\x00\x00\x00\x00\x00\x00\x09and so on, long enough"))
	f.Add(byte(wire.FlagMore), bytes.Repeat([]byte("x"), 300), []byte("\x07MESSAGE"))
	f.Add(byte(wire.FlagCommand), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, flags byte, plain, stranger []byte) {
		client, server := sealers(t)
		if got, err := server.Open(nil, flags, stranger); err == nil {
			t.Fatalf("%q was opened: %q", stranger, got)
		}
		flags &= wire.FlagMore | wire.FlagCommand
		gotFlags, got, err := opened(t, server, 0, sealed(t, client, flags, plain))
		if flags == wire.FlagMore|wire.FlagCommand {
			if err == nil {
				t.Fatal("a command of several frames was opened")
			}
			return
		}
		if err != nil || gotFlags != flags || !bytes.Equal(got, plain) {
			t.Fatalf("%d, %q has become %d, %q, %v", flags, plain, gotFlags, got, err)
		}
	})
}
