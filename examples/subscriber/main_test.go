package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

func TestSubscriber(t *testing.T) {
	t.Parallel()
	const address = "inproc://examples-subscriber"
	out, in := io.Pipe()
	s, err := newSubscriber(address, in)
	if err != nil {
		t.Fatal(err)
	}
	p, err := messaging.NewPublisher(messaging.PublisherConfig{Name: "camera", Address: address, MinSubscribers: 1})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Go("talk", func(ctx context.Context) error {
		return p.PublishRaw(ctx, "weather", []byte(`{"rain":true}`))
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	code := make(chan int, 1)
	go func() {
		code <- service.RunMain(ctx, service.MainConfig{}, p, s)
		_ = in.Close()
	}()
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "weather") {
			stop()
		}
	}
	if c := <-code; c != service.ExitClean {
		t.Errorf("exit code %d", c)
	}
	if want := "weather: {\"rain\":true}\n"; !strings.Contains(text.String(), want) {
		t.Errorf("printed %q, want %q in it", text.String(), want)
	}
}
