package messaging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
)

// standard is a Codec on encoding/json.
type standard struct{}

func (standard) Encode(buf *bytes.Buffer, msg any) error { return json.NewEncoder(buf).Encode(msg) }
func (standard) Decode(data []byte, msg any) error       { return json.Unmarshal(data, msg) }

func TestCodecOfTheUser(t *testing.T) {
	t.Parallel()
	cfg := messaging.Config{Codec: standard{}}
	p, _ := startPublisher(t, "inproc", messaging.PublisherConfig{Config: cfg})
	s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0], Config: cfg})
	type shutter struct {
		Open time.Duration // which the default codec refuses
	}
	got := make(chan shutter, 1)
	check(t, messaging.Handle(s, "t", func(_ context.Context, _ string, m shutter) error { got <- m; return nil }))
	run(t, s)
	subscribed(t, p, "t", 1)
	check(t, p.Publish(t.Context(), "t", shutter{time.Second}))
	if m := receive(t, got); m.Open != time.Second {
		t.Errorf("got %v", m)
	}
	wantError(t, p.Publish(t.Context(), "t", []int{1}), messaging.ErrNotObject)
}

func TestJSONReadsWhatPythonWrites(t *testing.T) {
	t.Parallel()
	var got map[string]any
	text := `{"float": 1.0, "exp": 1e-07, "big": 12345678901234567890, "esc": "\u00e9\ud83d\ude00", "lone": "\udc80", "none": null, "nested": {"a": [true, false]}}`
	if err := (messaging.JSON{}).Decode([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got["esc"] != "é😀" || got["lone"] != "\uFFFD" || got["float"] != 1.0 || got["none"] != nil {
		t.Errorf("got %v", got)
	}
	for _, bad := range []string{`{"a": NaN}`, `{"a": -Infinity}`, `{"a": 1, "a": 2}`, `{'a': 1}`} {
		if err := (messaging.JSON{}).Decode([]byte(bad), &got); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestJSONAppends(t *testing.T) {
	t.Parallel()
	buf := bytes.NewBufferString("topic ")
	check(t, (messaging.JSON{}).Encode(buf, map[string]string{"html": "<&>"}))
	if got, want := buf.String(), `topic {"html":"<&>"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
