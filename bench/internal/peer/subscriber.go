package peer

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
)

// subscriber is a connection that has subscribed to everything. It is the same for all engines of a protocol, and speaks no
// more of it than that takes, so that publishers alone differ.
type subscriber struct {
	conn net.Conn
	in   *bufio.Reader

	// awaitMessage reads until a message begins.
	awaitMessage func() error
}

// subscribe connects and subscribes.
func subscribe(endpoint string) (*subscriber, error) {
	carrier, address, _ := strings.Cut(endpoint, "://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	_ = conn.(*net.TCPConn).SetLinger(0) // thousands of ports in TIME_WAIT would be in the way of the next run
	s := &subscriber{conn: conn, in: bufio.NewReader(conn)}
	handshake := s.zmtp
	if carrier == "nats" {
		handshake = s.nats
	}
	if err := handshake(); err != nil {
		return nil, fmt.Errorf("subscribe at %s: %w", endpoint, err)
	}
	return s, nil
}

const greetingSize = 64

// zmtp greets as a SUB of ZMTP 3.0 with NULL, and subscribes (RFC 23).
func (s *subscriber) zmtp() error {
	greeting := make([]byte, greetingSize)
	greeting[0], greeting[9], greeting[10] = 0xff, 0x7f, 3
	copy(greeting[12:], "NULL")
	ready := []byte("\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB")
	ready = append([]byte{0x04, byte(len(ready))}, ready...)
	if _, err := s.conn.Write(greeting); err != nil {
		return err
	}
	if _, err := s.in.Discard(greetingSize); err != nil {
		return err
	}
	if _, err := s.conn.Write(ready); err != nil {
		return err
	}
	if err := s.discardFrame(); err != nil {
		return err
	}
	s.awaitMessage = func() error {
		_, err := s.in.Peek(1)
		return err
	}
	_, err := s.conn.Write([]byte{0x00, 1, 1})
	return err
}

func (s *subscriber) discardFrame() error {
	flags, err := s.in.ReadByte()
	if err != nil {
		return err
	}
	size := make([]byte, 8)
	short := size[7:]
	if flags&0x02 != 0 {
		short = size
	}
	if _, err := io.ReadFull(s.in, short); err != nil {
		return err
	}
	_, err = s.in.Discard(int(binary.BigEndian.Uint64(size)))
	return err
}

// nats subscribes to every subject, and returns when the server has taken that in.
func (s *subscriber) nats() error {
	if _, err := s.conn.Write([]byte("CONNECT {\"verbose\":false}\r\nSUB > 1\r\nPING\r\n")); err != nil {
		return err
	}
	s.awaitMessage = func() error { return s.line("MSG") }
	return s.line("PONG")
}

// line reads lines until one begins with word, and keeps the connection alive meanwhile.
func (s *subscriber) line(word string) error {
	for {
		line, err := s.in.ReadString('\n')
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(line, word):
			return nil
		case strings.HasPrefix(line, "PING"):
			if _, err := s.conn.Write([]byte("PONG\r\n")); err != nil {
				return err
			}
		case strings.HasPrefix(line, "-ERR"):
			return fmt.Errorf("server: %s", strings.TrimSpace(line))
		}
	}
}
