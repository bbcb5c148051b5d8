package messaging

import (
	"errors"
	"fmt"
	"strings"
)

// routes says which handler takes which topic. A value is never changed: with makes a new one.
type routes struct {
	exact     map[string]Handler
	prefixes  map[string]Handler // without the "*"
	byDefault Handler
}

// with returns the routes and h for the topic, which ends in "*" for a prefix.
func (r *routes) with(topic string, h Handler) (*routes, error) {
	prefix, isPrefix := strings.CutSuffix(topic, "*")
	into := r.exact
	if isPrefix {
		into = r.prefixes
	}
	switch {
	case h == nil:
		return nil, fmt.Errorf("the handler of topic %q is nil", topic)
	case topic == "":
		return nil, errors.New(`the topic is empty; use "*" or HandleDefault for every topic`)
	case into[prefix] != nil:
		return nil, fmt.Errorf("topic %q has a handler already", topic)
	case !isPrefix || prefix != "":
		if err := checkTopic(prefix); err != nil {
			return nil, err
		}
	}
	grown := &routes{exact: r.exact, prefixes: r.prefixes, byDefault: r.byDefault}
	if isPrefix {
		grown.prefixes = plus(r.prefixes, prefix, h)
	} else {
		grown.exact = plus(r.exact, topic, h)
	}
	return grown, nil
}

func (r *routes) withDefault(h Handler) (*routes, error) {
	switch {
	case h == nil:
		return nil, errors.New("the default handler is nil")
	case r.byDefault != nil:
		return nil, errors.New("there is a default handler already")
	}
	return &routes{exact: r.exact, prefixes: r.prefixes, byDefault: h}, nil
}

func plus(m map[string]Handler, key string, h Handler) map[string]Handler {
	grown := make(map[string]Handler, len(m)+1)
	for k, v := range m {
		grown[k] = v
	}
	grown[key] = h
	return grown
}

// subscriptions returns the prefixes that bring what the handlers want.
func (r *routes) subscriptions() []string {
	if r.byDefault != nil {
		return []string{""}
	}
	var prefixes []string
	for topic := range r.exact {
		prefixes = append(prefixes, topic)
	}
	for prefix := range r.prefixes {
		prefixes = append(prefixes, prefix)
	}
	return prefixes
}

// find returns the handler of the topic: its own, else that of the longest prefix, else the default, else nil.
func (r *routes) find(topic string) Handler {
	if h := r.exact[topic]; h != nil {
		return h
	}
	best, longest := r.byDefault, -1
	for prefix, h := range r.prefixes {
		if len(prefix) > longest && strings.HasPrefix(topic, prefix) {
			best, longest = h, len(prefix)
		}
	}
	return best
}

// routeCache remembers the handlers of topics seen lately, so that a message costs one lookup and no allocation. It
// belongs to one receive loop.
type routeCache struct {
	of     *routes // what the entries were found in
	topics map[string]cachedRoute
}

type cachedRoute struct {
	topic   string
	handler Handler
}

// A cache that has grown to this many topics begins anew: a publisher that invents topics must not fill the memory.
const maxCachedRoutes = 4096

func (c *routeCache) find(r *routes, topic []byte) (string, Handler) {
	if c.of != r || len(c.topics) >= maxCachedRoutes {
		c.of, c.topics = r, make(map[string]cachedRoute)
	}
	if found, ok := c.topics[string(topic)]; ok {
		return found.topic, found.handler
	}
	name := string(topic)
	h := r.find(name)
	c.topics[name] = cachedRoute{name, h}
	return name, h
}
