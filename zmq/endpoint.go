package zmq

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
)

// endpoint is a parsed endpoint: a transport, and an address in that transport's own form.
type endpoint struct {
	transport string // "tcp", "ipc" or "inproc"
	host      string // tcp: "" means every interface
	port      string // tcp: "0" means any free port
	name      string // ipc: the path, "@name" for an abstract one, "*" for any free path; inproc: the name
}

// parseEndpoint parses what Bind and Connect take. bind allows the wildcards that only Bind understands.
func parseEndpoint(s string, bind bool) (endpoint, error) {
	transport, rest, ok := strings.Cut(s, "://")
	if !ok {
		return endpoint{}, errors.New(`no transport; write it as "tcp://host:port", "ipc://path" or "inproc://name"`)
	}
	switch transport {
	case "tcp":
		return parseTCP(rest, bind)
	case "ipc", "inproc":
		if rest == "" || rest == "@" {
			return endpoint{}, fmt.Errorf(`no name; write it as "%s://name"`, transport)
		}
		if transport == "ipc" && rest == "*" && !bind {
			return endpoint{}, errors.New("a wildcard can be bound, not connected to; take the endpoint that Bind returned")
		}
		if transport == "ipc" && rest[0] == '@' && runtime.GOOS != "linux" {
			return endpoint{}, errors.New("only Linux has abstract names; take a path")
		}
		if transport == "ipc" {
			if err := checkPath(rest); err != nil {
				return endpoint{}, err
			}
		}
		return endpoint{transport: transport, name: rest}, nil
	default:
		return endpoint{}, fmt.Errorf("unknown transport %q; known are tcp, ipc and inproc", transport)
	}
}

func parseTCP(s string, bind bool) (endpoint, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return endpoint{}, fmt.Errorf(`%w; write it as "tcp://host:port", with brackets around an IPv6 address`, err)
	}
	ep := endpoint{transport: "tcp", host: host, port: port}
	if host == "*" {
		ep.host = ""
	}
	if port == "*" {
		ep.port = "0"
	}
	if n, err := strconv.ParseUint(ep.port, 10, 16); err != nil || (n == 0 && !bind) {
		return endpoint{}, fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	if !bind && ep.host == "" {
		return endpoint{}, errors.New("a wildcard host can be bound, not connected to; name the host")
	}
	return ep, nil
}

// address is the network and the address of a tcp or ipc endpoint, as package net takes them.
func (e endpoint) address() (network, address string) {
	if e.transport == "ipc" {
		return "unix", e.name
	}
	return "tcp", net.JoinHostPort(e.host, e.port)
}

// resolved is the endpoint that a listener ended up with: the port or path is the real one, and "every interface" is
// written as libzmq does, so that the result can be connected to.
func (e endpoint) resolved(addr net.Addr) string {
	if e.transport == "ipc" {
		return "ipc://" + e.name
	}
	host := e.host
	if host == "" {
		host = "0.0.0.0"
	}
	port := e.port
	if tcp, ok := addr.(*net.TCPAddr); ok {
		port = strconv.Itoa(tcp.Port)
	}
	return "tcp://" + net.JoinHostPort(host, port)
}
