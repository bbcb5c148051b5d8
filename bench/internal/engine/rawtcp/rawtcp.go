// Package rawtcp measures what a Go program reaches with nothing but package net: messages after a length of four bytes
// on one connection, written in pieces of some 64 KiB. It is not a messaging library but the mark to be compared with.
package rawtcp

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// Engine is package net.
type Engine struct{}

var _ engine.Engine = Engine{}

// Name returns "raw-go".
func (Engine) Name() string { return "raw-go" }

// Version returns that of Go.
func (Engine) Version() string { return runtime.Version() }

// Open makes a socket for one connection.
func (Engine) Open(kind engine.Kind, opt engine.Options) (engine.Socket, error) {
	switch {
	case kind == engine.Pub || kind == engine.Sub:
		return nil, engine.Unsupported("a connection has no publish and subscribe")
	case opt.Carrier == engine.Inproc:
		return nil, engine.Unsupported("a connection is not inproc")
	case opt.Curve != nil:
		return nil, engine.Unsupported("a connection is not encrypted")
	case opt.Frames > 1:
		return nil, engine.Unsupported("a connection has no multipart messages")
	case opt.Peers > 1:
		return nil, engine.Unsupported("a connection has one peer")
	}
	return &socket{}, nil
}

// bufferSize is how much is gathered for one write, and asked for by one read.
const bufferSize = 64 << 10

const headerSize = 4

type socket struct {
	listener net.Listener
	conn     net.Conn
	in       *bufio.Reader
	out      *bufio.Writer
	body     []byte
}

// Bind listens; the peer is accepted by the first Send or Recv.
func (s *socket) Bind(endpoint string) (string, error) {
	network, address := split(endpoint)
	listener, err := net.Listen(network, strings.Replace(address, ":*", ":0", 1))
	if err != nil {
		return "", err
	}
	s.listener = listener
	if network == "unix" {
		return endpoint, nil
	}
	return fmt.Sprintf("tcp://%s", listener.Addr()), nil
}

// Connect dials.
func (s *socket) Connect(endpoint string) error {
	network, address := split(endpoint)
	conn, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	s.use(conn)
	return nil
}

func split(endpoint string) (network, address string) {
	carrier, address, _ := strings.Cut(endpoint, "://")
	if carrier == engine.IPC {
		return "unix", address
	}
	return "tcp", address
}

func (s *socket) use(conn net.Conn) {
	s.conn = conn
	s.in = bufio.NewReaderSize(conn, bufferSize)
	s.out = bufio.NewWriterSize(conn, bufferSize)
}

func (s *socket) accepted() error {
	if s.conn != nil {
		return nil
	}
	conn, err := s.listener.Accept()
	if err != nil {
		return err
	}
	s.use(conn)
	return nil
}

// Subscribe fails: no kind of this engine subscribes.
func (s *socket) Subscribe(string) error { return engine.NoKind(engine.Sub) }

// Send writes the batch, as few writes as the buffer allows.
func (s *socket) Send(batch []engine.Message) error {
	if err := s.accepted(); err != nil {
		return err
	}
	for _, m := range batch {
		header := binary.BigEndian.AppendUint32(s.out.AvailableBuffer(), uint32(len(m[0])))
		if _, err := s.out.Write(header); err != nil {
			return err
		}
		if _, err := s.out.Write(m[0]); err != nil {
			return err
		}
	}
	return s.out.Flush()
}

// Recv reads n messages into the same memory.
func (s *socket) Recv(n int) ([]byte, error) {
	if err := s.accepted(); err != nil {
		return nil, err
	}
	for range n {
		header, err := s.in.Peek(headerSize)
		if err != nil {
			return nil, err
		}
		size := int(binary.BigEndian.Uint32(header))
		if _, err := s.in.Discard(headerSize); err != nil {
			return nil, err
		}
		if cap(s.body) < size {
			s.body = make([]byte, size)
		}
		s.body = s.body[:size]
		if _, err := io.ReadFull(s.in, s.body); err != nil {
			return nil, err
		}
	}
	return s.body, nil
}
