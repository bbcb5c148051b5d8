package messaging

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// address is one endpoint of a socket, and how the socket uses it.
type address struct {
	endpoint string // as the engine takes it, without the leading '@' or '>'
	scheme   string
	bind     bool
}

// parseAddresses parses a list of addresses separated by commas, all of which must belong to one engine.
// bindNames says what an address without a host (inproc, ipc) does.
func parseAddresses(list string, bindNames bool) ([]address, error) {
	var addrs []address
	for s := range strings.SplitSeq(list, ",") {
		a, err := parseAddress(strings.TrimSpace(s), bindNames)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		if len(addrs) > 0 && engines[a.scheme] != engines[addrs[0].scheme] {
			return nil, fmt.Errorf("%q and %q need different engines; one socket has one", addrs[0].endpoint, a.endpoint)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

func parseAddress(s string, bindNames bool) (address, error) {
	a := address{endpoint: strings.TrimLeft(s, "@>")}
	scheme, rest, ok := strings.Cut(a.endpoint, "://")
	if !ok {
		return a, errors.New(`no scheme; write it as "tcp://host:port"`)
	}
	if engines[scheme] == nil {
		return a, fmt.Errorf("unknown scheme %q; known are tcp, ipc and inproc", scheme)
	}
	a.scheme, a.bind = scheme, bindNames
	if scheme == "tcp" {
		wildcard, err := checkTCP(rest)
		if err != nil {
			return a, err
		}
		a.bind = wildcard
		if wildcard && s[0] == '>' {
			return a, errors.New("a wildcard can be bound, not connected to; name host and port")
		}
	} else if rest == "" {
		return a, fmt.Errorf("no name; write it as %q", scheme+"://name")
	}
	switch s[:len(s)-len(a.endpoint)] {
	case "":
	case "@":
		a.bind = true
	case ">":
		a.bind = false
	default:
		return a, errors.New(`more than one prefix; use "@" to bind or ">" to connect`)
	}
	return a, nil
}

// checkTCP checks host and port, and reports whether one of them is a wildcard, which only binding understands.
func checkTCP(hostport string) (wildcard bool, err error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return false, fmt.Errorf(`%w; write it as "tcp://host:port"`, err)
	}
	if host == "" {
		return false, errors.New(`no host; use "*" to bind every interface`)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if port != "*" && err != nil {
		return false, fmt.Errorf(`port %q is not "*" or a number from 0 to 65535`, port)
	}
	anyHost := host == "*" || host == "0.0.0.0" || host == "::"
	return anyHost || n == 0, nil
}
