package interop_test

import (
	"context"
	"testing"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// decodeTo is a handler that decodes any object, and hands on the text of those that have one.
func decodeTo(texts chan<- string) messaging.Handler {
	return func(_ context.Context, d messaging.Delivery) error {
		var object map[string]any
		if err := d.Decode(&object); err != nil {
			return err
		}
		if text, ok := object["text"].(string); ok {
			texts <- text
		}
		return nil
	}
}

// checkHealth checks that bad messages were counted, and did no harm.
func checkHealth(t *testing.T, s *service.Service, got messaging.SocketStats, bad int) {
	t.Helper()
	if got.Bad != uint64(bad) || got.Failed != 0 || got.Unhandled != 0 {
		t.Errorf("%+v, want %d bad, none failed, none unhandled", got, bad)
	}
	if stats := s.Stats(); stats.State != service.Running || stats.Status != service.StatusWarning || stats.Errors != 0 {
		t.Errorf("%+v, want a service that runs, with a warning", stats)
	}
}

func TestSubscriberGetsGarbage(t *testing.T) {
	t.Parallel()
	texts := make(chan string, 1000)
	s, err := messaging.NewSubscriber(messaging.SubscriberConfig{Name: "display", Address: "@" + wildcard(), Config: quiet})
	check(t, err)
	check(t, s.HandleDefault(decodeTo(texts)))
	running(t, s)
	p := startPeer(t, "garbage", "--type", "PUB", "--beat", `beat {"text": "beat"}`, "--address", ">"+s.SubAddresses()[0])
	next(t, texts)
	p.do("quiet", nil)
	p.do("garbage", nil)
	p.do("send", command{"frames": []command{{"text": `topic {"text": "end"}`}}})
	nextOf(t, texts, func(text string) bool { return text == "end" })
	checkHealth(t, s.Service, s.SubStats(), p.expect("garbage").Count)
}

func TestPullerGetsGarbage(t *testing.T) {
	t.Parallel()
	texts := make(chan string, 1)
	p, err := messaging.NewPuller(messaging.PullerConfig{Name: "sink", Address: "@" + wildcard(), Config: quiet})
	check(t, err)
	check(t, p.HandleTaskRaw(decodeTo(texts)))
	running(t, p)
	pusher := startPeer(t, "garbage", "--type", "PUSH", "--address", ">"+p.PullAddresses()[0])
	pusher.do("garbage", nil)
	pusher.do("send", command{"frames": []command{{"text": `{"text": "end"}`}}})
	next(t, texts)
	checkHealth(t, p.Service, p.PullStats(), pusher.expect("garbage").Count)
}
