package messaging

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// FuzzFrame has any bytes split and decoded as a published message.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{`a {"b":1}`, "", " ", " {}", "a {", `a {"b":NaN}`, "\xff {}", "a {\"\xff\":1}", `a {"b":"\ud800"} `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		topic, object, err := splitFrame(frame)
		if err != nil {
			return
		}
		if checkTopic(string(topic)) != nil {
			t.Errorf("topic %q could not have been published", topic)
		}
		var msg map[string]any
		if (JSON{}).Decode(object, &msg) != nil {
			return
		}
		var again bytes.Buffer
		again.WriteString(string(topic) + " ")
		if err := encodeObject(JSON{}, &again, msg); err != nil {
			t.Fatalf("%q was read, and cannot be written: %v", frame, err)
		}
		if _, _, err := splitFrame(again.Bytes()); err != nil {
			t.Errorf("%q was written as %q: %v", frame, again.Bytes(), err)
		}
	})
}

// TestRoutesMatchTheirDescription compares the choice of handlers with a plain reading of its rule.
func TestRoutesMatchTheirDescription(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab]{0,4}`)
		registered := rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) string {
			return word.Draw(t, "topic") + rapid.SampledFrom([]string{"", "*"}).Draw(t, "end")
		}), rapid.ID[string]).Draw(t, "registered")
		r, called := &routes{}, ""
		topics := make(map[string]bool)
		for _, topic := range registered {
			if topic == "" {
				continue
			}
			topics[topic] = true
			grown, err := r.with(topic, tell(&called, topic))
			if err != nil {
				t.Fatal(err)
			}
			r = grown
		}
		topic := word.Draw(t, "published")
		want := ""
		if topics[topic] {
			want = topic
		} else {
			for i := len(topic); i >= 0 && want == ""; i-- {
				if topics[topic[:i]+"*"] {
					want = topic[:i] + "*"
				}
			}
		}
		var cache routeCache
		for range 2 { // found, and found again
			called = ""
			if name, h := cache.find(r, []byte(topic)); h != nil {
				if err := h(t.Context(), Delivery{Topic: name}); err != nil {
					t.Fatal(err)
				}
			}
			if called != want {
				t.Fatalf("topic %q went to %q, want %q of %s", topic, called, want, strings.Join(registered, ", "))
			}
		}
	})
}

func tell(called *string, name string) Handler {
	return func(context.Context, Delivery) error {
		*called = name
		return nil
	}
}

func TestRouteCacheIsBounded(t *testing.T) {
	t.Parallel()
	r, err := (&routes{}).withDefault(tell(new(string), ""))
	if err != nil {
		t.Fatal(err)
	}
	var cache routeCache
	for i := range 3 * maxCachedRoutes {
		if name, h := cache.find(r, []byte{byte(i), byte(i >> 8), 'x'}); h == nil || len(name) != 3 {
			t.Fatalf("topic %d: %q", i, name)
		}
		if len(cache.topics) > maxCachedRoutes {
			t.Fatalf("%d topics cached", len(cache.topics))
		}
	}
}
